"""One asset through the days of a lake that was published for real."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from axsync.errors import UsageError
from axsync.model import ID_FIELD, Asked, Lane, Outcome
from axsync.snapshots.asset_history import AssetHistory, asset_history
from axsync.snapshots.join import Ignoring
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import DEVICES, USERS, Row, Type, devices, facts, outcome, publish, write
from tests.unit.snapshots.test_diff import COLUMNS, CORES, HOST, WIDER, compared, snapshots

ONE = f"{0:032x}"


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    return FolderLake(tmp_path / "lake")


def history(lake: FolderLake, wanted: str = ONE, entity: str = "devices") -> AssetHistory:
    ((found,), errors) = asset_history(lake, entity, wanted, Ignoring())
    assert errors == ()
    return found


def steps(found: AssetHistory) -> list[tuple[str, str, list[str]]]:
    """Day in November, kind, fields."""
    return [(step.day[-2:], step.change.kind, step.change.fields) for step in found.steps]


def test_when_it_came_what_changed_and_when_it_went(lake: FolderLake) -> None:
    """By logical date, in whatever order the days were read; a day that is not whole proves nothing."""
    publish(lake, facts("2026-11-21"), Type(rows=devices(2, first=1)))
    publish(lake, facts("2026-11-22"), Type(rows=devices(2)))
    publish(lake, facts("2026-11-24"), Type(rows=devices(2, cores=8)))
    publish(lake, facts("2026-11-25"), limited(lake, "2026-11-25", devices(1, first=1)))
    publish(lake, facts("2026-11-26"), Type(rows=devices(2, first=1)))
    publish(lake, facts("2026-11-27"), Type(rows=[]))
    publish(lake, replace(facts("2026-11-23"), run_id="20261128T020000Z-late"), Type(rows=devices(2, host="new")))
    found = history(lake)

    assert steps(found) == [
        ("22", "added", []),
        ("23", "changed", [HOST]),
        ("24", "changed", [CORES, HOST]),
        ("26", "removed", []),
    ]
    assert found.days == tuple(f"2026-11-{day}" for day in range(21, 28))
    assert found.seen == ("2026-11-22", "2026-11-23", "2026-11-24")
    assert (found.lane, found.id, found.label) == (DEVICES, ONE, "host-0")
    assert dict(found.steps[1].change.before) == {HOST: "host-0"}
    assert found.steps[1].run_id == "20261128T020000Z-late"


@pytest.mark.parametrize(("first", "removed"), [(Asked(), False), (Asked(query="q"), True)])
def test_rows_of_a_query_tell_of_nothing_that_is_gone(lake: FolderLake, first: Asked, *, removed: bool) -> None:
    """Unless all days have those of the same query."""
    publish(lake, facts("2026-11-21"), Type(rows=devices(2), facts={"asked": first}))
    publish(lake, facts("2026-11-22"), Type(rows=devices(1, first=1), facts={"asked": Asked(query="q")}))
    found = history(lake)

    assert steps(found) == [("21", "added", []), *([("22", "removed", [])] if removed else [])]


def limited(lake: FolderLake, day: str, rows: list[Row]) -> Outcome:
    """A day of which only a part was read."""
    return replace(outcome(lake, facts(day), Type(rows=rows)), verdict="partial", reason="limited to 1 rows")


def test_a_type_that_was_carried_over_belongs_to_the_day_when_it_was_read(lake: FolderLake) -> None:
    """A later run of the day that read other types, one that failed, and one that replaced the day."""
    publish(lake, facts("2026-11-21"), Type(rows=devices(1, cores=2)))
    publish(lake, facts("2026-11-21", "bbbb"), Type(rows=devices(1, cores=4)))
    publish(lake, facts("2026-11-21", "cccc"), Type(USERS, rows=devices(1)), restricted=True)
    publish(lake, facts("2026-11-22"), Outcome(DEVICES, "partial", "503"), Type(USERS, rows=devices(1)))
    publish(lake, facts("2026-11-23"), Type(rows=devices(1, cores=8)))
    found = history(lake)

    assert steps(found) == [("21", "added", []), ("23", "changed", [CORES])]
    assert found.days == ("2026-11-21", "2026-11-23")
    assert (found.steps[0].run_id[-4:], dict(found.steps[1].change.before)) == ("bbbb", {CORES: 4})


def test_an_asset_is_found_by_a_label_that_is_its_own(lake: FolderLake) -> None:
    """Whatever the case; one that is gone as well; where several have it, or none, that is told."""
    twins = [{**row, "hostname": "twin"} for row in devices(2, first=5)]
    publish(lake, facts("2026-11-21"), Type(rows=devices(2)))
    publish(lake, facts("2026-11-22"), Type(rows=[*devices(1), *twins]))

    assert history(lake, "HOST-1").id == f"{1:032x}"
    with pytest.raises(
        UsageError, match=r"'twin' is the label of 2 assets; name one by its id: 0+5 of prod, 0+6 of prod"
    ):
        history(lake, "twin")
    with pytest.raises(UsageError, match="no snapshot has 'host-9' among its devices"):
        history(lake, "host-9")
    with pytest.raises(UsageError, match="holds no 'device'; did you mean 'devices'"):
        history(lake, ONE, "device")


def test_each_instance_has_a_history_of_its_own(lake: FolderLake) -> None:
    """Where the same id is in both, also where it goes by its label."""
    other = Lane("test", "devices")
    publish(lake, facts("2026-11-21"), Type(rows=devices(1)), Type(other, rows=devices(1)))
    publish(lake, facts("2026-11-22"), Type(rows=devices(1)), Type(other, rows=[]))
    for wanted in (ONE, "host-0"):
        found, _ = asset_history(lake, "devices", wanted, Ignoring())
        assert {one.lane.instance: [step.change.kind for step in one.steps] for one in found} == {
            "prod": ["added"],
            "test": ["added", "removed"],
        }


@given(snapshots(COLUMNS), snapshots(COLUMNS | WIDER))
@settings(max_examples=10)
def test_two_days_say_what_a_comparison_of_them_says(
    tmp_path_factory: pytest.TempPathFactory, old: Type, new: Type
) -> None:
    """Of each asset that either of them has."""
    lake = FolderLake(tmp_path_factory.mktemp("lake"))
    write(lake, facts("2026-11-21"), old)
    write(lake, facts("2026-11-22"), new)
    changes = {change.id: change for change in compared(lake)[1]}
    for name in sorted({str(row[ID_FIELD]) for row in (*old.rows, *new.rows)})[:3]:
        step = history(lake, name).steps[-1]
        if name in changes and changes[name].kind != "added":
            assert step.change == changes[name]
        else:
            assert step.change.kind == "added"
