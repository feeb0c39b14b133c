"""Rows 35, 37 and 38 of the README here: strange keys, strange names of types, far too many fields."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import duckdb
import pytest

from axsync.emulator import Mishap
from axsync.emulator.fields import FieldSpec, text
from axsync.errors import ConfigError
from axsync.settings import CredentialReference, EntitySettings, InstanceSettings
from tests.faults.proof import NARROW, Tapped, assert_nothing_lost, restored, told
from tests.flow.harness import Lab, Ran

Start = Callable[..., Awaitable[Tapped]]
Process = Callable[..., Awaitable[tuple[int, str]]]

LEGAL = re.compile(r"[a-z0-9][a-z0-9_]{0,254}")
OWN = {"axsync_run_id", "axsync_fetched_at", "axsync_rescued", "entity", "instance", "dt"}
ODD = (
    *("", " ", "a.b..c", "_leading", "__", "select", "order", "NAME", "Name", "name", "nAmE"),
    *("axsync_rescued", "axsync_run_id", "axsync_fetched_at", "_axsync_overflow", "entity", "instance", "dt"),
    *("é" * 150, "e\u0301", "\u00e9", "x" * 300, "x=y/../z", "a:b", "a b", "a/b", 'quote"', "tab\t", "\U0001f512"),
)


async def run(lab: Lab, emulator: Tapped, fields: EntitySettings = NARROW, **settings: Any) -> Ran:
    instance = lab.instance(emulator)
    return await lab.run(lab.settings(instance, types={"default": fields}, entities=("devices",), **settings))


def offer(emulator: Tapped, *columns: FieldSpec, adapter: str = "") -> None:
    """The instance lists these fields from now on; it serves none of them by itself."""
    families = emulator.instance.models
    family = families["devices"]
    special = family.special | {adapter: columns}
    families["devices"] = (
        replace(family, special=special) if adapter else replace(family, columns=(*family.columns, *columns))
    )


# ------------------------------------------------------------------------------------------------------------ 35: keys


@pytest.mark.parametrize("kind", ["twin-keys", "own-names", "odd-names"])
@pytest.mark.parametrize("profile", ["p90", "v1"])
async def test_fault_35_keys_that_nobody_listed_are_rescued(lab: Lab, start: Start, profile: str, kind: str) -> None:
    """Empty, long, dotted, path-like, case-only twins, our own names: kept under their own spelling."""
    emulator = await start(profile, {"devices": 60}, mishaps=(Mishap(kind),))
    ran = await run(lab, emulator)

    assert told(ran) == ("complete", 0)
    assert lab.lane("devices")["rescued_values"] > 0
    assert_nothing_lost(lab, emulator, "devices")


@pytest.mark.parametrize("profile", ["p90", "v1"])
async def test_fault_35_listed_fields_get_legal_and_different_columns(lab: Lab, start: Start, profile: str) -> None:
    """A catalogue of such names: legal in Athena and Glue, no two alike, the Axonius name in the manifest."""
    emulator = await start(profile, {"devices": 60})
    offer(emulator, *(text(name, "x") for name in ODD))
    for name in ODD:
        emulator.mishaps.append(Mishap("raw", field=f"specific_data.data.{name}", value='["kept"]'))
    ran = await run(lab, emulator, EntitySettings(fields="generic"))

    columns = lab.lane("devices")["columns"]
    assert told(ran) == ("complete", 0)
    assert [name for name in columns if not LEGAL.fullmatch(name)] == []
    assert len({name.lower() for name in columns}) == len(columns)
    assert OWN.isdisjoint(columns)
    assert {f"specific_data.data.{name}" for name in ODD if name} <= {entry["field"] for entry in columns.values()}
    assert_nothing_lost(lab, emulator, "devices")


async def test_fault_35_names_do_not_depend_on_the_order_of_the_catalogue(lab: Lab, start: Start) -> None:
    """Two instances that list the same fields in another order give them the same columns."""
    one, other = await start(sizes={"devices": 20}), await start(sizes={"devices": 20})
    offer(one, *(text(name, "x") for name in ODD))
    offer(other, *(text(name, "x") for name in reversed(ODD)))
    instances = lab.instance(one, "one"), lab.instance(other, "other")
    await lab.run(lab.settings(*instances, types={"default": EntitySettings(fields="generic")}))

    named = [{n: e["field"] for n, e in lab.lane("devices", name)["columns"].items()} for name in ("one", "other")]
    assert named[0] == named[1]


async def test_fault_35_duckdb_reads_every_such_column(lab: Lab, start: Start) -> None:
    """All columns of all rows, under the names of the manifest."""
    emulator = await start(sizes={"devices": 20})
    offer(emulator, *(text(name, "x") for name in ODD))
    await run(lab, emulator, EntitySettings(fields="generic"))

    files = [str(lab.lake / file["path"]) for file in lab.lane("devices")["files"]]
    with duckdb.connect() as connection:
        found = connection.read_parquet(files)
        assert set(lab.lane("devices")["columns"]) <= set(found.columns)
        assert len(found.fetchall()) == 20


# ----------------------------------------------------------------------------------------------------------- 37: paths


@pytest.mark.parametrize("name", ["../prod", "a/b", "a=b", "%2F", "a b", "", ".", "..", ".hidden", "-x", "a\x00b", "ü"])
def test_fault_37_an_instance_cannot_have_a_name_that_is_a_path(name: str) -> None:
    """It would become a folder; the settings refuse it."""
    with pytest.raises(ConfigError, match="must be written with 1 to 64 letters"):
        InstanceSettings(name, "https://acme.example", CredentialReference("env:K", "env:S"))


@pytest.mark.parametrize("name", ["../../etc", "a/b", "a=b", "%2e%2e", "Devices", "a b", "..", "add_tags"])
async def test_fault_37_a_type_with_a_name_that_is_a_path_writes_nothing(lab: Lab, start: Start, name: str) -> None:
    """A server that lists such a type: it is neither asked for nor becomes a folder; the other type is copied."""
    emulator = await start(sizes={"devices": 30, name: 5})
    ran = await lab.run(lab.settings(lab.instance(emulator), types={"default": NARROW}))

    assert ran.outcome("devices").verdict == "complete"
    assert {path.split("/")[0] for path in lab.published()} == {"entity=devices"}
    assert not any(name in seen.path for seen in emulator.log)
    assert sorted(path.name for path in lab.folder.iterdir()) == ["lake", "prod.key", "prod.secret"]
    assert ran.report.verdict == "partial"
    assert name in str([outcome.reason for outcome in ran.report.outcomes])


# ------------------------------------------------------------------------------------------------ 38: far too many


async def test_fault_38_fields_beyond_the_cap_share_a_json_column(lab: Lab, start: Start) -> None:
    """Generic fields first; the rest of the adapters' fields in one column, with a notice; all of it comes back."""
    emulator = await start(sizes={"devices": 60})
    ran = await run(lab, emulator, EntitySettings(fields="full", max_columns=80))

    lane = lab.lane("devices")
    assert told(ran) == ("complete", 0)
    assert len(lane["columns"]) <= 81
    assert any("share the JSON column adapters_data: too many columns" in text for text in lane["notices"])
    assert any(row["adapters_data"] for row in lab.rows("devices"))
    assert_nothing_lost(lab, emulator, "devices")


@pytest.mark.parametrize("count", [3_000, pytest.param(20_000, marks=pytest.mark.slow)])
async def test_fault_38_an_adapter_with_very_many_fields_is_capped(lab: Lab, start: Start, count: int) -> None:
    """More fields than any file should have: the cap holds, a row with thousands of keys is whole."""
    emulator = await start(sizes={"devices": 40}, mishaps=(Mishap("many-keys", count=2_000, page=2, times=1),))
    offer(emulator, *(text(f"k{number}", "x") for number in range(count)), adapter="wide_adapter")
    ran = await run(lab, emulator, EntitySettings(fields="full"))

    assert told(ran) == ("complete", 0)
    assert len(lab.lane("devices")["columns"]) <= 2_001
    assert_nothing_lost(lab, emulator, "devices")


async def test_fault_38_the_cap_may_come_and_go_between_runs(lab: Lab, start: Start) -> None:
    """A field moves into the JSON column and out of it again; every day comes back."""
    emulator = await start(sizes={"devices": 40})
    for day, most in enumerate((2000, 70, 2000)):
        emulator.sent.clear()
        fields = EntitySettings(fields="full", max_columns=most)
        ran = await run(lab, emulator, fields, logical_date=f"2026-11-2{day}")

        assert told(ran) == ("complete", 0)
        assert_nothing_lost(lab, emulator, "devices")

    assert restored(lab, "devices")
