"""Lakes with tables: what is published, cut short, verified, cleared away and forgotten."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from axsync.errors import LakeError
from axsync.lake.history import find_run
from axsync.lake.manifest import TablePin
from axsync.lake.publish import Lake, PublishStopped, RunFacts
from axsync.model import Lane, Outcome
from axsync.runs.gc import look, sweep
from axsync.runs.recovery import recover
from axsync.runs.state import memory_of, record
from axsync.schema.columns import Column
from axsync.settings import LakeSettings
from axsync.snapshots.asset_history import asset_history
from axsync.snapshots.dataset import open_to_read
from axsync.snapshots.forget import forget
from axsync.snapshots.join import Ignoring
from axsync.snapshots.verify import verify
from axsync.sql import query_session, tables_of
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import DEVICES, PLAIN, USERS, Type, column, devices, facts, outcome, publish

DAY, NEXT = "2026-11-22", "2026-11-23"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEEP_ONE = LakeSettings(keep_last=1, keep_days=0)
LAB = Lane("lab", "devices")


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """An empty one, for tables of Delta Lake."""
    return FolderLake(tmp_path / "lake", "delta")


def dump(lake: FolderLake, run: RunFacts, *types: Type | Outcome) -> str:
    """A run that has ended well."""
    journal = lake.journal(run.run_id).begin()
    journal.append(record("run_opened", facts=run, plan="p"))
    publish(lake, run, *types)
    journal.append(record("published"))
    journal.append(record("finished"))
    return run.run_id


def pins(lake: FolderLake, run: str = "latest", entity: str = "devices") -> tuple[TablePin, ...]:
    return find_run(lake, run).snapshot.tables[entity]


def hosts(lake: FolderLake, version: int | None = None, entity: str = "devices") -> list[tuple[str, str]]:
    """Day and host of each row."""
    table = DeltaTable(lake.store.uri(f"tables/{entity}"), version=version).to_pyarrow_table(columns=["dt", "hostname"])
    return sorted((row["dt"].isoformat(), row["hostname"]) for row in table.to_pylist())


def version(lake: FolderLake, entity: str = "devices") -> int:
    return DeltaTable(lake.store.uri(f"tables/{entity}")).version()


def one(host: str) -> Type:
    return Type(rows=devices(1, host=host))


# ----------------------------------------------------------------------------------------------------------- publishing


def test_each_snapshot_pins_the_versions_that_have_its_rows(lake: FolderLake) -> None:
    """Also where a later run of the day replaced them: their files stay."""
    first = dump(lake, facts(DAY), one("old"))
    second = dump(lake, facts(DAY, "bbbb"), one("new"))

    assert hosts(lake) == [(DAY, "new-0")]
    assert [hosts(lake, pin.version) for run in (first, second) for pin in pins(lake, run)] == [
        [(DAY, "old-0")],
        [(DAY, "new-0")],
    ]
    assert verify(lake, find_run(lake, first)).faults == ()
    assert find_run(lake, DAY).snapshot.run_id == second


def test_with_parquet_beside_tables_what_is_replaced_goes_at_once(lake: FolderLake) -> None:
    """So a glob over the parts sees no row twice."""
    both = FolderLake(lake.root, "parquet", "delta")
    for name in ("aaaa", "bbbb"):
        dump(both, facts(DAY, name), one(name))

    assert hosts(lake) == [(DAY, "bbbb-0")]
    assert len(list(lake.root.glob("tables/devices/*/*/*.parquet"))) == 1


def test_a_type_that_was_not_asked_for_keeps_its_version(lake: FolderLake) -> None:
    """The manifest is a consistent snapshot over all tables."""
    dump(lake, facts(DAY), one("a"), Type(USERS, rows=devices(1)))
    before = pins(lake, entity="users")
    publish(lake, facts(NEXT), one("b"), restricted=True)

    assert pins(lake, entity="users") == before
    assert hosts(lake) == [(DAY, "a-0"), (NEXT, "b-0")]


def test_a_lake_of_plain_files_goes_on_with_tables(lake: FolderLake) -> None:
    """Its older days stay where they are; what a run of the day replaces goes, wherever it is."""
    plain, both = FolderLake(lake.root), FolderLake(lake.root, "parquet", "delta")
    for day in (DAY, NEXT):
        dump(plain, facts(day), one("plain"))
    dump(both, facts(NEXT, "bbbb"), one("table"))

    assert hosts(lake) == [(NEXT, "table-0")]
    assert verify(lake, find_run(lake, DAY)).faults == ()
    assert [path.parent.name for path in lake.root.glob("entity=*/*/*/*")] == [f"dt={DAY}"]


# ---------------------------------------------------------------------------------------------------- what is cut short


def cut_short(lake: FolderLake, run: RunFacts, after: int, *types: Type) -> list[Outcome]:
    """A run that is stopped after so many steps of its publication."""
    outcomes = [outcome(lake, run, what) for what in types]
    journal = lake.journal(run.run_id).begin()
    journal.append(record("run_opened", facts=run, plan="p"))
    journal.append(record("lanes_chosen", lanes=[one.lane for one in outcomes]))
    for closed in outcomes:
        journal.append(record("lane_closed", closed.lane, outcome=closed))
    steps = iter([False] * after)
    with pytest.raises(PublishStopped):
        Lake(lake.store, lake.formats, stops=lambda: next(steps, True)).publish(
            run, outcomes, finished_at=f"{NEXT}T02:10:00Z"
        )
    return outcomes


@pytest.mark.fault(41)
@pytest.mark.parametrize("after", range(6))
def test_a_publication_that_is_cut_short_anywhere_is_brought_to_its_end(lake: FolderLake, after: int) -> None:
    """Readers of the pointer see the snapshot before, until the next that holds the lake has done the rest."""
    old = dump(lake, facts(DAY), one("old"), Type(USERS, rows=devices(1)))
    run = facts(NEXT, "bbbb")
    cut_short(lake, run, after, one("new"), Type(USERS, rows=devices(2)), Type(LAB, rows=devices(1)))
    assert lake.latest_run() == old
    assert verify(lake, find_run(lake, "latest")).faults == ()

    told = recover(lake)

    assert told == [f"run {run.run_id} was stopped while it published; its snapshot is in place now"]
    assert lake.latest_run() == run.run_id
    assert memory_of(lake, run.run_id).published
    assert verify(lake, find_run(lake, "latest")).faults == ()
    assert (version(lake), version(lake, "users")) == (1, 1)
    assert len(hosts(lake)) == 3
    assert recover(lake) == []


def test_a_publication_whose_parts_are_gone_is_given_up_and_the_lake_goes_on(lake: FolderLake) -> None:
    """Somebody removed them; what is in a table already is told, and the next run of the day replaces it."""
    users, new = Type(USERS, rows=devices(2)), one("new")
    cut_short(lake, facts(NEXT), 3, users, new)
    (part,) = lake.root.glob("tables/devices/*/*/*.parquet")
    part.unlink()

    (told,) = recover(lake)

    assert "is given up, since 'tables/devices/" in told
    assert "its rows: users." in told
    assert recover(lake) == []
    dump(lake, facts(NEXT, "bbbb"), users, new)
    sweep(lake, LakeSettings(), NOW)
    assert verify(lake, find_run(lake, "latest")).faults == ()


@pytest.mark.fault(41)
@pytest.mark.parametrize("after", [2, 3])
def test_tables_of_iceberg_are_brought_to_their_end_as_well(lake: FolderLake, after: int) -> None:
    """Before the first commit, and between two."""
    lake = FolderLake(lake.root, "iceberg")
    old = dump(lake, facts(DAY), one("old"), Type(USERS, rows=devices(1)))
    run = facts(NEXT, "bbbb")
    cut_short(lake, run, after, one("new"), Type(USERS, rows=devices(2)))
    assert lake.latest_run() == old

    recover(lake)

    assert verify(lake, find_run(lake, "latest")).faults == ()
    for entity in ("devices", "users"):
        (pin,) = pins(lake, entity=entity)
        assert pin == lake.tables[0].newest(lake.store, entity)
        assert len(list((lake.root / pin.path).glob("metadata/snap-*"))) == 2


def test_publishing_again_commits_nothing_again(lake: FolderLake) -> None:
    """The same run comes back, since a type of it had failed; its first tables are what they were."""
    run = facts(DAY)
    first = outcome(lake, run, one("a"))
    for users in (Outcome(USERS, "failed", "503"), outcome(lake, run, Type(USERS, rows=devices(1)))):
        lake.publish(run, [first, users], finished_at=f"{DAY}T02:10:00Z")

    assert (version(lake), version(lake, "users")) == (0, 0)
    assert {pin.version for pin in pins(lake)} == {0}


# ---------------------------------------------------------------------------------------------------- what is looked at


def test_what_others_did_to_a_table_is_told_from_damage(lake: FolderLake) -> None:
    """As long as files are there the snapshot is whole; where they are gone, the reason is told."""
    for number, name in enumerate(("aaaa", "bbbb")):
        dump(lake, facts(DAY, name), Type(rows=devices(2, host=name), files=2))
        assert version(lake) == number
    table = DeltaTable(lake.store.uri("tables/devices"))
    table.optimize.compact()
    assert verify(lake, find_run(lake, "latest")).faults == ()

    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)

    told = [fault.text for fault in verify(lake, find_run(lake, "latest")).faults]
    assert told[:2] == ["is missing; others have rewritten the table: OPTIMIZE (version 2), VACUUM (version 4)"] * 2
    assert hosts(lake) == [(DAY, "bbbb-0"), (DAY, "bbbb-1")]


def test_a_table_whose_log_is_gone_is_damage(lake: FolderLake) -> None:
    """Its files are there, but no version of it can be read."""
    dump(lake, facts(DAY), one("a"))
    (lake.root / "tables/devices/_delta_log/00000000000000000000.json").unlink()

    (fault,) = verify(lake, find_run(lake, "latest")).faults
    assert fault.text == "the delta table has no longer the version of this snapshot"


def test_a_commit_that_a_power_cut_tore_tells_of_nobody(lake: FolderLake) -> None:
    """The next commit removes it; until then what is damaged can be looked at."""
    dump(lake, facts(DAY), one("a"))
    (lake.root / "tables/devices/_delta_log/00000000000000000001.json").write_text('{"add":')
    for part in lake.root.glob("tables/devices/*/*/*.parquet"):
        part.unlink()

    assert verify(lake, find_run(lake, "latest")).faults[0].text == "is missing"


def test_all_days_of_a_table_are_those_of_the_lake(lake: FolderLake) -> None:
    """In the history of an asset, in Python and in SQL; there also a day whose own manifest is gone."""
    for run in (facts(DAY), facts(NEXT)):
        dump(lake, run, one(run.logical_date))
    ((found,), _) = asset_history(lake, "devices", f"{0:032x}", Ignoring())
    table = open_to_read(lake.root).table("devices", history=True)
    assert (found.days, table.to_arrow().num_rows) == ((DAY, NEXT), 2)

    dump(lake, facts("2026-11-24"), Outcome(DEVICES, "partial", "503"), Type(USERS, rows=devices(1)))
    (lake.root / lake.manifest_name(facts(NEXT).run_id)).unlink()
    with query_session(lake, tables_of(find_run(lake, "latest"))) as session:
        rows = session.ask("SELECT hostname FROM devices_history WHERE dt = DATE '2026-11-23'").rows
        assert list(rows) == [(f"{NEXT}-0",)]


# ------------------------------------------------------------------------------------------------------- what goes away


def test_a_day_beyond_the_retention_leaves_the_table_and_pinned_versions_stay_whole(lake: FolderLake) -> None:
    """Its files go with the last snapshot that pins a version which has them."""
    for day in (DAY, NEXT):
        dump(lake, facts(day), one(day))
    found = look(lake, KEEP_ONE, NOW)
    assert [one.kind for one in found.leftovers] == ["snapshot", "run"]
    assert sweep(lake, KEEP_ONE, NOW).leftovers == found.leftovers

    assert hosts(lake) == [(NEXT, f"{NEXT}-0")]
    (pin,) = pins(lake)
    assert hosts(lake, pin.version) == [(DAY, f"{DAY}-0"), (NEXT, f"{NEXT}-0")]

    dump(lake, facts("2026-11-24"), one("later"))
    gone = sweep(lake, KEEP_ONE, NOW).leftovers
    assert [one.path.split("/")[3] for one in gone if one.kind == "part"] == [f"dt={DAY}"]
    assert verify(lake, find_run(lake, "latest")).faults == ()


def test_files_that_others_wrote_into_a_table_are_left_alone(lake: FolderLake) -> None:
    """And those of axsync that they have replaced stay as long as a manifest names them."""
    dump(lake, facts(DAY), Type(rows=devices(2), files=2))
    DeltaTable(lake.store.uri("tables/devices")).optimize.compact()

    assert sweep(lake, LakeSettings(), NOW).leftovers == ()
    assert len(hosts(lake)) == 2


def test_a_forgotten_day_leaves_the_table_and_its_files_go(lake: FolderLake) -> None:
    """At once: whoever forgets means it."""
    for day in (DAY, NEXT):
        dump(lake, facts(day), one(day))

    forgotten = forget(lake, DAY)

    assert len(forgotten.files) == 1
    assert hosts(lake) == [(NEXT, f"{NEXT}-0")]
    assert not (lake.root / forgotten.files[0]).exists()


def test_a_forgotten_run_gives_its_day_back_to_the_one_before(lake: FolderLake) -> None:
    """Whose files are still there."""
    first = dump(lake, facts(DAY), one("old"))
    second = dump(lake, facts(DAY, "bbbb"), one("new"))

    forget(lake, second)

    assert lake.latest_run() == first
    assert hosts(lake) == [(DAY, "old-0")]


@pytest.mark.parametrize(
    "late", [column("cores"), column("cores", "number"), column("cores", "integer", served="another.field")]
)
def test_parts_that_no_longer_fit_are_refused_before_anything_is_registered(lake: FolderLake, late: Column) -> None:
    """They were read before another run brought a column of the same name, and the next run goes on as ever."""
    run, narrow = facts(DAY), column("cores", "integer")
    held = outcome(lake, run, Type(columns=(PLAIN[0], late), rows=[{"internal_axon_id": "1"}]))
    dump(lake, facts(NEXT), Type(columns=(PLAIN[0], narrow), rows=[{"internal_axon_id": "1"}]))

    with pytest.raises(LakeError, match=r"prod/devices does not fit its table.*\(cores\); run again with --fresh"):
        lake.publish(run, [held], finished_at=f"{DAY}T02:10:00Z")
    assert recover(lake) == []
    dump(lake, facts(NEXT, "bbbb"), Type(columns=(PLAIN[0], narrow), rows=[{"internal_axon_id": "2"}]))


def test_what_a_table_cannot_take_is_refused_before_its_publication_begins(lake: FolderLake) -> None:
    """Or nobody could bring it to its end. Only a registry that was lost can lead to it."""
    dump(lake, facts(DAY), one("a"))
    (lake.root / "_axsync/schemas/devices.json").unlink()
    odd = Type(columns=(PLAIN[0], column("cores")), rows=[{"internal_axon_id": "1", "cores": "x"}])

    with pytest.raises(LakeError, match="cores is int64 in the table and string in the registry"):
        publish(lake, facts(NEXT), odd)
    assert recover(lake) == []
