"""How many requests a run sends, and which of them wait for each other."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from axsync.api import envelope
from axsync.convert import Converted
from axsync.emulator import Emulator, Mishap, Seen
from axsync.events import Event, PageRead
from axsync.model import ID_FIELD, Page
from axsync.pacing import page_size
from axsync.runs.lane_writer import LaneWriter
from axsync.settings import EntitySettings
from tests.flow.harness import Lab, attributes

Start = Callable[..., Awaitable[Emulator]]
FEW = {"default": EntitySettings(fields=("name",))}
TYPES = ("devices", "users", "groups", "software", "networks")
START = 4
"""Version, discovery cycle, entity types, one row."""


def kinds(log: Sequence[Seen], entity: str) -> Counter[str]:
    """What was asked about one type; pages by their limit, so that a listing stands apart."""
    asked = [seen for seen in log if f"/{entity}" in seen.path]
    last = [seen.path.rpartition("/")[2] for seen in asked]
    return Counter(
        str(attributes(seen)["page"]["limit"]) if name == entity else name
        for seen, name in zip(asked, last, strict=True)
    )


async def test_a_type_of_one_page_takes_two_requests(lab: Lab, start: Start) -> None:
    """Its fields and its page; four more begin the run, whatever the number of types."""
    emulator = await start(sizes=dict.fromkeys(TYPES, 30))
    ran = await lab.run(lab.settings(lab.instance(emulator, page_size=50), types=FEW))

    assert set(ran.verdicts().values()) == {"complete"}
    assert len(emulator.log) == START + 2 * len(TYPES)
    assert kinds(emulator.log, "users") == {"fields": 1, "50": 1}


async def test_a_type_that_just_fills_a_page_takes_three(lab: Lab, start: Start) -> None:
    """An empty page shows that this is the end; what one answer holds is of one moment all the same."""
    emulator = await start(sizes={"users": 50})
    ran = await lab.run(lab.settings(lab.instance(emulator, page_size=50), types=FEW))

    assert ran.verdicts() == {"prod/users": "complete"}
    assert kinds(emulator.log, "users") == {"fields": 1, "50": 2}


async def test_the_end_is_confirmed_beside_the_last_pages(lab: Lab, start: Start) -> None:
    """The total says that the last page will be full, so that nothing has to wait for it."""
    emulator = await start(sizes={"devices": 5, "users": 300}, latency_ms=50.0)
    await lab.run(lab.settings(lab.instance(emulator, page_size=100), types=FEW))

    *walk, tail = sorted(windows(emulator.log, 100), key=lambda seen: int(attributes(seen)["page"]["offset"]))
    assert len(walk) == 3
    assert tail.started < max(seen.finished for seen in walk)


async def test_a_larger_type_takes_its_pages_a_listing_and_three_requests(lab: Lab, start: Start) -> None:
    """Fields, one count, one look at the discovery cycle."""
    emulator = await start(sizes={"users": 930})
    ran = await lab.run(lab.settings(lab.instance(emulator, page_size=100), types=FEW))

    assert ran.verdicts() == {"prod/users": "complete"}
    assert kinds(emulator.log, "users") == {"fields": 1, "100": 10, "count": 1, "1889": 1}
    assert len(emulator.log) == START + 1 + 10 + 1 + 2
    lane = lab.lane("users")
    assert (lane["count_before"], lane["count_after"], lane["requests"]) == (930, 930, 10 + 1 + 3)


async def test_without_totals_a_count_is_asked_before_and_after(lab: Lab, start: Start) -> None:
    """Where a server's pages tell nothing of their number."""
    emulator = await start(sizes={"users": 930}, mishaps=[Mishap("empty-meta")])
    ran = await lab.run(lab.settings(lab.instance(emulator, page_size=100), types=FEW))

    assert ran.verdicts() == {"prod/users": "complete"}
    assert kinds(emulator.log, "users")["count"] == 2


def windows(log: Sequence[Seen], limit: int) -> list[Seen]:
    """The requests for pages of this size."""
    pages = [seen for seen in log if seen.path.endswith("/users") and "page" in attributes(seen)]
    return [seen for seen in pages if attributes(seen)["page"]["limit"] == limit]


def under_way(log: Sequence[Seen]) -> int:
    """How many pages were under way before the first of them was answered."""
    pages = windows(log, 100)
    return sum(seen.started < pages[0].finished for seen in pages)


@pytest.mark.parametrize("profile", ["p90", "v1"])
async def test_the_second_run_asks_for_all_pages_at_once(lab: Lab, start: Start, profile: str) -> None:
    """It knows from the first how many to expect; what the first answer tells goes before that."""
    emulator = await start(profile, sizes={"devices": 5, "users": 600}, latency_ms=50.0)
    settings = lab.settings(lab.instance(emulator, page_size=100), types=FEW, fresh=True)
    await lab.run(settings)
    first = len(emulator.log)
    ran = await lab.run(settings)

    assert set(ran.verdicts().values()) == {"complete"}
    alone, beside = under_way(emulator.log[:first]), under_way(emulator.log[first:])
    assert alone == 1
    assert beside > 1


async def test_a_listing_starts_with_all_its_windows(lab: Lab, start: Start) -> None:
    """The number of rows is known by then, and the count is asked beside them."""
    emulator = await start(sizes={"users": 4_000}, latency_ms=50.0)
    await lab.run(lab.settings(lab.instance(emulator, page_size=2000), types=FEW))

    listing = windows(emulator.log, 1889)
    ended = min(seen.finished for seen in listing)
    assert sum(seen.started < ended for seen in listing) == 3


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Callable[[Emulator, int], None]:
    """The page at this offset is stored when a listing has begun; where none begins, after a second."""
    store: Callable[..., Converted] = LaneWriter._write

    def hold(emulator: Emulator, offset: int) -> None:
        def slowly(writer: LaneWriter, *rest: Any) -> Converted:
            held = any(isinstance(one, Page) and one.window.offset == offset for one in rest)
            until = time.monotonic() + held
            while time.monotonic() < until and not windows(emulator.log, 1889):
                time.sleep(0.005)
            return store(writer, *rest)

        monkeypatch.setattr(envelope, "SMALL_PAGE", 0)  # rows are counted when a page is stored
        monkeypatch.setattr(LaneWriter, "_write", slowly)

    return hold


async def test_a_listing_begins_while_the_last_pages_are_stored(
    lab: Lab, start: Start, slow: Callable[[Emulator, int], None]
) -> None:
    """But not before each page is answered."""
    emulator, stored = await start(sizes={"users": 250}), list[float]()
    slow(emulator, 200)

    def note(event: Event) -> None:
        if isinstance(event, PageRead):
            stored.append(time.monotonic())

    ran = await lab.run(lab.settings(lab.instance(emulator, page_size=100), types=FEW), note)

    assert ran.verdicts() == {"prod/users": "complete"}
    (listing,) = windows(emulator.log, 1889)
    assert max(seen.finished for seen in windows(emulator.log, 100)) <= listing.started < stored[-1]


async def test_a_listing_that_began_too_early_is_made_anew(
    lab: Lab, start: Start, slow: Callable[[Emulator, int], None]
) -> None:
    """A page comes short, which shows only when it is stored: what is read then is not proven yet."""
    short = Mishap("short-page", page=lambda page: page.offset == 100 and page.limit == 100, times=1)
    emulator = await start(sizes={"users": 250}, mishaps=[short])
    slow(emulator, 100)
    ran = await lab.run(lab.settings(lab.instance(emulator, page_size=100), types=FEW))

    assert ran.verdicts() == {"prod/users": "complete"}
    first, last = windows(emulator.log, 1889)
    (rest,) = windows(emulator.log, 50)
    assert first.started < rest.started < rest.finished <= last.started


async def test_a_listing_that_fails_costs_no_page(lab: Lab, start: Start) -> None:
    """What was stored meanwhile is durable; the next run asks for the listing alone."""
    emulator = await start(sizes={"users": 250})
    emulator.mishaps.append(Mishap("500", on="page", page=lambda page: page.layout.fields == (ID_FIELD,)))
    settings = lab.settings(lab.instance(emulator, page_size=100, tries=1), types=FEW)
    assert (await lab.run(settings)).verdicts() == {"prod/users": "failed"}

    emulator.mishaps.clear()
    before = len(emulator.log)
    assert (await lab.run(settings)).verdicts() == {"prod/users": "complete"}
    assert windows(emulator.log[before:], 100) == []
    assert len(windows(emulator.log[before:], 1889)) == 1


@pytest.mark.parametrize(("per_second", "is_paced"), [(20.0, True), (5000.0, False)])
async def test_where_the_pace_is_what_a_run_waits_for_pages_are_large(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch, per_second: float, *, is_paced: bool
) -> None:
    """Four in flight and twenty in a second leave 0.2 s for a request; without that pages have their usual size."""
    monkeypatch.setattr(page_size, "USUAL_BYTES", 8 << 10)
    monkeypatch.setattr(page_size, "QUICK_SECONDS", 10.0)
    emulator = await start(sizes={"devices": 3_000})
    instance = lab.instance(emulator, page_size=2_000, in_flight=4, requests_per_second=per_second)
    ran = await lab.run(lab.settings(instance, types=FEW))

    assert ran.outcome("devices").verdict == "complete"
    assert (ran.outcome("devices").pages < 12) is is_paced
