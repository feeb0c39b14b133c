"""A query over all days looks at the days that it asks for."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from axsync.lake import layout
from axsync.lake.history import find_run
from axsync.lake.local import LocalStore
from axsync.model import Lane
from axsync.schema.kinds import Atom, Kind, Many
from axsync.sql import query_session, tables_of
from axsync.sql.asked_days import Planned, asked_days
from axsync.sql.views import SqlView
from tests.unit.lake.folders import FolderLake
from tests.unit.sql.lakes import TEXT, facts, outcome, publish

PROD, LAB = Lane("prod", "devices"), Lane("lab", "devices")
KINDS: dict[str, Kind] = {"internal_axon_id": TEXT, "adapters": Many(TEXT)}
DAYS = ["2026-11-20", "2026-11-21", "2026-11-22"]


@dataclass(frozen=True)
class ListingStore(LocalStore):
    """Tells which manifests were read, and which files were looked up."""

    seen: list[str] = field(default_factory=list)

    def read(self, key: str, most: int | None = None) -> bytes:
        if key.startswith(layout.SNAPSHOTS) and most is None:
            self.seen.append(layout.name_of(key)[:8])
        return LocalStore.read(self, key, most)

    def is_inside(self, key: str) -> bool:
        self.seen.append(str(layout.day_of(key)))
        return LocalStore.is_inside(self, key)


class ListingLake(FolderLake):
    def __init__(self, root: Path) -> None:
        super(FolderLake, self).__init__(ListingStore(root))


def seen(lake: FolderLake) -> set[str]:
    assert isinstance(lake.store, ListingStore)
    return set(lake.store.seen)


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """One device on each of four days; the snapshot that is queried is that of the last one."""
    for day in (20, 21, 22, 23):
        row = {"internal_axon_id": f"a{day}", "adapters": ["ad"]}
        publish(tmp_path, {PROD: (KINDS, [row]), LAB: (KINDS, [])}, day=day)
    return ListingLake(tmp_path)


def ask(lake: FolderLake, query: str) -> list[tuple[Any, ...]]:
    with query_session(lake, tables_of(find_run(lake, "latest"))) as session:
        return sorted(session.ask(query).rows)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT internal_axon_id FROM devices_history WHERE dt = '2026-11-21'", [("a21",)]),
        ("SELECT DISTINCT dt, entity FROM lanes WHERE dt = '2026-11-21'", [(date(2026, 11, 21), "devices")]),
        ("SELECT dt, devices FROM coverage WHERE dt = '2026-11-21'", [(date(2026, 11, 21), 1)]),
        ("SELECT h.rows FROM lanes h, devices d WHERE h.dt = '2026-11-21' AND h.instance = d.instance", [(1,)]),
    ],
)
def test_one_day_reads_one_manifest(lake: FolderLake, query: str, rows: list[tuple[Any, ...]]) -> None:
    """Whatever else the query reads; that of the snapshot is read anyway."""
    assert ask(lake, query) == rows
    assert seen(lake) & {"20261120", "20261121", "20261122", *DAYS} <= {"20261121", "2026-11-21"}


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT count(*) FROM devices_history WHERE dt = (SELECT min(dt) FROM lanes)", [(1,)]),
        ("SELECT devices, adapter FROM coverage WHERE dt = '2026-11-21'", [(1, "ad")]),
        ("SELECT count(*) FROM devices_history WHERE dt = '2026-11-21' OR internal_axon_id = 'a22'", [(2,)]),
        ("SELECT count(*) FROM devices_history a, devices_history b WHERE a.dt = '2026-11-21'", [(4,)]),
        ("SELECT count(*) FROM lanes WHERE dt = '2026-11-21' AND dt = '2026-11-22'", [(0,)]),
        (
            "SELECT day FROM (SELECT dt, min(dt) OVER ()::text AS day FROM lanes) WHERE dt = '2026-11-22'",
            [(DAYS[0],)] * 2,
        ),
    ],
)
def test_rows_of_other_days_are_there_where_they_are_needed(
    lake: FolderLake, query: str, rows: list[tuple[Any, ...]]
) -> None:
    """Where the filter is not about the day alone, stands beside another use, or follows what looks at all rows."""
    assert ask(lake, query) == rows


def test_files_without_a_manifest_of_their_own_are_found(lake: FolderLake) -> None:
    """A later snapshot uses them, as its own run failed."""
    run = facts(24)
    lake.publish(run, [outcome(lake, run, LAB, {}, []), outcome(lake, run, PROD, {}, [])], finished_at=run.started_at)
    (lake.root / layout.manifest("20261123T020000Z-aaaa")).unlink()

    assert ask(lake, "SELECT internal_axon_id FROM devices_history WHERE dt = '2026-11-23'") == [("a23",)]


@pytest.mark.parametrize(
    ("condition", "days"),
    [
        ("dt IN ('2026-11-20', '2026-11-22')", {"2026-11-20", "2026-11-22"}),
        ("dt > DATE '2026-11-22' - INTERVAL 1 DAY AND host <> 'dt < DATE ''2026-11-22'''", {"2026-11-22"}),
        ("dt::text LIKE '%20' AND host = 'x'", {"2026-11-20"}),
        ("dt = '2026-11-20' OR host = 'x'", set(DAYS)),
        ("true", set(DAYS)),
        ("no_such_column = 1", set(DAYS)),
    ],
)
def test_the_plan_tells_the_days(condition: str, days: set[str]) -> None:
    """Through a view; in doubt, it is all of them."""
    view = SqlView("v", "SELECT dt, host FROM h", ("h",))
    with duckdb.connect() as connection:
        connection.execute("SET disabled_optimizers = 'statistics_propagation'")
        planned = Planned({"h": {"host": Atom("text")}}, {}, [view])
        assert asked_days(connection, f"FROM v WHERE {condition}", planned, DAYS) == days
