"""Emulators that remember what they sent, a lab to run axsync in, and axsync as a process."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from axsync.client import transport
from axsync.emulator import Emulator, Options
from tests.faults.proof import Tapped
from tests.flow.harness import Lab

CONFIG = """
[instances.prod]
url = "{url}"
api_key = "env:FAULT_KEY"
api_secret = "env:FAULT_SECRET"
requests_per_second = 5000
page_size = 20
tries = 3
[entities.default]
fields = ["name", "last_seen", "labels"]
"""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Awaitable[Tapped]]]:
    """Starts an emulator that offers just the types whose sizes are given, and whose counts are there at once."""
    async with AsyncExitStack() as stack:

        async def start_one(profile: str = "p90", sizes: dict[str, int] | None = None, **options: Any) -> Tapped:
            sizes = {"devices": 90, "users": 45} if sizes is None else sizes
            chosen: dict[str, Any] = {"types": tuple(sizes), "count_nulls": 0} | options
            return await stack.enter_async_context(Tapped(Options(profile=profile, sizes=sizes, **chosen)))

        yield start_one


@pytest.fixture
def process(lab: Lab) -> Callable[..., Awaitable[tuple[int, str]]]:
    """Runs `axsync run` as a process against an emulator; gives its exit code and all that it said."""

    async def run(emulator: Emulator, *flags: str) -> tuple[int, str]:
        config = lab.folder / "axsync.toml"
        config.write_text(CONFIG.format(url=emulator.url))
        started = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "axsync", "run", "--config", str(config), "--lake", str(lab.lake), *flags),
            env=os.environ | {"FAULT_KEY": emulator.api_key, "FAULT_SECRET": emulator.api_secret},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await started.communicate()
        return started.returncode or 0, said.decode()

    return run


@pytest.fixture(autouse=True)
def no_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is looked into at once."""
    monkeypatch.setattr(transport, "DOUBT_SECONDS", 0.0)
