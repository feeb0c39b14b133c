"""Signals, sent to a process of its own that does nothing but wait."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

WAITING = """
import asyncio, atexit, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
from axsync.cli import main
from axsync.console import run as run_on_console
from axsync.events import RunStarted, SnapshotPublished

def keep_rows(lake, run_id):
    from axsync.lake.local import LocalStore
    from axsync.lake.publish import Lake, RunFacts
    from axsync.model import Lane, PageSpan, Part
    from axsync.runs.state import record
    journal, lane = Lake(LocalStore(lake)).journal(run_id).begin(), Lane("prod", "devices")
    facts = RunFacts(run_id, "2026-11-23", None, "2026-11-23T00:00:00Z", "0.1.0")
    journal.append(record("run_opened", facts=facts, plan="p"))
    journal.append(record("lanes_chosen", lanes=[lane]))
    journal.append(record("part_sealed", lane, part=Part("p", 48_000, 1, "x"), letters_size=0))

async def wait(settings, *, observers=()):
    if "kept" in sys.argv:
        for observer in observers:
            observer(RunStarted("r1", "2026-11-23", ()))
        keep_rows(settings.lake.path, "r1")
    if "published" in sys.argv:
        for observer in observers:
            observer(SnapshotPublished("r1", "complete", "m.json"))
    if "telling" in sys.argv:
        run_on_console._page = tell
        return
    print("ready", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        print("put away", flush=True)

def tell(*_, **__):
    print("ready", flush=True)
    signal.pause()

async def look(settings, *, observers=()):
    await wait(settings)

def linger():
    print("leaving", flush=True)
    sys.stdin.readline()

if "at-exit" in sys.argv:
    atexit.register(linger)
try:
    main([sys.argv[1], "-q", *sys.argv[sys.argv.index("--") + 1:]], obj={"sync": wait, "entities": look})
finally:
    if "before-exit" in sys.argv:
        linger()
"""


@contextmanager
def waiting(folder: Path, *arguments: str, flags: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
    keys = {"AX_URL": "https://acme.example", "AX_KEY": "k", "AX_SECRET": "s"}
    command = [sys.executable, "-c", WAITING, *arguments, "--", *flags]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=folder, env=os.environ | keys, **pipes) as process:  # type: ignore[call-overload]  # mypy cannot see through **
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_a_run_cleanly_and_says_so(tmp_path: Path, number: signal.Signals, code: int, word: str) -> None:
    """The work is cancelled and puts its things away; nothing was published."""
    with waiting(tmp_path, "run") as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=20)

    assert (process.returncode, out, err) == (code, "put away\n", f"{word}: nothing was published\n")


@pytest.mark.parametrize(("flags", "command"), [((), ""), (("--fresh",), " without --fresh")])
def test_a_signal_tells_how_many_rows_are_kept(tmp_path: Path, flags: tuple[str, ...], command: str) -> None:
    """They are durable, and not read again by the same command; with `--fresh`, it would begin anew."""
    with waiting(tmp_path, "run", "kept", flags=flags) as process:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)

    told = f"interrupted: nothing was published; 48,000 rows kept, and the same command{command} resumes the run\n"
    assert (process.returncode, err) == (130, told)


def test_a_signal_after_publishing_says_that(tmp_path: Path) -> None:
    """A person must know which of the two it was."""
    with waiting(tmp_path, "run", "published") as process:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)

    assert err == "terminated after run r1 was published\n"


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_while_it_tells_how_it_ended_is_one(
    tmp_path: Path, number: signal.Signals, code: int, word: str
) -> None:
    """The work is done by then, and no loop there to hear of it; the exit code is the same, and the summary is told."""
    told = f"""{sys.executable} -c "import sys; open('told', 'w').write(sys.stdin.read())" """
    with waiting(tmp_path, "run", "published", "telling", flags=("--on-finish", told)) as process:
        process.send_signal(number)
        _, err = process.communicate(timeout=20)

    assert (process.returncode, err) == (code, f"{word} after run r1 was published\n")
    assert json.loads((tmp_path / "told").read_text())["exit_code"] == code


@pytest.mark.parametrize("moment", ["before-exit", "at-exit"])
def test_a_second_sigterm_while_it_takes_its_leave_changes_no_exit_code(tmp_path: Path, moment: str) -> None:
    """Between the end of the work and that of the process there is no moment at which the signal itself kills it."""
    with waiting(tmp_path, "run", moment) as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "put away\n"
        assert process.stdout.readline() == "leaving\n"
        process.send_signal(signal.SIGTERM)
        process.communicate("\n", timeout=20)

    assert process.returncode == 143


def test_a_look_can_be_interrupted_too(tmp_path: Path) -> None:
    """Ctrl-C ends every command with 130 and no traceback."""
    with waiting(tmp_path, "entities") as process:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)

    assert (process.returncode, err) == (130, "interrupted\n")
