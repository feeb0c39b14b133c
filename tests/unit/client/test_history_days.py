"""Which day `latest` is, and which types a day of history has."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from axsync.api import Question
from axsync.client.history_days import newest_day, with_snapshot
from axsync.errors import BadRequest, NotOffered, ServerError, Unreachable


def listing(days: dict[str, dict[str, str]]) -> Any:  # noqa: ANN401  what of a source is looked at
    """A source whose server lists these."""

    async def history_days() -> dict[str, dict[str, str]]:
        return days

    return SimpleNamespace(transport=SimpleNamespace(host="h"), history_days=history_days)


@pytest.mark.parametrize(
    ("days", "newest"),
    [
        (["2026-01-02", "2026-01-03", "2026-01-01"], "2026-01-03"),
        (["2026-01-02", "2999-01-01"], "2026-01-02"),
        (["../../etc", "2026", "20260102", "", "2026-02-30"], None),
    ],
)
async def test_latest_is_a_day_that_has_come(days: list[str], newest: str | None) -> None:
    """What a server calls one otherwise never becomes the name of a folder."""
    source = listing({"devices": dict.fromkeys(days, "t"), "users": {}})

    assert await newest_day(source, ["users", "devices"]) == newest


def counting(counts: dict[tuple[str, int], int | ServerError]) -> Any:  # noqa: ANN401  what of a source is looked at
    """A source whose server lists no days, and counts so by entity type and days back; else there is no such day."""

    async def history_days() -> dict[str, dict[str, str]]:
        return {}

    async def count(question: Question) -> int:
        back = (datetime.now(UTC).date() - date.fromisoformat(question.history or "")).days
        found = counts.get((question.entity, back), NotOffered("no such day", host="h", status=404))
        if isinstance(found, ServerError):
            raise found
        return found

    return SimpleNamespace(transport=SimpleNamespace(host="h"), history_days=history_days, count=count)


async def test_latest_is_looked_for_behind_a_day_that_is_not_offered() -> None:
    """A server may answer 404, 400 or no rows for it."""
    source = counting({("users", 0): BadRequest("no", host="h", status=400), ("users", 1): 0, ("users", 3): 9})

    assert await newest_day(source, ["users"]) == (datetime.now(UTC).date() - timedelta(days=3)).isoformat()


async def test_a_server_that_fails_is_not_one_without_history() -> None:
    """Unless another type tells the day."""
    down = Unreachable("down", host="h", status=503)
    assert await newest_day(counting({("devices", 0): down, ("users", 0): 9}), ["devices", "users"])
    with pytest.raises(Unreachable, match="down"):
        await newest_day(counting({("devices", 0): down}), ["devices", "users"])


@pytest.mark.parametrize(
    ("counts", "live", "there"),
    [
        ({"devices": 5, "users": 0, "disks": 0}, {"users": 9, "disks": 0}, {"devices": 5, "disks": 0}),
        ({"devices": 0, "disks": 0}, {"devices": 9, "disks": 0}, {}),  # a day that is not there
        ({"disks": 0}, {"disks": 0}, {}),
        ({"devices": -1, "users": None}, {}, {"users": None}),  # refused; not counted in time
        ({"devices": None, "disks": 0}, {"disks": 0}, {"devices": None}),
        ({"devices": 5, "disks": 0}, {"disks": None}, {"devices": 5}),
    ],
)
def test_no_rows_are_a_snapshot_only_beside_rows_of_another_type(
    counts: dict[str, int | None], live: dict[str, int | None], there: dict[str, int | None]
) -> None:
    """And only of a type that has none today: a day that the server does not have looks empty as well."""
    assert with_snapshot(counts, live) == there
