"""The list of saved queries comes to an end, and a name or id finds the one that is meant."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import pytest

from axsync.api import GENERATIONS, SavedQuery
from axsync.client import saved_queries
from axsync.client.saved_queries import MOST_PAGES, EndlessList, QueryMissing, choose_query, list_queries
from axsync.client.transport import RequestContext, Transport
from axsync.model import Generation, Reply, Request
from tests.unit.api.asked import reply

T = TypeVar("T")
Serve = Callable[[int], tuple[Sequence[str], int | None]]
"""Offset → names of the rows, and the total."""

HOST = "acme.test"


class FakeTransport:
    """Answers a request for saved queries from a place on; the AQL of each is another with every answer."""

    host = HOST

    def __init__(self, generation: Generation, serve: Serve) -> None:
        self.offsets: list[int] = []
        self._generation, self._serve = generation, serve

    async def ask(self, request: Request, read: Callable[[Reply], T], _ask: RequestContext) -> T:
        params = dict(request.params)
        self.offsets.append(int(params.get("offset") or params.get("page[offset]") or 0))
        names, total = self._serve(self.offsets[-1])
        moving = {"module": "devices", "view": {"query": {"filter": f"x == {len(self.offsets)}"}}}
        rows: list[Any] = [{"name": name, "id": name, **moving} for name in names]
        key = "queries"
        if self._generation == "v1":
            key, rows = "data", [{"attributes": row} for row in rows]
        meta = {} if total is None else {"meta": {"page": {"totalResources": total}}}
        return read(reply({key: rows, **meta}))


async def names_of(generation: Generation, serve: Serve) -> tuple[list[str], list[int]]:
    """The names that were listed, and the offsets that were asked for."""
    transport = FakeTransport(generation, serve)
    listed = await list_queries(GENERATIONS[generation], cast("Transport", transport))
    return [query.name for query in listed], transport.offsets


ALL = [f"q{at}" for at in range(7)]
BOTH = pytest.mark.parametrize("generation", ["v1", "v2"])


@BOTH
async def test_a_short_page_is_not_the_end(generation: Generation) -> None:
    """An empty one is, where no total is told; with a total no request is made in vain."""
    assert await names_of(generation, lambda at: (ALL[at : at + 3], None)) == (ALL, [0, 3, 6, 7])
    assert await names_of(generation, lambda at: (ALL[at : at + 3], 7)) == (ALL, [0, 3, 6])


@BOTH
async def test_a_page_that_is_repeated_ends_the_list_with_an_error(generation: Generation) -> None:
    """The server ignores the offset, and what is missing cannot be had."""
    with pytest.raises(EndlessList, match="repeats a page"):
        await names_of(generation, lambda _: (ALL[:3], 7))


@BOTH
async def test_a_page_that_overlaps_is_no_repetition(generation: Generation) -> None:
    """A query that was saved meanwhile moves the others."""
    names, _ = await names_of(generation, lambda at: (ALL[max(at - 1, 0) : at + 2], None if at < 7 else 7))

    assert names == ALL


@BOTH
async def test_a_list_that_never_ends_is_an_error(generation: Generation) -> None:
    """After a thousand pages, whatever they hold."""
    asked = 0

    def endless(at: int) -> tuple[list[str], None]:
        nonlocal asked
        asked += 1
        return [f"q{at}"], None

    with pytest.raises(EndlessList, match="without end"):
        await names_of(generation, endless)
    assert asked == MOST_PAGES == 1000


@BOTH
async def test_a_list_that_never_ends_is_not_kept_for_ever(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is in memory: pages that are full end it sooner."""
    monkeypatch.setattr(saved_queries, "MOST_QUERIES", 5_000)  # instead of 100,000
    asked = 0

    def endless(at: int) -> tuple[list[str], None]:
        nonlocal asked
        asked += 1
        return [f"q{number}" for number in range(at, at + 2_000)], None

    with pytest.raises(EndlessList, match="without end"):
        await names_of(generation, endless)
    assert asked == 3


QUERIES = (
    SavedQuery("Servers", "1", "users"),
    SavedQuery("Servers", "2", "devices"),
    SavedQuery("Old", "3"),
    SavedQuery("Admins", "4", "users"),
)


@pytest.mark.parametrize(("word", "number"), [("Servers", "2"), ("2", "2"), ("Old", "3"), ("3", "3")])
def test_the_query_of_the_wanted_type_is_chosen(word: str, number: str) -> None:
    """Of two with one name that of the type; one whose type is not told may be it."""
    assert choose_query(QUERIES, word, "devices", host=HOST).id == number


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("Admins", f"the saved query 'Admins' of {HOST} is for users, not for devices"),
        ("4", f"the saved query '4' of {HOST} is for users, not for devices"),
        ("servers", f"{HOST} has no saved query 'servers' for devices; did you mean 'Servers'?"),
        ("Adminz", f"{HOST} has no saved query 'Adminz' for devices"),
        ("zzz", f"{HOST} has no saved query 'zzz' for devices"),
    ],
)
def test_a_query_that_is_not_there_is_told_with_the_nearest_of_its_type(word: str, sentence: str) -> None:
    """One of another type is no help."""
    with pytest.raises(QueryMissing) as caught:
        choose_query(QUERIES, word, "devices", host=HOST)

    assert str(caught.value) == sentence
