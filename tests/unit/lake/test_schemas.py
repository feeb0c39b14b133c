"""Columns of lanes, which manifests name by their hash."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from obstore.store import MemoryStore

import axsync
from axsync.errors import ManifestError, NewestDamaged, RegistryDamaged, UsageError
from axsync.lake import layout
from axsync.lake.history import find_run
from axsync.lake.local import LocalStore
from axsync.lake.publish import RunTargets
from axsync.lake.schemas import FieldNumbers, read_ids, registered
from axsync.lake.store import Store
from axsync.model import Lane, Outcome
from axsync.runs.gc import look, sweep
from axsync.schema.field_ids import FIELD_ID, FieldIds
from axsync.settings import LakeSettings
from tests.unit.lake.folders import FolderLake
from tests.unit.lake.memory import store_in_memory
from tests.unit.snapshots.lakes import DEVICES, PLAIN, USERS, Type, devices, facts, publish

LAB = Lane("lab", "devices")


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """Two instances with the same columns, and a type with others; a lane without any."""
    lake = FolderLake(tmp_path / "lake")
    types = Type(rows=devices(2)), Type(LAB), Type(USERS, PLAIN[:1]), Outcome(Lane("lab", "users"), "skipped", "403")
    publish(lake, facts("2026-11-22"), *types)
    return lake


def schemas(lake: FolderLake) -> list[Path]:
    return sorted((lake.root / layout.BY_HASH).iterdir())


def columns(document: dict[str, Any]) -> dict[str, list[str]]:
    return {f"{lane['instance']}/{lane['entity']}": list(lane["columns"]) for lane in document["lanes"]}


def test_lanes_with_the_same_columns_share_one_file(lake: FolderLake) -> None:
    """Readers have them in the entry of each lane."""
    plain = [column.name for column in PLAIN]

    assert len(schemas(lake)) == 2
    assert columns(axsync.load_manifest(lake.root)) == {
        "prod/devices": plain,
        "lab/devices": plain,
        "prod/users": plain[:1],
        "lab/users": [],
    }
    lanes = find_run(lake, "latest").snapshot.lanes
    assert lanes[0].columns is lanes[1].columns


def test_manifests_of_version_1_are_read_and_carried_over(lake: FolderLake) -> None:
    """A restricted run takes over the lanes of one that had the columns inline, and names them by hash."""
    before = lake.as_version_1(facts("2026-11-22").run_id)
    for path in schemas(lake):
        path.unlink()
    assert columns(axsync.load_manifest(lake.root, "2026-11-22")) == columns(before)

    publish(lake, facts("2026-11-23"), Type(USERS, PLAIN[:1]), restricted=True)

    after = axsync.load_manifest(str(lake.root))
    assert columns(after) == {"prod/users": ["internal_axon_id"], "prod/devices": columns(before)["prod/devices"]}
    assert len(schemas(lake)) == 2


@pytest.mark.parametrize("raw", [None, b"", b"[", b'{"a": {"field": "a", "type": "string", "dates": null}}'])
def test_columns_that_are_not_what_the_manifest_names_are_refused(lake: FolderLake, raw: bytes | None) -> None:
    """Before a run, and by whoever reads; the file is named."""
    path = schemas(lake)[0]
    path.unlink() if raw is None else path.write_bytes(raw)

    with pytest.raises(ManifestError, match=path.name):
        find_run(lake, "2026-11-22")
    with pytest.raises(NewestDamaged, match=path.name):
        lake.preflight(RunTargets(["devices"], ["prod"], "2026-11-23"))


def test_a_damaged_file_is_made_good_by_a_run_that_has_the_same_columns(lake: FolderLake) -> None:
    """Its manifest would else name columns that nobody can read."""
    publish(lake, facts("2026-11-23"), Type(USERS, PLAIN[:1]))
    used = find_run(lake, "latest").snapshot.lanes[0].schema
    (damaged,) = (path for path in schemas(lake) if path.stem != used)
    damaged.write_bytes(b"[")

    publish(lake, facts("2026-11-24"), Type(DEVICES))

    assert columns(axsync.load_manifest(lake.root)) == {"prod/devices": [column.name for column in PLAIN]}


def test_a_schema_that_is_no_hash_leads_nowhere(lake: FolderLake) -> None:
    """As little as the path of a file does."""
    path = lake.root / lake.manifest_name(facts("2026-11-22").run_id)
    path.write_text(path.read_text().replace(schemas(lake)[0].stem, "../../x"))

    with pytest.raises(ManifestError, match="is damaged"):
        find_run(lake, "2026-11-22")


def test_gc_removes_what_no_kept_manifest_names(lake: FolderLake) -> None:
    """And nothing that one does."""
    publish(lake, facts("2026-11-24"), Type(rows=devices(2)))
    keep_one, now = LakeSettings(keep_snapshots=1, keep_days=0), datetime(2026, 11, 25, tzinfo=UTC)

    left = [one.path for one in look(lake, keep_one, now).leftovers if one.kind == "schema"]
    sweep(lake, keep_one, now)

    assert len(left) == 1
    assert [f"{layout.BY_HASH}/{path.name}" for path in schemas(lake)] != left
    assert columns(axsync.load_manifest(lake.root)) == {"prod/devices": [column.name for column in PLAIN]}
    assert look(lake, keep_one, now).leftovers == ()


def test_the_newest_snapshot_is_understood_once(lake: FolderLake) -> None:
    """However often a command asks, until another run has published."""
    first = lake.newest()
    assert lake.newest() is first
    publish(FolderLake(lake.root), facts("2026-11-24"), Type(DEVICES))
    assert lake.newest() is not first


def test_restore_says_what_it_needs(lake: FolderLake) -> None:
    """The entry of a lane as it is written names its columns only."""
    with pytest.raises(UsageError, match=r"axsync\.load_manifest"):
        axsync.restore({}, {"schema": "0" * 64})


def test_numbers_of_columns_are_durable_before_a_part_has_them(tmp_path: Path) -> None:
    """Whoever numbers next, such as another process, goes on behind them and knows the same ones."""
    store = LocalStore(tmp_path / "lake")
    first, second = (pa.schema([(name, pa.string()) for name in names]) for names in (("a", "b"), ("c", "b")))

    one = FieldNumbers(store).numbered("devices", first)
    other = FieldNumbers(store).numbered("devices", second)

    numbers = {column.name: int(column.metadata[FIELD_ID]) for column in (*one, *other)}
    assert numbers == {"a": 3, "b": 4, "c": 5}
    assert read_ids(store, "devices") == FieldIds({"instance": 1, "dt": 2, **numbers}, 6)
    assert registered(store) == []


@pytest.mark.parametrize("is_folder", [True, False])
def test_processes_of_a_run_give_no_number_twice(tmp_path: Path, is_folder: bool) -> None:
    """Whoever meets other columns first, at the same moment; and both have the numbers of both."""
    bucket = MemoryStore()
    stores = [LocalStore(tmp_path / "lake") if is_folder else store_in_memory(tmp_path, bucket) for _ in range(4)]
    found, gate = list[dict[str, int]](), threading.Barrier(len(stores), timeout=10)

    def number(place: int, store: Store) -> None:
        numbers = FieldNumbers(store)
        for names in (("a",), ("a", f"b{place}"), ("a", "c", f"b{place}")):
            gate.wait()
            numbered = numbers.numbered("devices", pa.schema([(name, pa.string()) for name in names]))
            found.append({column.name: int(column.metadata[FIELD_ID]) for column in numbered})

    threads = [threading.Thread(target=number, args=(place, store)) for place, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    known = read_ids(stores[0], "devices")
    assert known is not None
    assert len({*known.known.values()}) == len(known.known) == known.free - 1 == 8
    assert [one for one in found if one.items() <= known.known.items()] == found
    assert len(found) == 3 * len(stores)


def test_damaged_numbers_are_refused_and_lost_ones_come_from_the_table(tmp_path: Path) -> None:
    """Numbers that were given anew would make readers take one column for another."""
    store = LocalStore(tmp_path / "lake")
    table = FieldIds({"instance": 1, "dt": 2, "b": 7}, 9)

    fresh = FieldNumbers(store, lambda _: table).numbered(
        "devices", pa.schema([("a", pa.string()), ("b", pa.string())])
    )
    store.write(layout.field_ids("users"), b"{}")

    assert [int(column.metadata[FIELD_ID]) for column in fresh] == [9, 7]
    with pytest.raises(RegistryDamaged, match="field ids of 'users'"):
        read_ids(store, "users")
