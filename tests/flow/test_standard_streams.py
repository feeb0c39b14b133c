"""A run runs whatever its standard streams are, and its exit code tells what it came to."""

import asyncio
import os
import shlex
import sys
from collections.abc import Awaitable, Callable

import pytest

from axsync.emulator import Emulator, Mishap
from tests.flow.harness import Lab

Start = Callable[..., Awaitable[Emulator]]

WAYS = {
    "no stdin": "{} <&-",
    "no stdout": "{} >&-",
    "no stderr": "{} 2>&-",
    "none of the three": "{} <&- >&- 2>&-",
    "a full stdout": "{} >/dev/full",
    "a full stderr": "{} 2>/dev/full",
    "both full": "{} >/dev/full 2>&1",
    "a log pipe that ends": "{{ {} 2>&1 >/dev/null; echo $? >code; }} | true",
    "a result pipe that ends": "{{ {}; echo $? >code; }} | true",
    "both pipes end": "{{ {} 2>&1; echo $? >code; }} | true",
}
UNREAD = ("a result pipe that ends", "both pipes end")


async def shell(lab: Lab, emulator: Emulator, way: str, *arguments: str) -> tuple[int, str]:
    """Exit code of axsync under a shell, and what was said on stderr."""
    command = way.format(shlex.join([sys.executable, "-m", "axsync", *arguments]))
    environ = {"AX_URL": emulator.url, "AX_KEY": emulator.api_key, "AX_SECRET": emulator.api_secret}
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", command),
        cwd=lab.folder,
        env=os.environ | environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    code = lab.folder / "code"
    return int(code.read_text()) if code.exists() else process.returncode or 0, err.decode()


@pytest.mark.fault(9)
@pytest.mark.parametrize(
    ("way", "log_format"), [*((way, "text") for way in WAYS), ("both full", "json"), ("both pipes end", "json")]
)
async def test_a_run_needs_no_standard_stream(lab: Lab, start: Start, way: str, log_format: str) -> None:
    """It publishes and ends with 0, or with 141 where the reader of its result has gone; nothing is called a bug."""
    emulator = await start(sizes={"users": 45})
    code, err = await shell(lab, emulator, WAYS[way], "run", "users", "--log-format", log_format, "-v")

    ended = 141 if way in UNREAD else 0
    assert (code, lab.manifest()["verdict"], len(lab.ids("users", "default"))) == (ended, "complete", 45), err
    assert "bug" not in err
    assert ("standard output cannot be written (No space left on device)" in err) == (way == "a full stdout")


@pytest.mark.parametrize("way", ["none of the three", "both full", "a log pipe that ends"])
async def test_the_exit_code_tells_of_what_is_missing(lab: Lab, start: Start, way: str) -> None:
    """A type that cannot be read is 3, whoever listens to the log."""
    emulator = await start(sizes={"devices": 20, "users": 45}, mishaps=[Mishap("400", entity="devices", on="page")])
    code, _ = await shell(lab, emulator, WAYS[way], "run", "-v")

    assert code == 3


@pytest.mark.parametrize(
    ("way", "code", "words"),
    [
        ("a full stdout", 1, "error: standard output cannot be written (No space left on device)\n"),
        ("a result pipe that ends", 141, ""),
        ("a full stderr", 0, ""),
        ("no stderr", 0, ""),
    ],
)
@pytest.mark.parametrize("output", ["text", "json"])
async def test_a_result_that_is_lost_is_an_error(
    lab: Lab, start: Start, output: str, way: str, code: int, words: str
) -> None:
    """Of a command whose result is what it prints; a reader that has gone asks for no words."""
    emulator = await start(sizes={"users": 45})

    assert await shell(lab, emulator, WAYS[way], "entities", "--output", output) == (code, words)


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("--version",), ("completion", "bash")])
async def test_a_reader_who_has_seen_enough_is_no_error(lab: Lab, start: Start, arguments: tuple[str, ...]) -> None:
    """Of what is printed without a command's work, too."""
    emulator = await start(sizes={})

    assert await shell(lab, emulator, WAYS["a result pipe that ends"], *arguments) == (141, "")
