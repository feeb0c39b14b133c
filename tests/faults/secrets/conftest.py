"""axsync as a process that knows marked secrets, and what can be seen of it from outside while it runs."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from axsync.emulator import Emulator, Options
from tests.faults.secrets.marks import MARKS
from tests.flow.harness import Lab

VARIABLES = {"CANARY_ONE": MARKS.key, "CANARY_TWO": MARKS.secret}
CONFIG = """
[instances.prod]
url = "{url}"
api_key = "env:CANARY_ONE"
api_secret = "env:CANARY_TWO"
requests_per_second = 2000
in_flight = 8
page_size = 20
read_seconds = 0.5
page_seconds = 2
tries = 2
max_page_bytes = "32MiB"
"""


@dataclass(slots=True)
class Seen:
    """What a process said, how it ended, and how it looked in the list of processes."""

    code: int
    out: bytes
    err: bytes
    listed: list[bytes] = field(default_factory=list)  # its command line and those of its children
    inherited: list[bytes] = field(default_factory=list)  # environments of its children


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Awaitable[Emulator]]]:
    """Starts emulators that accept the marked key and secret only."""
    async with AsyncExitStack() as stack:

        async def start_one(profile: str = "p90", **options: Any) -> Emulator:
            told: dict[str, Any] = {"api_key": MARKS.key, "api_secret": MARKS.secret, "count_nulls": 0}
            return await stack.enter_async_context(Emulator(Options(profile=profile, **told | options)))

        yield start_one


async def axsync(folder: Path, *arguments: str, **environ: str) -> Seen:
    """`python -m axsync` in this folder."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "axsync", *arguments),
        cwd=folder,
        env=os.environ | VARIABLES | environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    seen = Seen(0, b"", b"")
    watch = asyncio.create_task(_watch(process.pid, seen))
    seen.out, seen.err = await process.communicate()
    watch.cancel()
    seen.code = process.returncode or 0
    return seen


async def _watch(pid: int, seen: Seen) -> None:
    """Look at /proc as any user of the machine may, twenty times a second."""
    while True:
        _look(pid, seen)
        await asyncio.sleep(0.05)


def _look(pid: int, seen: Seen) -> None:
    with suppress(OSError):
        own = Path(f"/proc/{pid}/cmdline").read_bytes()
        seen.listed.append(own)
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            seen.listed.append(command := Path(f"/proc/{child}/cmdline").read_bytes())
            if command != own:  # one that is still called like its parent is its parent's image, not yet the command
                seen.inherited.append(Path(f"/proc/{child}/environ").read_bytes())


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)
