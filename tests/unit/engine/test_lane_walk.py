import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axsync.engine.lane_walk import Budget, LaneWalk, Stored
from axsync.engine.paginators import OffsetPaginator, Paginator, TokenPaginator
from axsync.errors import LaneError, Unreachable
from axsync.model import Page, Window
from tests.examples import scaled


@dataclass(slots=True)
class Server:
    """A listing of `size` rows. `circle` serves the first page whatever is asked."""

    size: int
    large: bool = False  # rows are counted by the store only
    circle: bool = False
    most: int = 1 << 30  # rows of a page, whatever is asked
    budget: Budget = field(default_factory=lambda: Budget(1 << 30))
    pause: Callable[[], Awaitable[None]] = field(default=lambda: asyncio.sleep(0))
    store_pause: Callable[[], Awaitable[None]] = field(default=lambda: asyncio.sleep(0))
    asked: list[Window] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)
    flying: int = 0
    widest: int = 0
    held: int = 0  # pages that took of the budget and did not give back

    async def fetch(self, window: Window) -> Page:
        self.asked.append(window)
        self.happened.append(f"asked {window.number}")
        self.flying += 1
        self.widest = max(self.widest, self.flying)
        try:
            await self.pause()
        finally:
            self.flying -= 1
        start = int((window.token or "0").removeprefix("t")) if window.offset == 0 else window.offset
        start = 0 if self.circle else start
        stop = min(self.size, start + window.limit, start + self.most)
        rows = max(0, stop - start)
        token = f"t{stop}" if rows else None
        await self.budget.take(lambda: 10)
        self.held += 1
        body = ",".join(str(n) for n in range(start, stop)).encode()
        return Page(window, body, None if self.large and rows else rows, self.size, token)

    async def store(self, page: Page) -> Stored:
        await self.store_pause()
        self.happened.append(f"stored {page.window.number}")
        ids = [int(n) for n in page.body.split(b",") if n]
        self.stored += ids
        return Stored(len(ids), page.body)

    def release(self, page: Page) -> None:
        self.held -= 1
        self.budget.give(10)

    def lane(self, walk: Paginator, width: int) -> LaneWalk:
        """A walk over this server."""
        return LaneWalk(walk, self.fetch, self.store, self.release, width)


def others() -> set["asyncio.Task[object]"]:
    """Tasks that are alive beside this one."""
    return asyncio.all_tasks() - {asyncio.current_task()}


@given(
    st.integers(0, 80), st.integers(1, 9), st.integers(1, 6), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1)
)
@settings(max_examples=scaled(150))
def test_every_row_is_stored_once(  # each is a circumstance
    size: int, limit: int, width: int, by_token: bool, large: bool, seed: int
) -> None:
    """By offset or by token, in any order of answers and of storing, with a budget that is tight."""
    dice = Random(seed)

    async def some_time() -> None:
        for _ in range(dice.randrange(5)):
            await asyncio.sleep(0)

    async def story() -> tuple[Server, LaneWalk]:
        server = Server(size, large, budget=Budget(20), pause=some_time, store_pause=some_time)
        lane = server.lane(TokenPaginator(limit) if by_token else OffsetPaginator(limit), width)
        await asyncio.wait_for(lane.run(), 3)
        assert not others()
        return server, lane

    server, lane = asyncio.run(story())
    assert sorted(server.stored) == list(range(size))
    assert (lane.rows, lane.pages) == (size, len(server.asked))
    assert server.widest <= width
    assert server.held == 0


@pytest.mark.parametrize("walk", [OffsetPaginator(10), TokenPaginator(10)], ids=["offset", "token"])
async def test_the_next_request_leaves_before_the_page_is_stored(walk: Paginator) -> None:
    """Converting and writing are not in the way of asking."""
    gate = asyncio.Event()

    async def when_open() -> None:
        await gate.wait()

    server = Server(30, large=True, store_pause=when_open)
    task = asyncio.create_task(server.lane(walk, 1).run())
    for _ in range(50):
        await asyncio.sleep(0)

    assert "asked 1" in server.happened
    assert "stored 0" not in server.happened
    gate.set()
    await task


async def test_a_full_budget_stops_the_asking() -> None:
    """When pages wait to be written, no more are asked for than there is room."""
    gate = asyncio.Event()

    async def when_open() -> None:
        await gate.wait()

    server = Server(1000, budget=Budget(30), store_pause=when_open)
    task = asyncio.create_task(server.lane(OffsetPaginator(10), 4).run())
    for _ in range(200):
        await asyncio.sleep(0)

    assert server.held == 3
    assert len(server.asked) <= 3 + 4
    gate.set()
    await task
    assert len(server.stored) == 1000


async def test_a_server_that_goes_in_circles_is_left() -> None:
    """The same ids again and again are no listing."""
    server = Server(1000, circle=True)

    with pytest.raises(LaneError, match="repeats the same page: 3 of 4 pages were known"):
        await server.lane(OffsetPaginator(10), 1).run()

    assert server.held == 0
    assert not others()


async def test_a_page_that_comes_twice_is_no_circle() -> None:
    """Three known pages among many are the server's business."""
    server = Server(200)

    async def store(page: Page) -> Stored:
        stored = await server.store(page)
        return Stored(stored.rows, b"again") if page.window.number in {3, 5, 9, 12} else stored

    lane = LaneWalk(OffsetPaginator(10), server.fetch, store, server.release, 2)
    await lane.run()

    assert lane.rows == 200


async def test_a_strict_walk_takes_no_page_twice() -> None:
    """The first repetition ends it, at the latest one request later, whatever the total is."""
    server = Server(1000, circle=True)

    with pytest.raises(LaneError, match="repeats the same page: 1 of 2 pages were known"):
        await LaneWalk(OffsetPaginator(10), server.fetch, server.store, server.release, 1, strict=True).run()

    assert len(server.asked) <= 3
    assert server.held == 0
    assert not others()


async def test_a_strict_walk_stores_a_page_before_it_asks_for_the_next() -> None:
    """And still reaches the end."""
    server = Server(45, store_pause=lambda: asyncio.sleep(0.001))
    await LaneWalk(OffsetPaginator(10), server.fetch, server.store, server.release, 1, strict=True).run()

    stored = [what for what in server.happened if what.startswith("stored")]
    assert server.happened == [what for number, after in enumerate(stored) for what in (f"asked {number}", after)]
    assert server.stored == list(range(45))


@pytest.mark.parametrize("place", ["fetch", "store"])
async def test_an_error_ends_the_lane(place: str) -> None:
    """It is raised as itself; no task is left, nothing of the budget is kept."""
    error = Unreachable("gone", host="h")
    server = Server(1000)

    async def fetch(window: Window) -> Page:
        if place == "fetch" and window.number == 3:
            raise error
        return await server.fetch(window)

    async def store(page: Page) -> Stored:
        if place == "store" and page.window.number == 3:
            raise error
        await asyncio.sleep(0.001)
        return await server.store(page)

    with pytest.raises(Unreachable) as caught:
        await LaneWalk(OffsetPaginator(10), fetch, store, server.release, 4).run()

    assert caught.value is error
    assert server.held == 0
    assert not others()


async def test_an_endless_listing_ends_the_lane() -> None:
    """The walk's own guard is an error like another."""
    server = Server(10**6)

    async def fetch(window: Window) -> Page:
        page = await server.fetch(window)
        return Page(page.window, page.body, page.rows, 20, page.token)

    with pytest.raises(LaneError, match="there is no end"):
        await LaneWalk(TokenPaginator(10), fetch, server.store, server.release, 2).run()

    assert server.held == 0
    assert not others()


async def test_a_cancelled_lane_leaves_nothing() -> None:
    """Neither tasks nor bytes of the budget."""
    server = Server(10**5, store_pause=lambda: asyncio.sleep(0.001))
    task = asyncio.create_task(server.lane(OffsetPaginator(10), 4).run())
    await asyncio.sleep(0.02)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert server.held == 0
    assert not others()
    await asyncio.wait_for(server.budget.take(lambda: 1 << 30), 1)


async def test_pages_of_one_lane_are_asked_for_at_once() -> None:
    """As many as the lane is wide, once the first has told the total."""
    server = Server(1000, pause=lambda: asyncio.sleep(0.001))

    await server.lane(OffsetPaginator(10), 8).run()

    assert server.widest == 8


@given(st.integers(0, 80), st.integers(1, 9), st.integers(1, 6), st.booleans(), st.integers(1, 12), st.integers(0, 99))
@settings(max_examples=100)
def test_the_last_answer_is_known_before_the_last_page_is_stored(
    size: int, limit: int, width: int, by_token: bool, most: int, seed: int
) -> None:
    """Nothing is requested behind it, unless pages are shorter than asked for: what these bring counts as late."""
    dice = Random(seed)

    async def linger() -> None:
        for _ in range(dice.randrange(6)):
            await asyncio.sleep(0)

    server = Server(size, large=True, most=most, pause=linger, store_pause=linger)
    paginator = TokenPaginator(limit) if by_token else OffsetPaginator(limit)

    async def run() -> tuple[LaneWalk, int, int]:
        walk = server.lane(paginator, width)

        async def watch() -> tuple[int, int]:
            await walk.answered.wait()
            assert server.flying == 0
            return len(server.asked), len(server.stored)

        watching = asyncio.create_task(watch())
        await walk.run()
        return (walk, *await watching)

    walk, asked, stored = asyncio.run(run())
    assert sorted(server.stored) == list(range(size))
    if most >= limit:
        assert (walk.late, len(server.asked)) == (0, asked)
    assert walk.late <= size - stored


def test_pages_are_still_being_stored_when_the_last_answer_is_known() -> None:
    """The point of it."""
    server = Server(10, large=True)

    async def run() -> int:
        gate = asyncio.Event()
        server.store_pause = gate.wait  # type: ignore[assignment]
        walk = server.lane(OffsetPaginator.expecting(10, limit=4), 4)
        running = asyncio.create_task(walk.run())
        await asyncio.wait_for(walk.answered.wait(), 1)
        stored = len(server.stored)
        gate.set()
        await running
        return stored

    assert asyncio.run(run()) == 0
    assert sorted(server.stored) == list(range(10))
