"""Which day `latest` is, where the server lists its days."""

from types import SimpleNamespace
from typing import Any

import pytest

from axsync.client.history_days import newest_day


def listing(days: dict[str, dict[str, str]]) -> Any:  # noqa: ANN401  what of a source is looked at
    """A source whose server lists these."""

    async def ask(*_: object) -> dict[str, dict[str, str]]:
        return days

    return SimpleNamespace(transport=SimpleNamespace(ask=ask, host="h"))


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
