"""What was asked is what is counted and told: days that are not there, dry runs, mistyped names, odd lists."""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from axsync.api import Question
from axsync.client.source import Source
from axsync.console.run_result import exit_code
from axsync.emulator import Emulator, Mishap
from axsync.errors import ConfigError, UnknownEntity
from axsync.events import Notice
from axsync.lake.local import LocalStore
from axsync.lake.publish import Lake
from axsync.runs.instances import open_sources
from axsync.runs.plan import plan
from axsync.settings import EntitySettings
from axsync.snapshots.unpublished import all_runs
from tests.flow.harness import Lab, Ran

Start = Callable[..., Awaitable[Emulator]]

TODAY = date(2026, 11, 20)
WINDOWS = '("specific_data.data.os.type" == "Windows")'
FEW = EntitySettings(fields=("name",))


def notices(ran: Ran) -> str:
    return "\n".join(notice.text for notice in ran.of(Notice))


@pytest.mark.parametrize("profile", ["p6164", "p70", "p90"])
@pytest.mark.parametrize("day", ["2020-01-01", str(TODAY - timedelta(days=2))])
async def test_an_empty_day_beside_live_rows_is_no_day(lab: Lab, start: Start, profile: str, day: str) -> None:
    """Where the server cannot list its days, the type is skipped with the words of one that can."""
    emulator = await start(profile, {"devices": 30, "secrets": 0}, today=TODAY)
    settings = lab.settings(lab.instance(emulator), entities=("devices", "secrets"), as_of=day)
    ran = await lab.run(settings)

    assert ran.verdicts() == {"prod/devices": "skipped", "prod/secrets": "complete"}
    assert f"has no history of devices for {day}" in str(ran.outcome("devices").reason)
    assert f"has no history of devices for {day}" in (await plan(settings)).rows[0].note


async def test_a_missing_day_names_its_neighbours_and_leaves_nothing_unfinished(lab: Lab, start: Start) -> None:
    """Where the server lists its days; a run that has read nothing is not one to go on with."""
    emulator = await start("v1", {"devices": 10}, today=TODAY)
    day = "2020-01-01"
    ran = await lab.run(lab.settings(lab.instance(emulator), entities=("devices",), as_of=day))

    assert re.search(rf"history of devices for {day}; the nearest day is 20\d\d-", str(ran.outcome("devices").reason))
    (past,) = all_runs(Lake(LocalStore(lab.lake)), datetime.now(UTC)).runs
    assert (past.verdict, past.rows) == ("given up", 0)


async def test_a_day_that_has_not_come_is_refused(lab: Lab, start: Start) -> None:
    """Before anything is sent or written, by a run and by a plan."""
    emulator = await start()
    for day in (str(datetime.now(UTC).date() + timedelta(days=2)), "2999-01-01"):
        settings = lab.settings(lab.instance(emulator), as_of=day)
        for ask in (lab.run, plan):
            with pytest.raises(ConfigError, match=rf"as_of \(--as-of\) is {day}, a day that has not come yet"):
                await ask(settings)

    assert (emulator.log, lab.lake.exists()) == ([], False)


@pytest.mark.parametrize("profile", ["p70", "v1"])
async def test_a_dry_run_counts_what_a_run_would_copy(lab: Lab, start: Start, profile: str) -> None:
    """With the query, the saved query, the day of history and the limit; a plan says the same."""
    for wish in (EntitySettings(query=WINDOWS), EntitySettings(saved_query="Linux machines")):
        for run in ({}, {"limit": 7}, {"as_of": str(TODAY - timedelta(days=3))}):
            emulator = await start(profile, {"devices": 60}, today=TODAY)
            types = {"devices": EntitySettings(fields=("name",), query=wish.query, saved_query=wish.saved_query)}
            instance = lab.instance(emulator)
            dry = await lab.run(lab.settings(instance, types=types, dry_run=True, **run))
            planned = await plan(lab.settings(instance, types=types, fresh=True, **run))
            ran = await lab.run(
                lab.settings(instance, types=types, fresh=True, accept_drop=True, replace_worse=True, **run)
            )

            assert 0 < ran.outcome("devices").rows < 60
            assert dry.outcome("devices").count_before == planned.rows[0].count == ran.outcome("devices").rows


async def test_a_dry_run_tells_of_a_wrong_query(lab: Lab, start: Start) -> None:
    """It is the failure that the run would end with, and no count."""
    emulator = await start()
    types = {"devices": EntitySettings(query="(nonsense ==")}
    ran = await lab.run(lab.settings(lab.instance(emulator), types=types, dry_run=True, entities=("devices",)))

    assert (ran.outcome("devices").verdict, ran.outcome("devices").count_before) == ("failed", None)
    assert "answered 400" in str(ran.outcome("devices").reason)
    assert exit_code(ran.report, dry_run=True) == 1


@pytest.mark.parametrize("profile", ["p70", "p90", "v1"])
async def test_a_table_for_no_entity_type_is_refused(lab: Lab, start: Start, profile: str) -> None:
    """With the nearest name, before anything is written; a table for a known type that is not there is fine."""
    emulator = await start(profile, {"devices": 20, "users": 20})
    with pytest.raises(ConfigError, match=r"\[entities\.usres\].*offers no entity type 'usres'; did you mean 'users'"):
        await lab.run(lab.settings(lab.instance(emulator), types={"usres": FEW}))
    assert not lab.lake.exists()

    ran = await lab.run(lab.settings(lab.instance(emulator), types={"software": FEW, "default": FEW}))
    assert set(ran.verdicts()) == {"prod/devices", "prod/users"}


async def test_a_table_for_a_type_that_the_list_is_short_of_is_taken(lab: Lab, start: Start) -> None:
    """A server may know more types than it lists."""
    body = json.dumps({"asset_types": ["users"]})
    sizes = {"users": 20, "gadgets": 20}
    emulator = await start("p90", sizes, mishaps=(Mishap("other-body", on="types", body=body),))
    ran = await lab.run(lab.settings(lab.instance(emulator), types={"gadgets": FEW}, entities=("gadgets",)))

    assert ran.verdicts() == {"prod/gadgets": "complete"}


@pytest.mark.parametrize("profile", ["p70", "p90", "v1"])
async def test_capitals_find_their_small_letters(lab: Lab, start: Start, profile: str) -> None:
    """`Devices` is not a type, and `devices` is what was meant."""
    emulator = await start(profile, {"devices": 20})
    with pytest.raises(UnknownEntity, match="did you mean 'devices'"):
        await lab.run(lab.settings(lab.instance(emulator), entities=("DEVICES",)))


@pytest.mark.parametrize(
    ("name", "near"),
    [("usernme", "username"), ("specific_data.data.usernme", "specific_data.data.username")],
)
async def test_a_mistyped_field_is_refused_with_its_nearest(lab: Lab, start: Start, name: str, near: str) -> None:
    """Before a row is read or anything is written, named as it was written: without the prefix, or with it."""
    emulator = await start()
    settings = lab.settings(
        lab.instance(emulator), types={"users": EntitySettings(fields=("mail", name))}, entities=("users",)
    )
    for ask in (lab.run, plan):
        with pytest.raises(ConfigError, match=rf"no field of users matches '{name}'; did you mean '{near}'\?"):
            await ask(settings)

    assert [seen.path for seen in emulator.log if seen.path.endswith("/users")] == []
    assert not (lab.lake / "_axsync" / "runs").exists()


async def test_fields_that_one_of_the_types_has_are_taken(lab: Lab, start: Start) -> None:
    """As are globs, names under `extra_fields`, and whatever is named where no catalogue can be read."""
    emulator = await start(sizes={"devices": 20, "users": 20})
    wish = EntitySettings(fields=("hostname", "username", "zzz*"), extra_fields=("nobodys",))
    ran = await lab.run(
        lab.settings(lab.instance(emulator), types={"devices": wish, "users": wish}, entities=("devices", "users"))
    )
    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "complete"}

    blind = await start(sizes={"users": 20}, mishaps=(Mishap("other-body", on="fields", body="{}"),))
    settings = lab.settings(
        lab.instance(blind, "blind"),
        types={"users": EntitySettings(fields=("usernme", "username"))},
        entities=("users",),
    )
    assert (await lab.run(settings)).verdicts() == {"blind/users": "complete"}


async def test_a_query_that_finds_nothing_is_told(lab: Lab, start: Start) -> None:
    """It is complete, and may be misspelt all the same."""
    emulator = await start(sizes={"devices": 20})
    wish = EntitySettings(fields=("hostname",), query='("specific_data.data.hostname" == "nobody")')
    settings = lab.settings(lab.instance(emulator), types={"devices": wish}, entities=("devices",))
    ran = await lab.run(settings)

    assert ran.verdicts() == {"prod/devices": "complete"}
    assert "no row matches the query" in notices(ran)


async def test_listed_types_that_cannot_be_named_are_skipped(lab: Lab, start: Start) -> None:
    """Each is told and is in the report; the run fails for none of them, and none becomes a path."""
    body = json.dumps({"asset_types": ["users", "../x", "a/b", "Üser", 7, None, ""]})
    emulator = await start("p90", {"users": 20}, mishaps=(Mishap("other-body", on="types", body=body),))
    ran = await lab.run(lab.settings(lab.instance(emulator), types={"default": FEW}))

    odd = {"prod/../x", "prod/a/b", "prod/Üser"}
    assert ran.verdicts() == {"prod/users": "complete"} | dict.fromkeys(odd, "skipped")
    assert ran.report.errors == ()
    assert {lane["reason"] for lane in lab.manifest()["lanes"] if lane["verdict"] == "skipped"} == {
        f"cannot be requested: {name!r} is not a name of an entity type: small letters, digits and underscores only"
        for name in ("../x", "a/b", "Üser")
    }
    assert not any("x" in seen.path.split("/") or "b" in seen.path.split("/") for seen in emulator.log)


@pytest.mark.parametrize(
    ("entities", "fate", "lanes"),
    [((), "the snapshot no longer has it", {"new"}), (("users",), "its files stay", {"old", "new"})],
)
async def test_an_instance_that_is_gone_is_told(
    lab: Lab, start: Start, entities: tuple[str, ...], fate: str, lanes: set[str]
) -> None:
    """A full run leaves a renamed instance out of the snapshot, one that names types keeps it; both say so."""
    emulator = await start(sizes={"users": 20})
    before = await lab.run(lab.settings(lab.instance(emulator, "old"), types={"default": FEW}))
    ran = await lab.run(lab.settings(lab.instance(emulator, "new"), types={"default": FEW}, entities=entities))

    assert "not in the configuration" not in notices(before)
    assert f"instance old is not in the configuration any more; {fate}" in notices(ran)
    assert {lane["instance"] for lane in lab.manifest()["lanes"]} == lanes


async def test_a_count_that_is_not_ready_is_told_once(lab: Lab, start: Start) -> None:
    """After some seconds, with how long it is waited for; a short wait and a short patience are not worth a word."""
    emulator = await start(mishaps=(Mishap("count-null"),))
    told: list[object] = []

    waits: list[float] = []

    async def at_once(seconds: float) -> None:
        waits.append(seconds)

    async with open_sources(lab.settings(lab.instance(emulator)), told.append) as sources:
        source = sources["prod"]
        assert isinstance(source, Source)
        await source.count(Question("users"), sleep=at_once, patience=3)
        assert waits == [0.5, 1.0]  # whoever gives up does so behind an answer
        assert not any(isinstance(event, Notice) for event in told)
        await source.count(Question("users"), sleep=at_once)

    text = "instance prod: the server has not counted users yet; waiting up to 10 minutes"
    assert [event.text for event in told if isinstance(event, Notice)] == [text]


async def test_the_time_that_answers_take_counts_for_a_patience(lab: Lab, start: Start) -> None:
    """Pauses of half a second and of one would fit into three seconds; answers of two seconds leave none."""
    emulator = await start(mishaps=(Mishap("count-null"),))
    now, waits = [0.0], list[float]()

    async def at_once(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds + 2  # with the answer that follows

    async with open_sources(lab.settings(lab.instance(emulator)), lambda _: None) as sources:
        source = sources["prod"]
        assert isinstance(source, Source)
        assert await source.count(Question("users"), sleep=at_once, clock=lambda: now[0], patience=3) is None

    assert waits == [0.5]
