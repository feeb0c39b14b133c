"""Comparing snapshots that were published for real."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axsync.convert.rescue import restore
from axsync.errors import ConfigError, NothingCommon, SnapshotGone
from axsync.lake.history import find_run
from axsync.model import ID_FIELD, Asked, Outcome
from axsync.schema.columns import OVERFLOW, RESCUED, Column
from axsync.schema.kinds import Atom, Group, Kind, Many, Member
from axsync.snapshots.changes import Change, changes_file, same
from axsync.snapshots.diff import Diff, Wish, diff
from axsync.snapshots.join import Ignoring
from axsync.snapshots.opened import held_lanes
from tests.examples import scaled
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import (
    DEVICES,
    KEY,
    PLAIN,
    USERS,
    Row,
    Type,
    column,
    content,
    devices,
    facts,
    outcome,
    publish,
    write,
)

HOST, CORES = "specific_data.data.hostname", "specific_data.data.cores"
PLAIN_WISH = Wish()


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    return FolderLake(tmp_path / "lake")


def compared(
    lake: FolderLake, wish: Wish = PLAIN_WISH, before: str = "latest~1", after: str = "latest"
) -> tuple[Diff, list[Change]]:
    changes: list[Change] = []
    found = diff(lake, (find_run(lake, before), find_run(lake, after)), wish, changes.append)
    return found, sorted(changes, key=lambda change: (change.lane, change.kind, change.id))


def two_days(lake: FolderLake, old: Type, new: Type) -> None:
    publish(lake, facts("2026-11-21"), old)
    publish(lake, facts("2026-11-22"), new)


def fields(changes: Sequence[Change]) -> dict[str, dict[str, tuple[Any, Any]]]:
    """Number of the asset → field → before and after."""
    return {str(int(c.id, 16)): {name: (c.before.get(name), c.after.get(name)) for name in c.fields} for c in changes}


def test_what_came_went_and_changed(lake: FolderLake) -> None:
    """Ids of the first two, fields with both values of the last; nothing is written to the lake."""
    rows = devices(10, first=2)
    rows[3] = {**rows[3], "hostname": "new", "cores": None}
    two_days(lake, Type(rows=devices(10), files=2), Type(rows=rows, files=3))
    before = content(lake.root)
    found, changes = compared(lake)

    assert [(c.kind, int(c.id, 16)) for c in changes] == [
        ("added", 10), ("added", 11), ("changed", 5), ("removed", 0), ("removed", 1)
    ]  # fmt: skip
    assert fields(changes)["5"] == {HOST: ("host-5", "new"), CORES: (4, None)}
    assert CORES not in changes[2].after
    (lane,) = found.lanes
    assert (lane.rows_before, lane.rows_after, lane.added, lane.removed, lane.changed) == (10, 10, 2, 2, 1)
    assert dict(lane.fields) == {HOST: 1, CORES: 1}
    assert content(lake.root) == before


def test_the_same_rows_of_two_runs_do_not_differ(lake: FolderLake) -> None:
    """Neither run id nor fetch times count, and rows may come in another order and in other files."""
    columns = (*PLAIN, column("last_seen", "timestamp", "rfc1123"), column("fetch_time", "timestamp", "rfc1123"))
    seen = datetime(2026, 11, 20, tzinfo=UTC)
    old = [{**row, "last_seen": seen, "fetch_time": seen} for row in devices(50)]
    new = [{**row, "last_seen": seen + timedelta(1), "fetch_time": None} for row in reversed(devices(50))]
    two_days(lake, Type(columns=columns, rows=old, files=3), Type(columns=columns, rows=new, files=2))
    found, changes = compared(lake)

    assert changes == []
    assert found.lanes[0].ignored == (
        "axsync_run_id", "axsync_fetched_at", "specific_data.data.last_seen", "specific_data.data.fetch_time"
    )  # fmt: skip

    _, changes = compared(lake, Wish(ignoring=Ignoring(after_all=("*.last_seen",))))
    assert len(changes) == 50
    assert {name for change in changes for name in change.fields} == {"specific_data.data.last_seen"}


def test_a_snapshot_does_not_differ_from_itself(lake: FolderLake) -> None:
    """Nor where the files of an older run stand in for those of a failed type."""
    publish(lake, facts("2026-11-21"), Type(rows=devices(5)))
    publish(lake, facts("2026-11-22"), Outcome(DEVICES, "partial", "503"), Type(USERS, rows=devices(1)))

    assert compared(lake, before="latest")[1] == []
    found, changes = compared(lake)
    assert (changes, [lane.rows_after for lane in found.lanes], found.only_after) == ([], [5], (USERS,))


def test_some_fields_or_some_assets_only(lake: FolderLake) -> None:
    """By glob, by id, by entity type."""
    two_days(lake, Type(rows=devices(5)), Type(rows=devices(6, host="other", cores=8)))

    _, changes = compared(lake, Wish(ignoring=Ignoring(("*.hostname",))))
    assert {name for change in changes for name in change.fields} == {CORES}
    _, changes = compared(lake, Wish(ignoring=Ignoring(("hostname", "nobody"))))  # as a column is called
    assert {name for change in changes for name in change.fields} == {CORES}
    _, changes = compared(lake, Wish(entity="devices", ids=(f"{3:032x}", f"{5:032x}", "not there")))
    assert [(c.kind, int(c.id, 16)) for c in changes] == [("added", 5), ("changed", 3)]


def test_each_asset_has_a_label_and_the_columns_that_are_asked_for(lake: FolderLake) -> None:
    """Of the later snapshot, of the earlier one where it went; a value that was rescued is shown as it was served."""
    columns = (KEY, column("name"), column("hostname", Many(Atom("text"))), column("seen", "timestamp", "rfc1123"))
    seen = datetime(2026, 11, 20, tzinfo=UTC)
    rows: list[Row] = [
        {ID_FIELD: "a", "name": "n-a", "hostname": ["h-a"], "seen": seen},
        {
            ID_FIELD: "b",
            "name": "n-b",
            "hostname": None,
            RESCUED: '{"specific_data.data.seen":"soon","specific_data.data.x[3]":1}',
        },
        {ID_FIELD: "c", "name": "n-c", "hostname": [], "seen": None},
    ]
    two_days(
        lake, Type(columns=columns, rows=rows[:2]), Type(columns=columns, rows=[{**rows[0], "name": "new"}, rows[2]])
    )
    _, changes = compared(lake, Wish(columns=("seen", "specific_data.data.name")))

    assert [(one.kind, one.label, dict(one.shown)) for one in changes] == [
        ("added", "n-c", {"seen": None, "specific_data.data.name": "n-c"}),
        ("changed", "h-a", {"seen": "2026-11-20T00:00:00Z", "specific_data.data.name": "new"}),
        ("removed", "n-b", {"seen": "soon", "specific_data.data.name": "n-b"}),
    ]


def test_kinds_that_are_not_asked_for_are_not_looked_at(lake: FolderLake) -> None:
    """Nor counted."""
    two_days(lake, Type(rows=devices(3)), Type(rows=devices(3, first=1, host="other")))
    found, changes = compared(lake, Wish(kinds=("removed",)))

    assert [change.kind for change in changes] == ["removed"]
    assert (found.lanes[0].added, found.lanes[0].removed, found.lanes[0].changed) == (0, 1, 0)


def test_columns_that_appear_or_go_are_told_and_count(lake: FolderLake) -> None:
    """A value in a column that was not there before came; one in a column that is gone went."""
    old, new = (KEY, column("hostname"), column("left")), (KEY, column("hostname"), column("come", Many(Atom("text"))))
    rows = [{ID_FIELD: f"{n:032x}", "hostname": "h", "left": None, "come": None} for n in range(3)]
    two_days(
        lake,
        Type(columns=old, rows=[{**rows[0], "left": "x"}, *rows[1:]]),
        Type(columns=new, rows=[rows[0], {**rows[1], "come": ["y"]}, rows[2]]),
    )
    found, changes = compared(lake)

    assert fields(changes) == {
        "0": {"specific_data.data.left": ("x", None)},
        "1": {"specific_data.data.come": (None, ["y"])},
    }
    assert (found.lanes[0].appeared, found.lanes[0].gone) == (
        ("specific_data.data.come",), ("specific_data.data.left",)
    )  # fmt: skip


def interfaces(*names: str) -> Kind:
    return Many(Group(tuple(Member(name.upper(), name, Atom("text")) for name in names)))


def test_a_column_that_widens_is_compared_by_what_was_served(lake: FolderLake) -> None:
    """Objects that got members, numbers that were whole, anything that became JSON: only real changes count."""
    old = (KEY, column("nets", interfaces("mac")), column("cores", "integer"), column("note"), column("raw", "integer"))
    new = (
        KEY, column("nets", interfaces("ip", "mac")), column("cores", "number"), column("note", "json"),
        column("raw", "json"),
    )  # fmt: skip
    was = {"nets": [{"mac": "a"}, {"mac": None}], "cores": 2**53 + 1, "note": "x", "raw": 7}
    now = {"nets": [{"ip": None, "mac": "a"}, {"ip": None, "mac": None}], "cores": 4.0, "note": '"x"', "raw": "7.0"}
    rows = [{ID_FIELD: f"{n:032x}", **was, "cores": 4} for n in range(3)] + [{ID_FIELD: f"{3:032x}", **was}]
    later = [{ID_FIELD: f"{n:032x}", **now} for n in range(4)]
    later[1] = {**later[1], "nets": [{"ip": "1", "mac": "a"}, None]}
    later[2] = {**later[2], "note": '["x"]'}
    later[3] = {**later[3], "cores": float(2**53)}
    two_days(lake, Type(columns=old, rows=rows), Type(columns=new, rows=later))
    found, changes = compared(lake)

    assert fields(changes) == {
        "1": {"specific_data.data.nets": ([{"MAC": "a"}, {}], [{"IP": "1", "MAC": "a"}, None])},
        "2": {"specific_data.data.note": ("x", ["x"])},
        "3": {CORES: (2**53 + 1, 2**53)},
    }
    assert found.lanes[0].retyped[CORES] == ("int64", "double")
    assert set(found.lanes[0].retyped) == {f"specific_data.data.{n}" for n in ("nets", "cores", "note", "raw")}


def test_rescued_values_are_part_of_their_field(lake: FolderLake) -> None:
    """What did not fit is told as it was served, and a moving field is left out there as well."""
    columns = (*PLAIN, column("tags", Many(Atom("text"))), column("last_seen", "timestamp", "rfc1123"))
    rows = [{**row, "tags": ["a", None]} for row in devices(4)]
    odd = '{{"specific_data.data.tags[1]":{},"specific_data.data.last_seen":"{}"}}'
    was = [{**row, RESCUED: odd.format(7, "never")} for row in rows]
    now = [
        {**was[0], RESCUED: odd.format("7.0", "today")},
        {**was[1], RESCUED: odd.format('{"b":1}', "never")},
        {**was[2], RESCUED: None, "tags": ["a", "b"]},
        {
            **was[3],
            "cores": None,
            RESCUED: odd.format(7, "never").replace("{", f'{{"{CORES}":18446744073709551621,', 1),
        },
    ]
    two_days(lake, Type(columns=columns, rows=was), Type(columns=columns, rows=now))

    tags = "specific_data.data.tags"
    assert fields(compared(lake)[1]) == {
        "1": {tags: (["a", 7], ["a", {"b": 1}])},
        "2": {tags: (["a", 7], ["a", "b"])},
        "3": {CORES: (4, 18446744073709551621)},
    }


def test_fields_that_share_one_column_are_told_one_by_one(lake: FolderLake) -> None:
    """Beyond `max_columns` adapters' own fields lie in one JSON column; key order means nothing."""
    columns = (KEY, Column("adapters_data", OVERFLOW, OVERFLOW, Atom("json")))
    rows = [
        {ID_FIELD: f"{n:032x}", "adapters_data": '{"adapters_data.x.a": 1, "adapters_data.x.b": [2]}'} for n in (0, 1)
    ]
    later = [
        {**rows[0], "adapters_data": '{"adapters_data.x.b": [2], "adapters_data.x.a": 1}'},
        {**rows[1], "adapters_data": '{"adapters_data.x.b": [3], "adapters_data.x.last_seen": "now"}'},
    ]
    two_days(lake, Type(columns=columns, rows=rows), Type(columns=columns, rows=later))
    found, changes = compared(lake)

    assert fields(changes) == {"1": {"adapters_data.x.a": (1, None), "adapters_data.x.b": ([2], [3])}}
    assert found.lanes[0].appeared == ()


def test_a_type_without_rows_is_compared_as_well(lake: FolderLake) -> None:
    """It has columns and no files: everything came, or went."""
    two_days(lake, Type(rows=devices(2)), Type())
    assert [c.kind for c in compared(lake)[1]] == ["removed", "removed"]
    assert [c.kind for c in compared(lake, before="latest", after="latest~1")[1]] == ["added", "added"]


def test_the_parquet_file_has_a_row_for_each_field(lake: FolderLake, tmp_path: Path) -> None:
    """JSON texts, null where nothing was served; it is in place when all is written, and not before."""
    rows = devices(4, first=1)
    rows[0] = {**rows[0], "hostname": "ü", "cores": None}
    two_days(lake, Type(rows=devices(4)), Type(rows=rows))
    target = tmp_path / "changes.parquet"
    target.write_text("what was there before")
    runs = find_run(lake, "latest~1"), find_run(lake, "latest")
    with changes_file(target) as file:
        diff(lake, runs, Wish(records=True), file)
        assert target.read_text() == "what was there before"

    told = {(row["change"], row["field"], row["before"], row["after"]) for row in pq.read_table(target).to_pylist()}
    assert told == {
        ("added", HOST, None, '"host-4"'),
        ("added", CORES, None, "4"),
        ("removed", HOST, '"host-0"', None),
        ("removed", CORES, "4", None),
        ("changed", HOST, '"host-1"', '"\\u00fc"'),
        ("changed", CORES, "4", None),
    }
    with changes_file(target) as file:
        diff(lake, runs, Wish(), file)
    assert [row["field"] for row in pq.read_table(target).to_pylist() if row["change"] == "added"] == [None]

    with pytest.raises(RuntimeError), changes_file(target) as file:
        raise RuntimeError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changes.parquet", "lake"]


def test_two_snapshots_without_a_common_type_are_refused(lake: FolderLake) -> None:
    """Before anything is read; the sentence says which of them holds what was asked for."""
    publish(lake, facts("2026-11-21"), Type(rows=devices(1)))
    publish(
        lake, facts("2026-11-22"), Type(USERS, rows=devices(1)), Outcome(DEVICES, "skipped", "403"), restricted=True
    )
    publish(lake, facts("2026-11-23"), Type(USERS, rows=devices(1)))
    only = Wish(entity="devices")

    with pytest.raises(NothingCommon, match="20261121T020000Z-aaaa and 20261123T020000Z-aaaa have no"):
        compared(lake, before="latest~2")
    with pytest.raises(NothingCommon, match="only the snapshot of run 20261121T020000Z-aaaa holds 'devices'"):
        compared(lake, only, before="latest~2")
    with pytest.raises(NothingCommon, match="neither snapshot holds 'user'; did you mean 'users'"):
        compared(lake, replace(only, entity="user"))


def test_rows_of_a_query_are_not_compared_with_all_rows(lake: FolderLake) -> None:
    """Nor those of a limit that cut them: what seems gone was not asked for. The same query twice is compared."""
    query, limit = Asked(query="q"), Asked(limit=2)
    cut = replace(outcome(lake, facts("2026-11-24"), Type(rows=devices(2))), verdict="partial", asked=limit)
    publish(lake, facts("2026-11-21"), Type(rows=devices(5), facts={"asked": Asked()}), Type(USERS, rows=devices(1)))
    publish(lake, facts("2026-11-22"), Type(rows=devices(2), facts={"asked": query}), Type(USERS, rows=devices(1)))
    publish(lake, facts("2026-11-23"), Type(rows=devices(1), facts={"asked": query}))
    publish(lake, facts("2026-11-24"), cut)
    publish(lake, facts("2026-11-25"), Type(rows=devices(2), facts={"asked": limit}))

    found, changes = compared(lake, before="2026-11-21", after="2026-11-22")
    assert ([lane.entity for lane in found.lanes], changes) == (["users"], [])
    assert [str(one) for one in found.incomparable] == ["prod/devices has all rows, then query q"]
    assert (found.only_before, found.only_after) == ((), ())
    assert compared(lake, before="2026-11-22", after="2026-11-23")[0].lanes[0].removed == 1
    with pytest.raises(NothingCommon, match=r"compared: prod/devices has all rows, then limit 2$"):
        compared(lake, before="2026-11-21", after="2026-11-24")
    assert compared(lake, before="2026-11-21", after="2026-11-25")[0].lanes[0].removed == 3


def test_a_snapshot_that_was_replaced_or_is_damaged_is_refused(lake: FolderLake) -> None:
    """One sentence that names the run."""
    publish(lake, facts("2026-11-21"), Type(rows=devices(3)))
    publish(lake, facts("2026-11-21", "bbbb"), Type(rows=devices(3, host="x")))
    replaced = r"-aaaa is no longer whole: .* is missing; run \S+-bbbb, of the same day, replaced it"
    with pytest.raises(SnapshotGone, match=replaced):
        compared(lake, before="20261121T020000Z-aaaa")

    publish(lake, facts("2026-11-22"), Type(rows=devices(3)))
    (path,) = (lake.root / lake.partition(DEVICES, "2026-11-22")).iterdir()
    path.write_bytes(b"PAR1" + b"\0" * 100)
    with pytest.raises(SnapshotGone, match="cannot be compared"):
        compared(lake)


def test_a_file_that_nobody_replaced_is_only_missing(lake: FolderLake) -> None:
    """Somebody removed it: another run of that day, which wrote nothing there, is not blamed."""
    publish(lake, facts("2026-11-21"), Type(rows=devices(3)))
    publish(lake, facts("2026-11-21", "bbbb"), Outcome(DEVICES, "partial", "503"), Type(USERS, rows=devices(3)))
    publish(lake, facts("2026-11-22"), Type(rows=devices(3)))
    (path,) = (lake.root / lake.partition(DEVICES, "2026-11-21")).iterdir()
    path.unlink()

    with pytest.raises(SnapshotGone, match=r"is missing$"):
        compared(lake, before="20261121T020000Z-aaaa")


def test_the_run_that_wrote_is_named_and_not_one_that_let_it_stand_in(lake: FolderLake) -> None:
    """The third run of the day brought no devices; its manifest lists those of the second."""
    publish(lake, facts("2026-11-21"), Type(rows=devices(3)))
    publish(lake, facts("2026-11-21", "bbbb"), Type(rows=devices(3, host="x")))
    publish(lake, facts("2026-11-21", "cccc"), Outcome(DEVICES, "partial", "503"), Type(USERS, rows=devices(3)))
    publish(lake, facts("2026-11-22"), Type(rows=devices(3)))

    with pytest.raises(SnapshotGone, match=r"is missing; run \S+-bbbb, of the same day, replaced it"):
        compared(lake, before="20261121T020000Z-aaaa")


def test_limits_that_cannot_be_are_refused(lake: FolderLake, tmp_path: Path) -> None:
    """One sentence each."""
    two_days(lake, Type(rows=devices(1)), Type(rows=devices(2)))
    with pytest.raises(ConfigError, match="'much' is no amount of memory; write it as 1GB"):
        compared(lake, Wish(memory="much"))
    with pytest.raises(ConfigError, match=r"no temporary files can be written in '\S+'; name another .* or TMPDIR"):
        compared(lake, Wish(folder=tmp_path / "absent"))


def test_a_lake_may_have_any_name(tmp_path: Path) -> None:
    """Quotes, stars and brackets in its path are no globs."""
    lake = FolderLake(tmp_path / "it's [a] *lake?")
    two_days(lake, Type(rows=devices(2)), Type(rows=devices(3)))

    assert len(compared(lake)[1]) == 1


# ---------------------------------------------------------------------------------------------- property


def objects(names: str) -> st.SearchStrategy[Any]:
    return st.lists(st.fixed_dictionaries({name: st.sampled_from(["1", None]) for name in names}), max_size=2)


COLUMNS: dict[str, tuple[Kind, st.SearchStrategy[Any]]] = {
    "words": (Atom("text"), st.sampled_from(["", "x", "é\n", '"'])),
    "whole": (Atom("integer"), st.sampled_from([0, 1, -7, 2**53 + 1, 2**63 - 1])),
    "number": (Atom("number"), st.sampled_from([0.0, 1.0, 0.1, -1e300])),
    "flag": (Atom("bool"), st.booleans()),
    "day": (Atom("date"), st.dates()),
    "moment": (Atom("timestamp"), st.datetimes(timezones=st.just(UTC), min_value=datetime(1900, 1, 1))),  # noqa: DTZ001
    "names": (Many(Atom("text")), st.lists(st.sampled_from(["x", "", None]), max_size=2)),
    "objects": (interfaces("a", "b"), objects("ab")),
    "raw": (Atom("json"), st.sampled_from(["1", "1.0", '{"a": [null]}', '"x"', "18446744073709551621"])),
}
WIDER: dict[str, tuple[Kind, st.SearchStrategy[Any]]] = {
    "whole": (Atom("number"), st.sampled_from([0.0, 1.0, -7.0, 2.0**53])),
    "words": (Atom("json"), st.sampled_from(['"x"', '""', "7"])),
    "objects": (interfaces("a", "b", "c"), objects("abc")),
}
MISFITS = st.sampled_from(
    [None, None, None, '{"specific_data.data.whole":"many"}', '{"specific_data.data.new":[1.50]}']
)


@st.composite
def snapshots(draw: st.DrawFn, known: dict[str, tuple[Kind, st.SearchStrategy[Any]]]) -> Type:
    """Up to five rows over some of these columns, here and there with a rescued value in a column that is null."""
    names = draw(st.lists(st.sampled_from(sorted(known)), unique=True, max_size=4))
    columns = (KEY, *(column(n, known[n][0], "iso:T:6:Z" if n in {"moment", "day"} else None) for n in names))
    rows: list[Row] = []
    for number in draw(st.lists(st.integers(0, 5), unique=True, max_size=5)):
        row = {ID_FIELD: f"{number:032x}", **{n: draw(st.none() | known[n][1]) for n in names}, RESCUED: draw(MISFITS)}
        rows.append({**row, "whole": None} if "whole" in str(row[RESCUED]) else row)
    return Type(columns=columns, rows=rows, files=draw(st.integers(1, 2)))


def records(lake: FolderLake, asked: str) -> dict[str, dict[str, Any]]:
    """Every record of a snapshot as it was served, by its id."""
    run = find_run(lake, asked)
    (held,) = held_lanes(run)
    rows = [row for file in held.record.files for row in pq.ParquetFile(lake.root / file.path).read().to_pylist()]
    return {row[ID_FIELD]: restore(row, run.document["lanes"][0]) for row in rows}


def applied(changes: Sequence[Change], records: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The records after these changes."""
    left = {name: dict(record) for name, record in records.items()}
    for change in changes:
        if change.kind == "removed":
            assert left.pop(change.id) == {ID_FIELD: change.id, **change.before}
            continue
        record = left.setdefault(change.id, {ID_FIELD: change.id})
        for name in change.before:
            del record[name]
        record |= change.after
    return left


@given(snapshots(COLUMNS), snapshots(COLUMNS | WIDER))
@settings(max_examples=scaled(15))
def test_the_changes_applied_to_the_one_snapshot_give_the_other(
    tmp_path_factory: pytest.TempPathFactory, old: Type, new: Type
) -> None:
    """Whatever came, went, changed, appeared, widened or was rescued; and back again."""
    lake = FolderLake(tmp_path_factory.mktemp("lake"))
    write(lake, facts("2026-11-21"), old)
    write(lake, facts("2026-11-22"), new)
    was, now = records(lake, "latest~1"), records(lake, "latest")
    there = compared(lake, Wish(records=True))[1]
    back = compared(lake, Wish(records=True), before="latest", after="latest~1")[1]

    assert same(applied(there, was), now)  # type: ignore[arg-type]  # records are JSON
    assert same(applied(back, now), was)  # type: ignore[arg-type]  # the same
    assert all(change.fields for change in there if change.kind == "changed")
