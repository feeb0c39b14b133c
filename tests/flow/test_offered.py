"""Which entity types a run tries: what is listed, what is named, and what becomes of a type that is not there."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from axsync.console.check import check_exit_code
from axsync.console.run_result import exit_code
from axsync.emulator import Emulator, Mishap
from axsync.errors import ConfigError, Refused, UnknownEntity
from axsync.events import Notice
from axsync.lake.history import find_run
from axsync.runs.check import check
from axsync.runs.inspect import entities
from axsync.runs.plan import plan
from axsync.settings import EntitySettings
from axsync.snapshots.verify import verify
from tests.flow.harness import Lab, Ran
from tests.unit.lake.folders import FolderLake

Start = Callable[..., Awaitable[Emulator]]

FEW = {"default": EntitySettings(fields=("name",))}
PROFILES = ("p6164", "p70", "p90", "v1")
"""With a list of types, and without; both generations."""


def listing(*entries: object) -> Mishap:
    """A server whose list of types is this."""
    return Mishap("other-body", on="types", body=json.dumps({"asset_types": entries}))


def skips(ran: Ran, instance: str) -> Sequence[str]:
    return [n.text for n in ran.of(Notice) if n.lane and n.lane.instance == instance and n.text.startswith("skipped")]


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_type_that_one_instance_lacks_is_skipped_there(lab: Lab, start: Start, profile: str) -> None:
    """With a notice; the other instance has it, everything else runs, and nothing fails."""
    rich, poor = await start(profile, {"devices": 30, "software": 20}), await start(profile, {"devices": 30}, seed=3)
    places = lab.instance(rich, "rich"), lab.instance(poor, "poor")
    ran = await lab.run(lab.settings(*places, types=FEW, entities=("devices", "software")))

    assert ran.verdicts() == {
        "poor/devices": "complete",
        "poor/software": "skipped",
        "rich/devices": "complete",
        "rich/software": "complete",
    }
    assert (ran.report.errors, exit_code(ran.report, dry_run=False)) == ((), 0)
    assert (ran.report.verdict, lab.manifest()["verdict"]) == ("complete", "complete")
    assert [text.startswith("skipped, not offered: ") for text in skips(ran, "poor")] == [True]
    assert lab.lane("software", "poor")["verdict"] == "skipped"
    assert lab.ids("software", "rich") == sorted(rich.fleets["software"].ids())


@pytest.mark.parametrize("profile", ["p70", "p90"])
@pytest.mark.parametrize("entity", ["software", "findings", "latest_devices"])
async def test_a_named_type_is_tried_where_no_list_has_it(lab: Lab, start: Start, profile: str, entity: str) -> None:
    """A list may be short of a type that is well known."""
    emulator = await start(profile, {"devices": 30, entity: 20}, mishaps=[listing("devices")])
    ran = await lab.run(lab.settings(lab.instance(emulator), types=FEW, entities=(entity,)))

    assert ran.verdicts() == {f"prod/{entity}": "complete"}
    assert lab.ids(entity) == sorted(emulator.fleets[entity].ids())


async def test_what_no_list_has_is_not_tried_unnamed(lab: Lab, start: Start) -> None:
    """A run of everything is a run of what is listed."""
    emulator = await start(sizes={"devices": 30, "software": 20}, mishaps=[listing("devices")])
    ran = await lab.run(lab.settings(lab.instance(emulator), types=FEW | {"software": EntitySettings()}))

    assert ran.verdicts() == {"prod/devices": "complete"}
    assert not [seen.path for seen in emulator.log if "software" in seen.path]


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 410, 422])
@pytest.mark.parametrize("on", [None, "page"])
async def test_any_4xx_about_a_type_that_the_list_lacks_skips_it(
    lab: Lab, start: Start, on: str | None, status: int
) -> None:
    """To all or to its first page, with the server's words; the other type is complete."""
    refusal = Mishap(str(status), entity="software", on=on, description="Software is not licensed")
    emulator = await start(sizes={"devices": 30, "software": 20}, mishaps=[listing("devices"), refusal])
    settings = lab.settings(lab.instance(emulator), types=FEW, entities=("devices", "software"))
    ran = await lab.run(settings)

    reason = str(ran.outcome("software").reason)
    assert ran.verdicts() == {"prod/devices": "complete", "prod/software": "skipped"}
    assert ran.report.errors == ()
    assert "Software is not licensed" in reason
    assert reason.startswith("forbidden" if status == 403 else "not offered")


async def test_401_about_a_type_that_the_list_lacks_is_no_skip(lab: Lab, start: Start) -> None:
    """It speaks of the credential, and ends the instance."""
    emulator = await start(sizes={"devices": 30}, mishaps=[listing("devices"), Mishap("401", entity="software")])
    ran = await lab.run(lab.settings(lab.instance(emulator), types=FEW, entities=("software",)))

    assert ran.verdicts() == {"prod/software": "failed"}
    assert {type(error) for error in ran.report.errors} == {Refused}


async def test_a_4xx_after_the_first_page_is_a_failure(lab: Lab, start: Start) -> None:
    """Rows were there, so the type is."""
    refusal = Mishap("400", entity="software", page=2)
    emulator = await start(sizes={"devices": 30, "software": 90}, mishaps=[listing("devices"), refusal])
    ran = await lab.run(lab.settings(lab.instance(emulator), types=FEW, entities=("software",)))

    assert ran.verdicts() == {"prod/software": "failed"}


@pytest.mark.parametrize("profile", ["p70", "p90"])
async def test_a_400_about_a_listed_type_is_a_failure(lab: Lab, start: Start, profile: str) -> None:
    """The type is there, so the question was wrong."""
    emulator = await start(profile, mishaps=[Mishap("400", entity="users")])
    ran = await lab.run(lab.settings(lab.instance(emulator), types=FEW, entities=("devices", "users")))

    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "failed"}


@pytest.mark.parametrize("profile", ["p6164", "v1"])
@pytest.mark.parametrize(
    ("entity", "wish", "verdict"),
    [
        ("software", EntitySettings(), "skipped"),
        ("software", EntitySettings(query='("specific_data.data.name" == "x")'), "failed"),
        ("devices", EntitySettings(), "failed"),
    ],
)
async def test_a_400_where_there_is_no_list_is_a_skip_if_nothing_else_can_be_meant(
    lab: Lab, start: Start, profile: str, entity: str, wish: EntitySettings, verdict: str
) -> None:
    """A written query may be what is refused; and every instance has devices."""
    emulator = await start(profile, {"users": 30, entity: 20}, mishaps=[Mishap("400", entity=entity)])
    ran = await lab.run(lab.settings(lab.instance(emulator), types={entity: wish}, entities=("users", entity)))

    assert ran.verdicts() == {"prod/users": "complete", f"prod/{entity}": verdict}


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_name_that_nobody_knows_is_refused(lab: Lab, start: Start, profile: str) -> None:
    """By two instances and all lists, with its nearest, before anything is written; a check says the same."""
    one, two = await start(profile, {"devices": 9}), await start(profile, {"devices": 9, "software": 9})
    settings = lab.settings(lab.instance(one, "one"), lab.instance(two, "two"), entities=("devices", "softwares"))
    with pytest.raises(UnknownEntity, match=r"'softwares'; did you mean 'software'\?"):
        await lab.run(settings)
    found = await check(settings)

    assert not lab.lake.exists()
    assert check_exit_code(found) == 2
    assert all("did you mean 'software'?" in repr(step) for step in (instance.steps[-1] for instance in found))


@pytest.mark.parametrize("profile", PROFILES)
async def test_plan_and_dry_run_skip_what_a_run_skips(lab: Lab, start: Start, profile: str) -> None:
    """A type that one instance lacks costs nothing there."""
    refusal = Mishap("400", entity="software")
    rich, poor = await start(profile, {"devices": 9, "software": 9}), await start(profile, mishaps=[refusal])
    settings: dict[str, Any] = {"types": FEW, "entities": ("software",)}
    places = lab.instance(rich, "rich"), lab.instance(poor, "poor")
    dry = await lab.run(lab.settings(*places, **settings, dry_run=True))
    planned = await plan(lab.settings(*places, **settings))

    assert {(row.instance, row.right) for row in planned.rows} == {("rich", "readable"), ("poor", "not offered")}
    assert (dry.outcome("software", "rich").count_before, dry.outcome("software", "poor").verdict) == (9, "skipped")
    assert dry.report.errors == ()


@pytest.mark.parametrize("profile", PROFILES)
async def test_check_tries_what_a_run_tries(lab: Lab, start: Start, profile: str) -> None:
    """Named types whether they are listed or not; what is skipped there is a word of advice and no failure."""
    mishaps: list[Any] = [listing("devices")] if profile in {"p70", "p90"} else []
    emulator = await start(profile, {"devices": 9, "software": 7}, mishaps=mishaps)
    [found] = await check(lab.settings(lab.instance(emulator), entities=("devices", "software", "findings")))

    states = {one.entity: (one.state, one.count) for one in found.entities}
    step = found.steps[-1]
    assert states == {"devices": ("readable", 9), "software": ("readable", 7), "findings": ("not offered", None)}
    assert (step.ok, check_exit_code([found])) == (True, 0)
    assert "a run skips findings here" in step.advice


@pytest.mark.parametrize("entry", ["vulnerability_instances", {"name": "vulnerability_instances"}])
async def test_titles_stand_beside_slugs(lab: Lab, start: Start, entry: object) -> None:
    """The server's own ones, else those of the product, else the slug in words; in both looks."""
    entries = ("devices", {"name": "users", "title": "People"}, {"id": "software", "label": "Programs"}, entry)
    sizes = {"devices": 3, "users": 3, "software": 3, "vulnerability_instances": 3, "iot": 3}
    emulator = await start(sizes=sizes, mishaps=[listing(*entries)])
    settings = lab.settings(lab.instance(emulator), entities=("iot",))
    rows = await entities(settings)
    [found] = await check(settings)

    titles = {
        "devices": "Devices",
        "users": "People",
        "software": "Programs",
        "vulnerability_instances": "Security Findings",
    }
    assert {row.entity: row.title for row in rows} == titles
    assert {one.entity: one.title for one in found.entities} == titles | {"iot": "IoT"}


async def test_a_type_that_was_never_read_does_not_spoil_a_night_and_one_that_had_rows_does(
    lab: Lab, start: Start
) -> None:
    """Forbidden from the first: told, and the run is complete. Forbidden since: partial, and its files stay."""
    secret = Mishap("403", entity="software")
    emulator = await start(sizes={"devices": 3, "users": 3, "software": 3}, mishaps=[secret])
    night = lab.settings(lab.instance(emulator), types=FEW, fresh=True)
    first = await lab.run(night)
    emulator.mishaps.append(Mishap("403", entity="users"))
    second = await lab.run(night)

    assert [exit_code(ran.report, dry_run=False) for ran in (first, second)] == [0, 3]
    assert (first.report.verdict, second.report.verdict, lab.manifest()["verdict"]) == (
        "complete",
        "partial",
        "partial",
    )
    assert skips(first, "prod")[0].startswith("skipped, forbidden: ")
    assert [n.text for n in second.of(Notice) if "--skip" in n.text and str(n.lane) == "prod/users"]
    assert lab.ids("users") == sorted(emulator.fleets["users"].ids())


async def test_a_type_that_only_ever_was_empty_is_no_loss_when_it_is_forbidden(lab: Lab, start: Start) -> None:
    """Its file held columns alone; a run of other types leaves that file, and it passes verification."""
    emulator = await start(sizes={"devices": 3, "users": 0})
    night = lab.settings(lab.instance(emulator), types=FEW, fresh=True)
    await lab.run(night)
    await lab.run(lab.settings(lab.instance(emulator), types=FEW, entities=("devices",), fresh=True))
    kept, lake = lab.lane("users")["files"], FolderLake(lab.lake)
    faults = verify(lake, find_run(lake, "latest")).faults
    emulator.mishaps.append(Mishap("403", entity="users"))
    ran = await lab.run(night)

    assert [file["rows"] for file in kept] == [0]
    assert faults == ()
    assert ran.report.verdict == "complete"
    assert lab.lane("users")["files"] == kept


async def test_a_missing_day_of_history_is_no_excuse(lab: Lab, start: Start) -> None:
    """It was asked for, and the lake is without it."""
    emulator = await start("v1", {"devices": 3, "users": 3})
    ran = await lab.run(lab.settings(lab.instance(emulator), types=FEW, as_of="2020-01-01"))

    assert [outcome.excused for outcome in ran.report.outcomes] == [False, False]


async def test_types_to_skip_are_not_asked_for_and_stay_as_they_were(lab: Lab, start: Start) -> None:
    """Of everything that is offered, and of what is named; a mistyped one is refused with its nearest."""
    emulator = await start(sizes={"devices": 3, "users": 3, "software": 3})
    place = lab.instance(emulator)
    await lab.run(lab.settings(place, types=FEW))
    written, asked = lab.lane("users")["files"], len(emulator.log)
    ran = await lab.run(lab.settings(place, types=FEW, skip=("users",)))

    assert ran.verdicts() == {"prod/devices": "complete", "prod/software": "complete"}
    assert not [seen.path for seen in emulator.log[asked:] if "users" in seen.path]
    assert lab.lane("users")["files"] == written
    with pytest.raises(ConfigError, match=r"'user'; did you mean 'users'\?"):
        await lab.run(lab.settings(place, types=FEW, skip=("user",)))
    named = await lab.run(lab.settings(place, types=FEW, entities=("users", "devices"), skip=("users",)))
    assert named.verdicts() == {"prod/devices": "complete"}


@pytest.mark.parametrize("status", [402, 400])
async def test_a_listed_type_without_a_licence_is_skipped(lab: Lab, start: Start, status: int) -> None:
    """By the server's words; a night is complete without it. A query that somebody wrote may be what is refused."""
    refusal = Mishap(str(status), entity="software", description="This module needs a license")
    emulator = await start(sizes={"devices": 3, "software": 3}, mishaps=[refusal])
    ran = await lab.run(lab.settings(lab.instance(emulator), types=FEW))
    asked = {**FEW, "software": EntitySettings(query='("specific_data.data.name" == "license")')}
    other = await lab.run(lab.settings(lab.instance(emulator), types=asked, fresh=True))

    assert ran.verdicts() == {"prod/devices": "complete", "prod/software": "skipped"}
    assert exit_code(ran.report, dry_run=False) == 0
    assert "This module needs a license" in skips(ran, "prod")[0]
    assert other.verdicts()["prod/software"] == "failed"
