"""A product that is upgraded while it is read: web pages in place of JSON cost their time, and nothing else."""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable

import pytest

import axsync
from axsync.console.check import check_exit_code
from axsync.console.explain import LATER, explain
from axsync.emulator import Emulator, Mishap
from axsync.errors import Unreachable, WebPage
from axsync.events import Event, Retried
from axsync.pacing.retry import Jitter
from axsync.runs.check import check
from axsync.settings import EntitySettings, InstanceSettings
from tests.flow.canned import answer, canned
from tests.flow.harness import Lab, attributes, pages
from tests.flow.maintenance import Front, maintenance

Start = Callable[..., Awaitable[Emulator]]

SIZES = {"devices": 3000, "users": 600, "vulnerabilities": 400, "software": 500, "networks": 120}
NEVER = 1_000_000
FEW = {"default": EntitySettings(fields=("name",))}


def drawn(seed: int, *, share: float = 1.0) -> Jitter:
    """Full jitter from dice with a seed; `share` makes all waits as much shorter."""
    dice = random.Random(seed)
    return lambda low, high: dice.uniform(low, high) * share


async def copied(
    lab: Lab, emulator: Emulator, *, after: int, seconds: float, jitter: Jitter, **settings: float
) -> tuple[axsync.Report, Front]:
    """A run with default limits through a front, behind which the product is away for so long."""
    keys = lab.keys("prod", emulator.api_key, emulator.api_secret)
    async with maintenance(emulator.url, after=after, seconds=seconds) as front:
        place = InstanceSettings("prod", front.url, keys, **settings)  # type: ignore[arg-type]
        report = await axsync.sync(lab.settings(place, types=FEW, fresh=True), jitter=jitter)
    return report, front


@pytest.mark.alone
async def test_an_upgrade_costs_no_type_and_few_requests(lab: Lab, start: Start) -> None:
    """Wherever it begins, at the very start too: 2.5 s of pages with 200 and 503, all waits a tenth as long."""
    emulator = await start(sizes=SIZES)
    hurry = {"requests_per_second": 100.0, "page_size": 400}  # enough requests for a share of them to say something
    calm, before = await copied(lab, emulator, after=NEVER, seconds=0, jitter=drawn(1, share=0.1), **hurry)
    assert (calm.verdict, before.away) == ("complete", 0)

    async def upgraded(after: int) -> None:
        own = Lab(lab.folder / str(after))
        own.folder.mkdir()
        report, front = await copied(own, emulator, after=after, seconds=2.5, jitter=drawn(2, share=0.1), **hurry)

        assert report.verdict == "complete", after
        assert front.away > 4, after
        assert len(front.asked) <= 1.5 * len(before.asked), after
        assert {name: own.ids(name) for name in SIZES} == {e: sorted(emulator.fleets[e].ids()) for e in SIZES}, after

    await asyncio.gather(*map(upgraded, (0, 3, 12, 16)))


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("after", [0, 12])
async def test_half_a_minute_of_upgrade_costs_no_type_and_few_requests(lab: Lab, start: Start, after: int) -> None:
    """25 seconds by the clock, with default settings."""
    emulator = await start(sizes=SIZES)
    _, before = await copied(lab, emulator, after=NEVER, seconds=0, jitter=drawn(1))
    report, front = await copied(lab, emulator, after=after, seconds=25, jitter=drawn(2))

    assert report.verdict == "complete"
    assert report.seconds < 100
    assert len(front.asked) <= 1.5 * len(before.asked)
    assert {entity: lab.ids(entity) for entity in SIZES} == {e: sorted(emulator.fleets[e].ids()) for e in SIZES}


@pytest.mark.parametrize("profile", ["p90", "v1"])
@pytest.mark.parametrize("on", ["about", "discovery", "fields", "count", "page"])
async def test_every_answer_may_be_a_web_page_for_a_while(lab: Lab, start: Start, profile: str, on: str) -> None:
    """Four in a row, one more than an answer that is merely wrong may have, wherever it happens."""
    emulator = await start(profile, mishaps=[Mishap("login-page", on=on, times=4)])
    ran = await lab.run(lab.settings(lab.instance(emulator, api="v1" if profile == "v1" else "v2"), types=FEW))

    assert ran.report.verdict == "complete"
    assert len([event for event in ran.of(Retried) if "web page" in event.reason]) == 4
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


async def test_the_list_of_types_may_be_a_web_page_for_a_while(lab: Lab, start: Start) -> None:
    """It is waited for: without it a run would try dozens of types that are not there."""
    emulator = await start(mishaps=[Mishap("login-page", on="types", times=4)])
    ran = await lab.run(lab.settings(lab.instance(emulator), types=FEW))

    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "complete"}


async def test_web_pages_make_no_smaller_pages(lab: Lab, start: Start) -> None:
    """They say nothing about how much was asked for: the page that met three of them is asked as it was."""
    emulator = await start(mishaps=[Mishap("login-page", entity="devices", page=2, times=3)])
    ran = await lab.run(lab.settings(lab.instance(emulator), types=FEW))

    assert (ran.report.verdict, ran.outcome("devices").retries) == ("complete", 3)
    assert {attributes(seen)["page"]["limit"] for seen in pages(emulator.log, "devices")} == {20}


@pytest.mark.alone
async def test_a_host_of_web_pages_is_looked_after_by_one_request_at_a_time(lab: Lab, start: Start) -> None:
    """As one that answers 503: a page with status 200 is not taken for a sign that all is well."""
    sizes = {"devices": 400, "users": 400, "groups": 400}
    emulator = await start(sizes=sizes, latency_ms=20.0, mishaps=[Mishap("login-page", after=30, times=10)])
    ran = await lab.run(lab.settings(lab.instance(emulator, in_flight=2), types=FEW))

    looks = [event for event in ran.of(Retried) if event.lane is None]
    assert ran.report.verdict == "complete"
    assert 1 <= len(looks) <= 5


async def test_a_host_that_stays_a_web_page_is_told_as_such(lab: Lab, start: Start) -> None:
    """After all looks: the lanes failed, the sentence names what was met, and it may pass."""
    emulator = await start(sizes={"devices": 400, "users": 400}, mishaps=[Mishap("login-page", after=20)])
    ran = await lab.run(lab.settings(lab.instance(emulator), types=FEW))

    assert set(ran.verdicts().values()) == {"failed"}
    assert {type(error).__mro__.count(WebPage) for error in ran.report.errors} == {1}
    assert all(
        "(instance prod) answered with a web page (login or maintenance page) instead of JSON" in str(error)
        for error in ran.report.errors
    )
    assert {explain(error).exit_code for error in ran.report.errors} == {LATER}


@pytest.mark.parametrize(("kind", "told"), [("login-page", WebPage), ("503", Unreachable)])
async def test_before_the_first_answer_tries_last_as_long_as_they_may(
    lab: Lab, start: Start, kind: str, told: type[Exception]
) -> None:
    """Dice that fall low use up six tries in a moment; where somebody answers, the request is asked on."""
    emulator = await start(mishaps=[Mishap(kind, on="about", times=9)])
    ran = await lab.run(lab.settings(lab.instance(emulator), types=FEW))
    assert (ran.report.verdict, len(ran.of(Retried))) == ("complete", 9)

    emulator = await start(mishaps=[Mishap(kind, on="about")])
    with pytest.raises(told):
        await lab.run(lab.settings(lab.instance(emulator, tries=3), types=FEW, fresh=True))
    assert len(emulator.log) == 3


async def test_a_refused_connection_is_told_as_soon_as_ever(lab: Lab, start: Start) -> None:
    """Six tries with growing waits, and no more: nobody answers who could be waited for."""
    waits: list[tuple[float, float]] = []
    told: list[Event] = []

    def shortest(low: float, high: float) -> float:
        waits.append((low, high))
        return low

    with socket.socket() as taken:  # nobody else gets its port, and nobody listens there
        taken.bind(("127.0.0.1", 0))
        place = lab.instance(await start(), url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(Unreachable, match="no connection"):
            await axsync.sync(lab.settings(place), observers=[told.append], jitter=shortest)

    assert len([event for event in told if isinstance(event, Retried)]) == 5
    assert waits[:5] == [(0.0, 1.0), (0.0, 2.0), (0.0, 4.0), (0.0, 8.0), (0.0, 16.0)]


async def test_check_tells_of_a_web_page(lab: Lab, start: Start) -> None:
    """Its title, that it may pass, and what to look at if it does not: exit code 75."""
    page = b"<html><head><title>Sign in to  Example</title></head></html>"
    async with canned(answer(page, "Content-Type: text/html")) as server:
        [found] = await check(lab.settings(lab.instance(await start(), url=server.url, tries=2)))

    step = next(step for step in found.steps if step.name == "API")
    assert (step.ok, check_exit_code([found]), found.accepted) == (False, LATER, False)
    assert "answered with a web page (login or maintenance page) instead of JSON (Sign in to Example)" in step.text
    assert "check that `url`" in step.advice


@pytest.mark.parametrize("status", ["200 OK", "500 Oops", "400 Bad"])
@pytest.mark.parametrize("before", [195, 485, 495, 499])
async def test_a_key_that_the_end_of_the_words_would_cut_is_not_told_in_part(
    lab: Lab, start: Start, before: int, status: str
) -> None:
    """What is secret goes before the words are cut, whatever the status, in pages with a title and without."""
    emulator = await start(api_key="the-canary-key", api_secret="the-canary-secret")
    for form in (b"<html>%s</html>", b"<html><title>%s</title></html>", b'{"error": "%s"}'):
        body = form % (b"x" * before + b"the-canary-key and more")
        async with canned(answer(body, status=status)) as server:
            [found] = await check(lab.settings(lab.instance(emulator, url=server.url, tries=1, api="v2")))

        assert "xxx" in repr(found)
        assert "xthe" not in repr(found)
