"""Verifying snapshots that were published for real, whole and damaged."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from axsync.errors import ManifestError
from axsync.lake.history import find_run
from axsync.model import ID_FIELD, Outcome
from axsync.snapshots.verify import Verified, verify
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import DEVICES, PLAIN, USERS, Type, column, content, devices, facts, publish


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """One snapshot: 30 devices in three files, no users."""
    made = FolderLake(tmp_path / "lake")
    publish(made, facts("2026-11-22"), Type(rows=devices(30), files=3), Type(USERS))
    return made


def verified(lake: FolderLake, run: str = "latest") -> Verified:
    return verify(lake, find_run(lake, run))


def texts(found: Verified) -> list[str]:
    return [fault.text for fault in found.faults]


def part(lake: FolderLake, number: int = 0, day: str = "2026-11-22") -> Path:
    return sorted((lake.root / lake.partition(DEVICES, day)).glob("part-*.parquet"))[number]


def edit(lake: FolderLake, change: Callable[[dict[str, object]], None], day: str = "20261122") -> None:
    """Change the first lane of a manifest."""
    path = lake.root / lake.manifest_name(f"{day}T020000Z-aaaa")
    document = lake.as_version_1(f"{day}T020000Z-aaaa")
    change(document["lanes"][0])
    path.write_text(json.dumps(document))


def test_a_whole_snapshot_has_no_faults(lake: FolderLake) -> None:
    """Every byte of it was read, and nothing was written."""
    before, sizes = content(lake.root), list[int]()
    found = verify(lake, find_run(lake, "latest"), sizes.append)

    assert found.faults == ()
    assert [(lane.entity, lane.files, lane.rows) for lane in found.lanes] == [("devices", 3, 30), ("users", 0, 0)]
    assert sum(sizes) == sum(lane.bytes for lane in found.lanes) == sum(part(lake, n).stat().st_size for n in range(3))
    assert content(lake.root) == before


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.999])
def test_a_flipped_bit_is_found_wherever_it_is(lake: FolderLake, place: float) -> None:
    """In pages, in the footer, in the magic bytes: the size stays, the hash does not."""
    path = part(lake, 1)
    raw = bytearray(path.read_bytes())
    raw[int(place * len(raw))] ^= 0x10
    path.write_bytes(raw)

    (fault,) = verified(lake).faults
    assert (fault.path, fault.lane) == (str(path.relative_to(lake.root)), DEVICES)
    assert "SHA-256" in fault.text


def test_a_file_that_was_cut_or_is_gone_is_found(lake: FolderLake) -> None:
    """Each by its own words."""
    part(lake, 0).write_bytes(part(lake, 0).read_bytes()[:-1])
    part(lake, 1).unlink()

    short, missing = texts(verified(lake))
    assert "bytes instead of" in short
    assert missing == "is missing"


def test_a_part_file_that_no_manifest_names_is_found(lake: FolderLake) -> None:
    """Beside the files of a lane, and in the folder of a lane that has none; other people's files are left alone."""
    for lane in (DEVICES, USERS):
        folder = lake.root / lake.partition(lane, "2026-11-22")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "part-x.parquet").touch()
        (folder / "notes.txt").touch()

    assert [(fault.path, fault.text) for fault in verified(lake).faults] == [
        ("entity=devices/instance=prod/dt=2026-11-22/part-x.parquet", "is not in any manifest"),
        ("entity=users/instance=prod/dt=2026-11-22/part-x.parquet", "is not in any manifest"),
    ]


def test_ids_that_come_twice_are_named(tmp_path: Path) -> None:
    """In one file or in two; a row without an id is told of as well."""
    lake, twin = FolderLake(tmp_path), {ID_FIELD: "a" * 32, "hostname": "x", "cores": 1}
    odd = {**twin, ID_FIELD: "short"}
    publish(
        lake, facts("2026-11-22"), Type(rows=[twin, *devices(9), twin, odd, odd, {**twin, ID_FIELD: None}], files=2)
    )

    assert texts(verified(lake)) == ["1 rows have no id", f"2 ids come more than once: {'a' * 32}, short"]


def test_rows_columns_and_ids_are_those_of_the_manifest(lake: FolderLake) -> None:
    """A file may be whole and yet not be what the manifest tells."""

    def more(lane: dict[str, object]) -> None:
        lane["distinct_ids"] = 31

    edit(lake, more)
    assert texts(verified(lake)) == ["30 different ids instead of 31"]

    def rows(lane: dict[str, object]) -> None:
        files = lane["files"]
        assert isinstance(files, list)
        files[0]["rows"] = 7
        lane["columns"] = {"internal_axon_id": {"field": "internal_axon_id", "type": "string", "dates": None}}

    edit(lake, rows)
    wrong_rows, *wrong_columns = texts(verified(lake))
    assert wrong_rows == "has 10 rows instead of 7"
    assert wrong_columns == ["has other columns than the manifest: hostname, cores"] * 2


def test_a_widened_column_is_another_type(lake: FolderLake) -> None:
    """The type counts, not only the name."""
    edit(lake, lambda lane: lane.update(columns={**dict_of(lane), "cores": _entry("double")}))

    assert set(texts(verified(lake))) == {"has other columns than the manifest: cores"}


def dict_of(lane: dict[str, object]) -> dict[str, object]:
    columns = lane["columns"]
    assert isinstance(columns, dict)
    return columns


def _entry(kind: str) -> dict[str, object]:
    return {"field": "specific_data.data.cores", "type": kind, "dates": None}


def test_files_of_an_older_run_that_stand_in_are_read_as_well(lake: FolderLake) -> None:
    """A failed type keeps its earlier files; a flipped bit in them is one of today's snapshot."""
    publish(lake, facts("2026-11-23"), Type(USERS, rows=devices(2)), Outcome(DEVICES, "partial", "503"))
    assert verified(lake).faults == ()

    path = part(lake)
    path.write_bytes(path.read_bytes()[::-1])
    assert len(verified(lake).faults) == 1


def test_a_run_that_a_later_one_of_the_day_replaced_says_so(lake: FolderLake) -> None:
    """Its files are gone on purpose."""
    later = publish(lake, facts("2026-11-22", "bbbb"), Type(rows=devices(5)), Type(USERS))

    assert verified(lake).faults == ()
    assert texts(verified(lake, "20261122T020000Z-aaaa")) == [f"is missing; run {later} replaced it"] * 3


def test_native_types_are_those_of_the_manifest(tmp_path: Path) -> None:
    """Lists, objects, dates: what is written down in the manifest is read back as the same Arrow type."""
    lake, columns = FolderLake(tmp_path), (*PLAIN, column("seen", "timestamp", "rfc1123"), column("raw", "json"))
    publish(lake, facts("2026-11-22"), Type(columns=columns, rows=devices(3)))

    assert verified(lake).faults == ()
    assert "seen" in pq.read_schema(part(lake)).names


def test_columns_that_cannot_be_understood_are_a_damaged_manifest(lake: FolderLake) -> None:
    """One sentence, as for any other damage."""
    edit(lake, lambda lane: lane.update(columns={"a": 7}))

    with pytest.raises(ManifestError, match="is damaged"):
        verified(lake)


def test_a_file_that_is_a_link_out_of_the_lake_is_a_fault(lake: FolderLake, tmp_path: Path) -> None:
    """Whatever it holds: it is not in the lake, and is not read."""
    path = part(lake)
    away = path.rename(tmp_path / "away.parquet")
    path.symlink_to(away)

    assert texts(verified(lake)) == ["is a link that leads out of the lake"]
