"""`axsync diff` as it is typed."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pyarrow.parquet as pq
import pytest
from click.testing import Result

from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import USERS, Type, content, devices, facts, publish

Axsync: TypeAlias = Callable[..., Result]
HOST = "specific_data.data.hostname"


@pytest.fixture
def lake(axsync: Axsync) -> FolderLake:
    """Two days in the folder `lake` of the working directory: five devices that go, come, change; users on one day."""
    made = FolderLake(Path("lake"))
    rows = [*devices(3, first=5), *devices(5, first=8, host="\x1b[31mnew")]
    publish(made, facts("2026-11-21"), Type(rows=devices(13)))
    publish(made, facts("2026-11-22"), Type(rows=rows), Type(USERS, rows=devices(1)))
    return made


def test_the_summary_shows_counts_fields_and_some_assets(axsync: Axsync, lake: FolderLake) -> None:
    """Field by field, those with the smallest ids; what was left out is listed; no terminal obeys a value."""
    result = axsync("diff", "latest~1", "latest", "--show", "2")
    lines = result.stdout.splitlines()

    assert (result.exit_code, result.stderr) == (0, "")
    assert lines[:4] == [
        "from 20261121T020000Z-aaaa 2026-11-21",
        "to 20261122T020000Z-aaaa 2026-11-22",
        "entity type  rows before  rows after  added  removed  changed",
        "devices               13           8      0        5        5",
    ]
    assert [line.split() for line in lines if line.startswith("devices") and HOST in line] == [["devices", HOST, "5"]]
    assert f"devices, removed: {0:032x} (host-0), {1:032x} (host-1) and 3 more" in lines
    assert f"devices {8:032x} (new-8)" in lines
    assert f"devices {10:032x} (new-10)" not in lines
    assert f'{HOST}  "host-8"  "\\u001b[31mnew-8"' in lines
    assert "only in 20261122T020000Z-aaaa: prod/users" in lines
    assert "not compared: axsync_run_id, axsync_fetched_at" in lines


def test_json_lines_have_all_assets_and_all_fields(axsync: Axsync, lake: FolderLake) -> None:
    """One object a line; a side that was not served is missing."""
    result = axsync("diff", "2026-11-21", "2026-11-22", "devices", "--output", "jsonl", "--records")
    told = {line["id"]: line for line in map(json.loads, result.stdout.splitlines())}

    assert result.stdout.isascii()
    assert len(told) == 10
    assert told[f"{9:032x}"] == {
        "instance": "prod",
        "entity": "devices",
        "id": f"{9:032x}",
        "label": "\x1b[31mnew-9",
        "change": "changed",
        "fields": {HOST: {"before": "host-9", "after": "\x1b[31mnew-9"}},
    }
    assert told[f"{0:032x}"]["fields"][HOST] == {"before": "host-0"}


def test_json_is_the_summary_as_one_document(axsync: Axsync, lake: FolderLake) -> None:
    """With the same examples."""
    document = json.loads(axsync("diff", "latest~1", "latest", "--output", "json", "--show", "1").stdout)

    (lane,) = document["lanes"]
    assert (lane["removed"], lane["changed"], lane["fields"]) == (5, 5, {HOST: 5})
    assert [one["change"] for one in lane["examples"]] == ["removed", "changed"]
    assert document["only_after"] == ["prod/users"]
    assert document["before"] == {"run_id": "20261121T020000Z-aaaa", "logical_date": "2026-11-21"}


def test_csv_has_a_row_per_asset_that_went_with_columns_of_the_day_when_it_was_there(
    axsync: Axsync, lake: FolderLake
) -> None:
    """Names of columns are those of the lake or of Axonius; other kinds are not looked for."""
    arguments = ("diff", "latest~1", "latest", "--change", "removed", "--columns", f"cores,{HOST}")
    rows = list(csv.reader(axsync(*arguments, "--output", "csv").stdout.splitlines()))

    assert rows[0] == ["instance", "entity", "id", "label", "change", "cores", HOST, "field", "before", "after"]
    assert sorted(rows[1:]) == [
        ["prod", "devices", f"{n:032x}", f"host-{n}", "removed", "4", f"host-{n}", "", "", ""] for n in range(5)
    ]
    assert axsync(*arguments, "--output", "excel").stdout_bytes.startswith(b"\xef\xbb\xbfinstance,")
    document = json.loads(axsync(*arguments, "--output", "json", "--show", "1").stdout)
    assert [document["lanes"][0][kind] for kind in ("added", "removed", "changed")] == [None, 5, None]
    assert document["lanes"][0]["examples"][0]["columns"] == {"cores": 4, HOST: "host-0"}
    lines = axsync(*arguments, "--show", "1").stdout.splitlines()
    assert lines[2:4] == [
        "entity type  rows before  rows after  removed",
        "devices               13           8        5",
    ]
    assert lines[5:8] == [
        "devices, removed: 1 and 4 more",
        f"id                                label   cores  {HOST}",
        f"{0:032x}  host-0  4      host-0",
    ]


def test_csv_has_a_row_per_field_that_changed(axsync: Axsync, lake: FolderLake) -> None:
    """With its titles even where nothing did; nothing in it is a formula, or obeyed by a terminal."""
    wanted = ("diff", "latest~1", "latest", "--output", "csv", "--id", f"{9:032x}")
    titles, row = csv.reader(axsync(*wanted).stdout.splitlines())

    assert dict(zip(titles, row, strict=True)) == {
        "instance": "prod",
        "entity": "devices",
        "id": f"{9:032x}",
        "label": r"\x1b[31mnew-9",
        "change": "changed",
        "field": HOST,
        "before": "host-9",
        "after": r"\x1b[31mnew-9",
    }
    assert axsync(*wanted, "--ignore", "hostname").stdout == ",".join(titles) + "\n"


def test_into_writes_a_parquet_file_besides(axsync: Axsync, lake: FolderLake) -> None:
    """And the lake stays as it was."""
    before = content(lake.root)
    result = axsync("diff", "latest~1", "latest", "--into", "changes.parquet", "--id", f"{9:032x}")

    assert result.exit_code == 0
    assert pq.read_table("changes.parquet").column("field").to_pylist() == [HOST]
    assert content(lake.root) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("latest~1", "nope"), "has no run 'nope'"),
        (("latest~2", "latest"), "too few for 'latest~2'"),
        (("latest~1",), "Missing argument 'B'"),
        (("latest~1", "latest", "users"), "only the snapshot of run 20261122T020000Z-aaaa holds 'users'"),
        (("latest~1", "latest", "device"), "neither snapshot holds 'device'; did you mean 'devices'?"),
        (("latest~1", "latest", "--into", "absent/x.parquet"), "there is no folder 'absent'"),
        (("latest~1", "latest", "--into", "lake"), "it is a folder"),
        (("latest~1", "latest", "--columns", "hostnam"), "has no column 'hostnam'; did you mean 'hostname'?"),
        (("latest~1", "latest", "--change", "gone"), "'gone' is none of added, removed, changed"),
        (("latest~1", "latest", "--memory", "much"), "'much' is no amount of memory"),
        (("latest~1", "latest", "--lake", "."), "is not a lake"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(
    axsync: Axsync, lake: FolderLake, arguments: tuple[str, ...], words: str
) -> None:
    """Nothing is on stdout, and nothing in the folder has changed."""
    before = content(Path())
    result = axsync("diff", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert content(Path()) == before


@pytest.mark.parametrize(("raw", "words"), [("{", "is damaged"), ('{"format_version": 3}', "has format version 3")])
def test_a_manifest_that_cannot_be_read_is_exit_2(axsync: Axsync, lake: FolderLake, raw: str, words: str) -> None:
    """Whichever of the two it is."""
    (lake.root / lake.manifest_name("20261121T020000Z-aaaa")).write_text(raw)
    for pair in (("20261121", "latest"), ("latest", "20261121")):
        result = axsync("diff", *pair)

        assert (result.exit_code, result.stdout) == (2, "")
        assert words in result.stderr
