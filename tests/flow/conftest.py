"""Emulators for the time of a test, and a lab to run axsync in."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from axsync.client import transport
from axsync.emulator import Emulator, Options
from tests.flow.harness import Lab

Start = Callable[..., Awaitable[Emulator]]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts an emulator that offers just the types whose sizes are given, and whose counts are there at once."""
    async with AsyncExitStack() as stack:

        async def start_one(profile: str = "p90", sizes: dict[str, int] | None = None, **options: Any) -> Emulator:
            sizes = {"devices": 90, "users": 45} if sizes is None else sizes
            told: dict[str, Any] = {"types": tuple(sizes), "count_nulls": 0} | options
            return await stack.enter_async_context(Emulator(Options(profile=profile, sizes=sizes, **told)))

        yield start_one


@pytest.fixture(autouse=True)
def no_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is looked into at once."""
    monkeypatch.setattr(transport, "DOUBT_SECONDS", 0.0)
