"""The columns of a type over many runs: they appear, they widen, they stay."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import duckdb
import pytest

from axsync.emulator import Mishap
from axsync.emulator.fields import DATE, FLAG, REAL, TEXT, WHOLE, FieldSpec, Kind, real, text, whole
from axsync.events import Notice
from axsync.lake.history import find_run
from axsync.lake.local import LocalStore
from axsync.lake.publish import Lake
from axsync.settings import EntitySettings
from axsync.sql import query_session, tables_of
from tests.faults.proof import Tapped, assert_nothing_lost, told
from tests.flow.harness import Lab, Ran, Record

Start = Callable[..., Awaitable[Tapped]]

FULL = {"default": EntitySettings(fields="full")}
FIELD = "specific_data.data.fresh"


async def day(lab: Lab, emulator: Tapped, number: int) -> Ran:
    """The run of one day; nothing is lost on it."""
    emulator.sent.clear()
    settings = lab.settings(
        lab.instance(emulator), types=FULL, entities=("devices",), logical_date=f"2026-11-{number:02}"
    )
    ran = await lab.run(settings)
    assert told(ran) == ("complete", 0)
    assert_nothing_lost(lab, emulator, "devices")
    return ran


def columns(lab: Lab) -> Record:
    found: Record = lab.lane("devices")["columns"]
    return found


def offer(emulator: Tapped, *fresh: FieldSpec) -> None:
    """The instance lists these fields beside its usual ones, instead of those of a day before."""
    families = emulator.instance.models
    usual = tuple(column for column in families["devices"].columns if not column.name.startswith("fresh"))
    families["devices"] = replace(families["devices"], columns=(*usual, *fresh))


def serve(emulator: Tapped, value: str) -> None:
    """Every row has this value in the fresh field."""
    emulator.mishaps[:] = [Mishap("raw", field=FIELD, value=value, share=1.0)]


@pytest.mark.parametrize("profile", ["p90", "p70", "v1"])
async def test_fault_34_a_field_that_appears_is_a_new_column(lab: Lab, start: Start, profile: str) -> None:
    """The old columns keep names, types and order of appearance."""
    emulator = await start(profile, {"devices": 40})
    await day(lab, emulator, 1)
    before = columns(lab)
    offer(emulator, text("fresh", "x"))
    serve(emulator, '["new"]')
    await day(lab, emulator, 2)

    after = columns(lab)
    assert after.keys() - before.keys() == {"fresh"}
    assert {name: after[name] for name in before} == before
    assert {tuple(row["fresh"]) for row in lab.rows("devices")} == {("new",)}


@pytest.mark.parametrize("profile", ["p90", "p70", "v1"])
async def test_fault_34_a_field_that_vanishes_keeps_its_column(lab: Lab, start: Start, profile: str) -> None:
    """Without values, and under the same name when it comes back."""
    emulator = await start(profile, {"devices": 40})
    offer(emulator, text("fresh", "x"))
    serve(emulator, '["here"]')
    await day(lab, emulator, 1)
    first = columns(lab)["fresh"]
    offer(emulator)
    emulator.mishaps.clear()
    await day(lab, emulator, 2)
    gone, rows = columns(lab)["fresh"], lab.rows("devices")
    offer(emulator, text("fresh", "x"))
    serve(emulator, '["back"]')
    await day(lab, emulator, 3)

    assert (gone, columns(lab)["fresh"]) == (first, first)
    assert {row["fresh"] for row in rows} == {None}
    assert {tuple(row["fresh"]) for row in lab.rows("devices")} == {("back",)}


@pytest.mark.parametrize("profile", ["p90", "p70", "v1"])
async def test_fault_34_an_integer_that_becomes_a_number_widens(lab: Lab, start: Start, profile: str) -> None:
    """And never narrows again."""
    emulator = await start(profile, {"devices": 40})
    types = []
    for number, (column, value) in enumerate(
        [(whole("fresh", 1, 9), "[7]"), (real("fresh", 1, 9), "[7.5]"), (whole("fresh", 1, 9), "[9007199254740993]")]
    ):
        offer(emulator, column)
        serve(emulator, value)
        await day(lab, emulator, number + 1)
        types.append(columns(lab)["fresh"]["type"])

    assert types == ["list<int64>", "list<double>", "list<double>"]


KINDS: dict[str, tuple[Kind, str]] = {
    "text": (TEXT, '["a"]'),
    "integer": (WHOLE, "[7]"),
    "number": (REAL, "[7.5]"),
    "bool": (FLAG, "[true]"),
    "date": (DATE, '["Mon, 02 Nov 2026 10:11:12 GMT"]'),
    "list": (Kind("array", None, TEXT), '["a","b"]'),
}


@pytest.mark.parametrize("later", ["text", "number", "list"])
@pytest.mark.parametrize("earlier", KINDS)
async def test_fault_34_a_type_that_the_catalogue_changes_is_kept_or_widened(
    lab: Lab, start: Start, earlier: str, later: str
) -> None:
    """Whatever it was and becomes: the column stays, or widens, or leaves the values to one of JSON; all come back."""
    emulator = await start("p90", {"devices": 20})
    types = []
    for number, name in enumerate((earlier, later)):
        kind, value = KINDS[name]
        offer(emulator, FieldSpec("fresh", kind, lambda dice: None))
        serve(emulator, value)
        await day(lab, emulator, number + 1)
        found = columns(lab)
        types.append({name: entry["type"] for name, entry in found.items() if entry["field"] == FIELD})

    beside = {"fresh_json": "json"}
    if (earlier, later) == ("integer", "number"):
        assert types == [{"fresh": "list<int64>"}, {"fresh": "list<double>"}]
    else:
        assert types[1] in (types[0], beside)
        assert (types[1] == beside) == (types[0]["fresh"] not in ("list<string>", types[1].get("fresh")))


@pytest.mark.slow
async def test_fault_34_thirty_days_of_drift_are_one_table(lab: Lab, start: Start) -> None:
    """Fields come, go and change for thirty days; DuckDB reads all days by name as one table."""
    emulator = await start("p90", {"devices": 60}, drift_percent=20.0)
    names = list(KINDS)
    for number in range(30):
        kind, value = KINDS[names[number * 5 % len(names)]]
        offer(emulator, *(() if number % 7 == 3 else (FieldSpec("fresh", kind, lambda dice: None),)))
        serve(emulator, value) if number % 7 != 3 else emulator.mishaps.clear()
        await day(lab, emulator, number + 1)

    glob = str(lab.lake / "entity=devices" / "**" / "*.parquet")
    with duckdb.connect() as connection:
        found = connection.read_parquet(glob, hive_partitioning=True, union_by_name=True)
        counted = found.aggregate("count(*) AS rows, count(DISTINCT dt) AS days, count(DISTINCT internal_axon_id)")
        assert counted.fetchall() == [(1800, 30, 60)]


def by_field(lab: Lab, instance: str) -> dict[str, tuple[str, str]]:
    """Field → name and type of its column, as the newest snapshot has it."""
    return {e["field"]: (name, e["type"]) for name, e in lab.lane("devices", instance)["columns"].items()}


def registry(lab: Lab) -> Record:
    found: Record = json.loads((lab.lake / "_axsync/schemas/devices.json").read_text())["columns"]
    return found


async def test_fault_34_instances_share_names_and_types(lab: Lab, start: Start) -> None:
    """Whatever each of them serves; a lake without a registry makes it from its manifests and goes on as before."""
    one, other = await start("p70", {"devices": 20}), await start("p90", {"devices": 20})
    for emulator, value in ((one, '"a"'), (other, '["a","b"]')):
        offer(emulator, text("fresh", "x"))
        serve(emulator, value)

    async def night(day: int) -> Ran:
        instances = lab.instance(one, "one"), lab.instance(other, "other")
        return await lab.run(lab.settings(*instances, types=FULL, entities=("devices",), logical_date=f"2026-11-{day}"))

    def agreed() -> bool:
        ours, theirs = by_field(lab, "one"), by_field(lab, "other")
        registered = {entry["field"]: (name, entry["type"]) for name, entry in registry(lab).items()}
        return all(
            ours[f] == theirs[f] == registered[f] for f in ours.keys() & theirs.keys() if "struct" not in ours[f][1]
        )

    first = await night(21)
    await night(22)
    assert agreed()
    assert by_field(lab, "one")[FIELD] == ("fresh", "list<string>")
    assert {entry["since"] for entry in registry(lab).values()} == {first.report.run_id}
    lake = Lake(LocalStore(lab.lake))
    for day in ("2026-11-21", "latest"):
        with query_session(lake, tables_of(find_run(lake, day))) as session:
            assert set(session.ask("SELECT list_sort(fresh)::VARCHAR, count(*) FROM devices GROUP BY ALL").rows) == {
                ("[a]", 20),
                ("[a, b]", 20),
            }

    before = registry(lab)
    (lab.lake / "_axsync/schemas/devices.json").unlink()
    ran = await night(23)
    assert registry(lab) == before
    assert agreed()
    assert [n.text for n in ran.of(Notice) if "were in" in n.text] == []
