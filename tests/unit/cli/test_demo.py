"""The demo as a person starts it: a process of its own, with the real emulator and a real run."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from axsync.cli import main
from axsync.cli.demo import emulator
from axsync.errors import AxsyncError

pytestmark = pytest.mark.slow


def listens(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def demo(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "axsync", "demo", "--rows", "30"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    found = re.search(r"http://\S+", process.stderr.readline())
    assert found is not None
    return found[0]


def test_the_demo_ends_in_answers_and_can_be_repeated(tmp_path: Path) -> None:
    """Rows per entity type, operating systems, an emulator that is gone; the second time as the first."""
    for _ in range(2):
        with demo(tmp_path) as process:
            url = url_of(process)
            out, err = process.communicate(timeout=120)

        assert process.returncode == 0, err
        assert re.search(r"^devices +30$", out, re.MULTILINE)
        assert "The five most common operating systems" in out
        assert not listens(url)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_emulator_ends_with_the_demo_whatever_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    """Even a killed demo leaves no server behind."""
    with demo(tmp_path) as process:
        url = url_of(process)
        process.send_signal(number)
        process.communicate(timeout=60)

    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(number, -number)
    deadline = time.monotonic() + 10
    while listens(url) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not listens(url)


def test_the_demo_wants_a_folder() -> None:
    """Its queries open files."""
    result = CliRunner().invoke(main, ["demo", "--lake", "s3://bucket/lake"])

    assert (result.exit_code, result.stdout) == (2, "")
    assert "the demo writes to a folder" in result.stderr


def test_an_emulator_that_does_not_start_says_why() -> None:
    """Its last words are part of the error."""
    with pytest.raises(AxsyncError, match=r"the emulator did not start: .*--nonsense"), emulator(["--nonsense"]):
        pass


def test_the_emulator_is_gone_after_the_block() -> None:
    """Also when the block fails."""
    urls: list[str] = []

    def fail() -> None:
        with emulator() as url:
            urls.append(url)
            assert listens(url)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert not listens(urls[0])
    assert os.environ.get("AX_KEY") is None
