"""Answers that are late, wrong, cut, too big, refused or sent elsewhere."""

import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import axsync
from axsync.client import transport
from axsync.console.explain import explain
from axsync.emulator import Emulator, Mishap
from axsync.errors import BadAnswer, Redirected, Refused, Unreachable, WebPage
from axsync.events import Answered, Notice, PageRead, Retried
from tests.flow.harness import Lab, pages
from tests.flow.relay import listener, relay

Start = Callable[..., Awaitable[Emulator]]

PASSING = {
    **{f"{status} as JSON": Mishap(status) for status in ("429", "500", "502", "503", "504")},
    **{f"{status} as HTML": Mishap(status, html=True) for status in ("429", "500", "502", "503", "504")},
    "reset before the headers": Mishap("reset"),
    "reset within the body": Mishap("reset-body"),
    "length of what was cut": Mishap("truncate", length="right"),
    "length of the whole": Mishap("truncate", length="wrong"),
    "last chunk missing": Mishap("truncate", length="chunked"),
    "cut by the end of the connection": Mishap("truncate", length="none"),
    "cut within the meta": Mishap("truncate", length="right", share=0.999),
    "login page": Mishap("login-page"),
    "error told with 200": Mishap("error-200"),
    "status told with 200": Mishap("error-200", shape="status"),
    "empty body": Mishap("empty-body"),
    "no content": Mishap("no-content"),
    "null": Mishap("null-body"),
    "a bare list": Mishap("other-body", body="[]"),
    "an empty object": Mishap("other-body", body="{}"),
    "gzip that is none": Mishap("gzip-lie"),
}
"""What goes by when it is asked again."""

TWINS = ("429 as HTML", "500 as HTML", "503 as HTML", "504 as HTML", "500 as JSON", "502 as JSON", "504 as JSON")
"""So like another one that `make test` does without them."""

HARMLESS = {
    "byte order mark": Mishap("bom"),
    "another content type": Mishap("content-type"),
    "rows in another order": Mishap("shuffle"),
}


def copy_of(mishap: Mishap, **scope: object) -> Mishap:
    return Mishap(mishap.kind, **{"probability": mishap.probability} | scope | mishap.details)  # type: ignore[arg-type]


@pytest.mark.fault(11, 13, 15, 18, 21)
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in TWINS else ()) for n in PASSING])
async def test_what_passes_is_asked_again(lab: Lab, start: Start, name: str) -> None:
    """Twice in a row, on a page in the middle: the run is complete and says how often it asked again."""
    emulator = await start(mishaps=[copy_of(PASSING[name], entity="devices", page=3, times=2)])
    ran = await lab.run(lab.settings(lab.instance(emulator)))

    assert ran.report.verdict == "complete"
    assert (ran.outcome("devices").retries, ran.outcome("devices").duplicates) == (2, 0)
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


@pytest.mark.parametrize("on", ["about", "discovery", "types", "fields", "count", "page"])
async def test_every_kind_of_request_is_asked_again(lab: Lab, start: Start, on: str) -> None:
    """A hiccup of the server costs a moment, wherever it happens."""
    emulator = await start(mishaps=[Mishap("503", on=on, times=2)])
    ran = await lab.run(lab.settings(lab.instance(emulator)))

    assert ran.report.verdict == "complete"
    assert len(ran.of(Retried)) == 2


async def test_each_request_is_told_with_the_pace_it_had(lab: Lab, start: Start) -> None:
    """Every answer, a 429 and one that did not come among them; never more at once than is allowed."""
    mishaps = [Mishap("429", on="page", page=2, times=1), Mishap("reset", on="page", page=3, times=1)]
    emulator = await start(mishaps=mishaps)
    ran = await lab.run(lab.settings(lab.instance(emulator, in_flight=3)))
    told = ran.of(Answered)

    assert len(told) == len(emulator.log)
    assert {event.status for event in told} == {200, 429, None}
    assert {str(event.lane) for event in told} == {"None", "prod/devices", "prod/users"}
    assert all(1 <= event.in_flight <= 3 and 1 <= event.limit <= 3 and event.rate > 0 for event in told)


@pytest.mark.fault(18)
@pytest.mark.parametrize("profile", ["p6164", "p90", "v1"])
async def test_a_server_that_often_fails_is_copied_whole(lab: Lab, start: Start, profile: str) -> None:
    """One answer in ten is an error of some kind; every id arrives once."""
    kinds = ("500", "502", "503", "504", "reset", "reset-body")
    emulator = await start(
        profile, {"devices": 400, "users": 200}, mishaps=[Mishap(kind, probability=0.02) for kind in kinds]
    )
    ran = await lab.run(lab.settings(lab.instance(emulator), entities=("devices", "users")))

    assert ran.report.verdict == "complete"
    assert len(ran.of(Retried)) > 0
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


@pytest.mark.parametrize("name", HARMLESS)
async def test_what_does_not_matter_is_not_asked_again(lab: Lab, start: Start, name: str) -> None:
    """Oddities that change nothing in the rows."""
    emulator = await start(mishaps=[copy_of(HARMLESS[name], on="page")])
    ran = await lab.run(lab.settings(lab.instance(emulator)))

    assert (ran.report.verdict, ran.outcome("devices").retries) == ("complete", 0)
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


@pytest.mark.fault(14)
async def test_a_connection_that_closes_between_two_requests_costs_nothing(lab: Lab, start: Start) -> None:
    """A server may close what it kept open, at the very moment when it is asked again."""
    emulator = await start(mishaps=[Mishap("close-after", probability=0.5)])
    ran = await lab.run(lab.settings(lab.instance(emulator)))

    assert ran.report.verdict == "complete"
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


@pytest.mark.fault(18)
@pytest.mark.parametrize(
    ("kind", "tries", "sent", "error"),
    [
        ("429", 4, 4, Unreachable),
        ("reset", 4, 4, Unreachable),
        ("login-page", 4, 4, WebPage),
        ("error-200", 6, 3, BadAnswer),
    ],
)
async def test_after_all_tries_a_lane_fails_alone(
    lab: Lab, start: Start, kind: str, tries: int, sent: int, error: type[Exception]
) -> None:
    """The other types are published; the run is partial and the error names its lane."""
    emulator = await start(mishaps=[Mishap(kind, entity="users", page=2)])
    ran = await lab.run(lab.settings(lab.instance(emulator, tries=tries)))

    second = [seen for seen in pages(emulator.log, "users") if "'offset': 20" in str(seen.body)]
    assert (len(second), ran.report.verdict) == (sent, "partial")
    assert [(type(e).__mro__.count(error), e.__notes__) for e in ran.report.errors] == [(1, ["prod/users"])]
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert lab.ids("users") == []


async def test_waits_grow_with_each_try(lab: Lab, start: Start) -> None:
    """Full jitter: the bounds double from try to try."""
    emulator = await start(mishaps=[Mishap("503", on="about", times=5)])
    bounds: list[tuple[float, float]] = []

    def shortest(low: float, high: float) -> float:
        bounds.append((low, high))
        return low

    await axsync.sync(lab.settings(lab.instance(emulator)), jitter=shortest)

    assert bounds == [(0.0, 1.0), (0.0, 2.0), (0.0, 4.0), (0.0, 8.0), (0.0, 16.0)]


async def test_both_headers_go_with_every_request_and_nothing_else_secret(lab: Lab, start: Start) -> None:
    """Key and secret are in their two headers, once per request, and nowhere else on the wire."""
    emulator = await start(api_key="the-canary-key", api_secret="the-canary-secret")
    async with relay(emulator.url) as seen:
        await lab.run(lab.settings(lab.instance(emulator, url=seen.url)))

    heads, wire = seen.heads(), b"".join(seen.sent)
    assert len(heads) == len(emulator.log)
    assert {(head["api-key"], head["api-secret"]) for head in heads} == {("the-canary-key", "the-canary-secret")}
    assert (wire.count(b"canary-key"), wire.count(b"canary-secret")) == (len(heads), len(heads))


async def test_requests_say_what_they_are(lab: Lab, start: Start) -> None:
    """JSON is sent and wanted, gzip is taken, the client gives its name, and no cookie is kept."""
    emulator = await start()
    async with relay(emulator.url) as seen:
        await lab.run(lab.settings(lab.instance(emulator, url=seen.url)))

    heads = seen.heads()
    assert all(head["user-agent"].startswith("axsync/") for head in heads)
    assert {(head["content-type"], head["accept"], head["accept-encoding"]) for head in heads} == {
        ("application/json", "application/json", "gzip")
    }
    assert not any("cookie" in head or "authorization" in head for head in heads)


async def test_nothing_is_ever_written_to_the_server(lab: Lab, start: Start) -> None:
    """Only reads are asked, in every profile."""
    for profile in ("p6164", "p70", "p90", "v1"):
        emulator = await start(profile)
        await lab.run(lab.settings(lab.instance(emulator)))

        assert emulator.violations == []


@pytest.mark.fault(20)
@pytest.mark.parametrize("status", [302, 307, *(pytest.param(n, marks=pytest.mark.slow) for n in (301, 303, 308))])
async def test_a_redirect_is_refused(lab: Lab, start: Start, status: int) -> None:
    """The other place is never called, the keys stay; the lane fails at once and names that place."""
    async with listener() as other:
        elsewhere = Mishap("redirect", entity="users", on="page", status=status, location=f"{other.url}/steal")
        emulator = await start(mishaps=[elsewhere])
        ran = await lab.run(lab.settings(lab.instance(emulator)))

    assert (other.connections, len(pages(emulator.log, "users"))) == (0, 1)
    assert other.url.removeprefix("http://") in str(ran.report.errors[0])
    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "failed"}


@pytest.mark.fault(20)
async def test_a_host_that_only_redirects_is_refused(lab: Lab, start: Start) -> None:
    """A login portal in the way: an error before anything is written."""
    async with listener() as other:
        emulator = await start(mishaps=[Mishap("redirect", location=other.url)])
        with pytest.raises(Redirected, match=other.url.removeprefix("http://")):
            await lab.run(lab.settings(lab.instance(emulator)))

    assert (other.connections, lab.lake.exists()) == (0, False)


@pytest.mark.fault(19)
async def test_401_stops_the_instance(lab: Lab, start: Start) -> None:
    """A key that is taken away in the middle: nothing more is asked but what was on its way."""
    emulator = await start(sizes={"devices": 400, "users": 400}, mishaps=[Mishap("401", on="page", after=6)])
    ran = await lab.run(lab.settings(lab.instance(emulator, in_flight=4)))

    first = next(place for place, seen in enumerate(emulator.log) if seen.status == 401)
    assert len(emulator.log[first:]) <= 2 * 4
    assert all(isinstance(error, Refused) for error in ran.report.errors)
    assert ran.verdicts() == {"prod/devices": "failed", "prod/users": "failed"}


@pytest.mark.fault(19)
@pytest.mark.parametrize("on", ["discovery", "types", "fields", "count", "page"])
async def test_a_401_among_good_answers_is_asked_once_more(lab: Lab, start: Start, on: str) -> None:
    """It does not end the reading of the instance, whatever it was the answer to."""
    mishap = Mishap("401", on=on, times=1, after=1 if on == "page" else 0)
    emulator = await start(sizes={"devices": 400, "users": 400}, mishaps=[mishap])
    ran = await lab.run(lab.settings(lab.instance(emulator, in_flight=4)))

    assert [seen.status for seen in emulator.log].count(401) == 1
    assert (ran.report.verdict, ran.report.errors) == ("complete", ())
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


@pytest.mark.fault(19)
async def test_nothing_else_is_sent_while_a_refusal_is_looked_into(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But what was on its way; a credential that was taken away is not tried by every lane."""
    monkeypatch.setattr(transport, "DOUBT_SECONDS", 0.3)
    emulator = await start(sizes={"devices": 400, "users": 400}, mishaps=[Mishap("401", on="page", after=6, times=1)])
    ran = await lab.run(lab.settings(lab.instance(emulator, in_flight=4)))

    first = next(place for place, seen in enumerate(emulator.log) if seen.status == 401)
    again = next(p for p, s in enumerate(emulator.log) if p > first and s.body == emulator.log[first].body)
    assert (ran.report.verdict, again - first <= 2 * 4) == ("complete", True)


@pytest.mark.fault(19)
async def test_the_other_instance_goes_on_after_a_401(lab: Lab, start: Start) -> None:
    """One refused credential is the end of one instance."""
    broken, sound = await start(mishaps=[Mishap("401", on="page", after=3)]), await start(seed=3)
    ran = await lab.run(lab.settings(lab.instance(broken, "broken"), lab.instance(sound, "sound")))

    assert (ran.outcome("devices", "sound").verdict, ran.report.verdict) == ("complete", "partial")
    assert lab.ids("devices", "sound") == sorted(sound.fleets["devices"].ids())


@pytest.mark.fault(19)
async def test_a_wrong_key_is_told_after_one_request(lab: Lab, start: Start) -> None:
    """No key is tried twice; nothing is written."""
    emulator = await start()
    wrong = lab.keys("wrong", "not-the-key", "not-the-secret")
    with pytest.raises(Refused, match="does not accept the credential"):
        await lab.run(lab.settings(lab.instance(emulator, credential=wrong)))

    assert ([seen.status for seen in emulator.log], lab.lake.exists()) == ([401], False)


@pytest.mark.fault(19)
@pytest.mark.parametrize("status", ["403", "404"])
@pytest.mark.parametrize("on", [None, "page"])
async def test_a_type_that_may_not_be_read_is_skipped(lab: Lab, start: Start, status: str, on: str | None) -> None:
    """403 or 404 at the first page: a notice, the verdict skipped, the others published."""
    emulator = await start(mishaps=[Mishap(status, entity="users", on=on)])
    ran = await lab.run(lab.settings(lab.instance(emulator)))

    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "skipped"}
    assert [n.text[:7] for n in ran.of(Notice) if str(n.lane) == "prod/users"] == ["skipped"]
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert ran.report.errors == ()


async def test_a_type_that_is_refused_in_the_middle_is_not_skipped(lab: Lab, start: Start) -> None:
    """Rows were there: that is a failure and no matter of rights."""
    emulator = await start(mishaps=[Mishap("403", entity="users", page=3)])
    ran = await lab.run(lab.settings(lab.instance(emulator)))

    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "failed"}


@pytest.mark.fault(16)
async def test_a_page_of_too_many_bytes_stops_its_lane_only(lab: Lab, start: Start) -> None:
    """Decoded bytes are counted while they come, so a small bomb does not become a large one.

    No page is asked for twice as it was: smaller ones may do, and one row that is too large is an error that says what
    to set.
    """
    bomb = Mishap("zip-bomb", entity="users", on="page", size=50_000_000)
    emulator = await start(mishaps=[bomb])
    ran = await lab.run(lab.settings(lab.instance(emulator, max_page_bytes=1 << 20)))

    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "failed"}
    assert "more than 1048576 bytes" in str(ran.report.errors[0])
    assert "`max_page_bytes`" in explain(ran.report.errors[0]).advice
    asked = [seen.body["page"]["limit"] for seen in pages(emulator.log, "users") if seen.body]
    assert asked == sorted(set(asked), reverse=True)
    assert {one.status for one in ran.of(Answered)} == {200}  # none of them is a failure of the host


@pytest.mark.fault(16)
async def test_a_bomb_is_bounded_by_the_buffers(lab: Lab, start: Start) -> None:
    """Without a setting of its own: what cannot be divided may have as much as all buffers."""
    bomb = Mishap("zip-bomb", entity="users", on="page", size=50_000_000)
    emulator = await start(mishaps=[bomb])
    small = {"buffer_bytes": 1 << 18}
    ran = await lab.run(lab.settings(lab.instance(emulator, page_bytes=1 << 15), lake=small))

    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "failed"}
    assert f"more than {1 << 18} bytes" in str(ran.report.errors[0])


@pytest.mark.fault(5, 16)
async def test_pages_that_are_too_large_come_in_smaller_ones(lab: Lab, start: Start) -> None:
    """The server's rows are larger than expected: nothing is lost, and nobody has to set anything."""
    emulator = await start(sizes={"devices": 60})
    instance = lab.instance(emulator, page_size=60, page_bytes=8 << 10, in_flight=2)
    ran = await lab.run(lab.settings(instance, lake={"buffer_bytes": 32 << 10}))

    assert ran.report.verdict == "complete"
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert max(event.size for event in ran.of(PageRead)) <= 32 << 10


async def test_packed_answers_are_unpacked(lab: Lab, start: Start) -> None:
    """The server compresses; the same rows arrive."""
    emulator = await start(gzip=True)
    async with relay(emulator.url) as seen:
        ran = await lab.run(lab.settings(lab.instance(emulator, url=seen.url)))

    assert ran.report.verdict == "complete"
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


DEADLINES: dict[str, Any] = {"connect_seconds": 5.0, "read_seconds": 0.2, "page_seconds": 0.7, "tries": 2}


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    "mishap",
    [Mishap("hang"), Mishap("stall"), Mishap("slow-start", seconds=2.0), Mishap("drip", bytes=10, seconds=0.1)],
    ids=["no answer", "silence within the body", "late headers", "one byte after the other"],
)
async def test_a_deadline_ends_a_page_that_does_not_come(lab: Lab, start: Start, mishap: Mishap) -> None:
    """Neither silence nor a trickle holds a lane for ever; after the tries it fails alone."""
    emulator = await start(mishaps=[copy_of(mishap, entity="users", on="page")])
    ran = await lab.run(lab.settings(lab.instance(emulator, **DEADLINES)))

    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "failed"}
    assert "did not answer in time" in str(ran.report.errors[0])
    assert len(pages(emulator.log, "users")) == 2


async def test_a_page_that_was_late_once_gets_more_time(lab: Lab, start: Start) -> None:
    """The second try may take three times as long between two bytes."""
    emulator = await start(mishaps=[Mishap("slow-start", entity="users", page=2, seconds=0.4)])
    ran = await lab.run(lab.settings(lab.instance(emulator, **DEADLINES | {"page_seconds": 5.0})))

    assert (ran.report.verdict, ran.outcome("users").retries) == ("complete", 1)


@pytest.mark.fault(10)
async def test_a_host_that_is_down_is_unreachable(lab: Lab, start: Start) -> None:
    """All tries, then one error; nothing is written."""
    emulator = await start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match="no connection"):
        await lab.run(lab.settings(lab.instance(emulator, url=f"http://127.0.0.1:{port}", tries=3)))

    assert not lab.lake.exists()


@pytest.mark.fault(10)
async def test_a_host_that_is_down_does_not_stop_the_others(lab: Lab, start: Start) -> None:
    """Its types are listed as failed; the other instance is published."""
    emulator = await start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    down = lab.instance(emulator, "down", url=f"http://127.0.0.1:{port}", tries=2)
    ran = await lab.run(lab.settings(down, lab.instance(emulator, "up")))

    assert ran.verdicts() == {
        "down/devices": "failed",
        "down/users": "failed",
        "up/devices": "complete",
        "up/users": "complete",
    }


async def test_a_server_that_repeats_the_keys_does_not_spread_them(lab: Lab, start: Start) -> None:
    """Neither errors nor events nor any file of the lake hold them."""
    emulator = await start(
        api_key="the-canary-key",
        api_secret="the-canary-secret",
        mishaps=[Mishap("echo-key", entity="users", status=500), Mishap("echo-key", on="fields", status=400)],
    )
    ran = await lab.run(lab.settings(lab.instance(emulator, tries=2)))

    said = repr(ran) + repr([(e.args, vars(e)) for e in ran.report.errors])
    assert ran.outcome("users").verdict == "failed"
    assert "canary" not in said
    assert not any(b"canary" in content for content in lab.everything().values())


@pytest.mark.parametrize("on", ["page", "discovery"])
async def test_what_is_broken_for_one_question_does_not_stop_the_instance(lab: Lab, start: Start, on: str) -> None:
    """Devices cannot be read, or the discovery cycle cannot: the other types are copied all the same."""
    emulator = await start(mishaps=[Mishap("503", on=on, entity="devices" if on == "page" else None)])
    ran = await lab.run(lab.settings(lab.instance(emulator, tries=2)))

    assert ran.outcome("users").verdict == "complete"
    assert lab.ids("users") == sorted(emulator.fleets["users"].ids())
