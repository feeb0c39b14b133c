"""Rows 21 and 22 of the README here: answers that are no pages, types that are not there."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from axsync.emulator import Mishap
from axsync.settings import EntitySettings
from tests.faults.proof import NARROW, Tapped, assert_nothing_lost, code, told
from tests.flow.harness import Lab

Start = Callable[..., Awaitable[Tapped]]
Process = Callable[..., Awaitable[tuple[int, str]]]

WIDE = {"default": EntitySettings()}
NO_PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "login page": ("login-page", {}),
    "maintenance page": ("200", {"html": True}),
    "error": ("error-200", {}),
    "status error": ("error-200", {"shape": "status"}),
    "nothing": ("empty-body", {}),
    "null": ("null-body", {}),
    "no content": ("no-content", {}),
    "a list": ("other-body", {"body": "[]"}),
    "rows are null": ("other-body", {"body": '{"assets":null,"meta":{}}'}),
    "rows are an object": ("other-body", {"body": '{"assets":{},"meta":{}}'}),
    "only meta": ("other-body", {"body": '{"meta":{"page":{"totalResources":0}}}'}),
    "more behind it": ("other-body", {"body": '{"assets":[]} and more'}),
}


@pytest.mark.parametrize("answer", NO_PAGES)
async def test_fault_21_what_is_no_page_is_asked_again(lab: Lab, start: Start, answer: str) -> None:
    """Twice something else, then the page: nothing is missing, and the retries are counted."""
    kind, details = NO_PAGES[answer]
    emulator = await start(sizes={"devices": 90})
    emulator.mishaps.append(Mishap(kind, on="page", after=2, times=2, **details))
    ran = await lab.run(lab.settings(lab.instance(emulator), types={"default": NARROW}))

    assert told(ran) == ("complete", 0)
    assert ran.outcome("devices").retries == 2
    assert_nothing_lost(lab, emulator, "devices")


@pytest.mark.parametrize("answer", NO_PAGES)
async def test_fault_21_what_is_no_page_is_an_error_and_not_an_empty_type(lab: Lab, start: Start, answer: str) -> None:
    """The type failed, yesterday's files stand in for it, the other type is published, exit code 3."""
    kind, details = NO_PAGES[answer]
    emulator = await start()
    await lab.run(lab.settings(lab.instance(emulator), types={"default": NARROW}))
    first = lab.manifest()["run_id"]
    emulator.mishaps.append(Mishap(kind, on="page", entity="devices", after=1, **details))
    ran = await lab.run(lab.settings(lab.instance(emulator), types={"default": NARROW}, fresh=True))

    assert (ran.verdicts(), code(ran)) == ({"prod/devices": "failed", "prod/users": "complete"}, 3)
    assert (lab.lane("devices")["from_run"], lab.lane("devices")["rows"]) == (first, 0)
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert lab.ids("users") == sorted(emulator.fleets["users"].ids())


@pytest.mark.parametrize("profile", ["p70", "v1"])
async def test_fault_21_a_wrong_content_type_does_not_matter(lab: Lab, start: Start, profile: str) -> None:
    """What counts is the body."""
    emulator = await start(profile, {"devices": 90}, mishaps=(Mishap("content-type"),))
    ran = await lab.run(lab.settings(lab.instance(emulator), types={"default": NARROW}))

    assert (told(ran), ran.outcome("devices").retries) == (("complete", 0), 0)
    assert_nothing_lost(lab, emulator, "devices")


async def test_fault_21_a_login_page_everywhere_writes_nothing(lab: Lab, start: Start, process: Process) -> None:
    """The process says in words what it met and that it may pass, and there is no lake afterwards."""
    emulator = await start(mishaps=(Mishap("login-page"),))
    exit_code, said = await process(emulator)

    assert exit_code == 75
    assert "(instance prod) answered with a web page (login or maintenance page) instead of JSON" in said
    assert "check that `url`" in said
    assert not lab.lake.exists()


async def test_fault_22_an_unknown_type_is_skipped_with_a_notice(lab: Lab, start: Start, process: Process) -> None:
    """A type that is listed, answers 404 and never had rows: its verdict is skipped, the others are complete."""
    emulator = await start(mishaps=(Mishap("404", entity="users"),))
    exit_code, said = await process(emulator)

    assert (exit_code, lab.manifest()["verdict"]) == (0, "complete")
    assert (lab.lane("users")["verdict"], lab.lane("users")["files"]) == ("skipped", [])
    assert lab.lane("users")["reason"].startswith("not offered")
    assert "users: skipped, not offered" in said
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


async def test_fault_22_a_type_that_nobody_offers_is_a_usage_error(start: Start, process: Process, lab: Lab) -> None:
    """Asking by name for what is not there ends before anything is written."""
    exit_code, said = await process(await start(), "devcies")

    assert exit_code == 2
    assert "did you mean 'devices'?" in said
    assert not lab.lake.exists()
