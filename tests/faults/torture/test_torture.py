"""Kill the process, or fail its disk, at every n-th durable operation; then run the same command again.

`make test` takes some of the operations, `make torture` all of them and 200 kills at random instants.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.torture.lakes import Rows, readable, rows_of, strays

FULL = bool(os.environ.get("AXSYNC_TORTURE"))
STRIDE = 1 if FULL else 53
RANDOM_KILLS = 200 if FULL else 3
HARNESS = Path(__file__).with_name("harness.py")
KEYS = {"T_KEY": "demo-key-of-the-emulator", "T_SECRET": "demo-secret-of-the-emulator"}
CONFIG = """
[lake]
uri = "{lake}"
seal_seconds = 1
max_part_bytes = "64KiB"
row_group_rows = 100
[instances.prod]
url = "{url}"
api_key = "env:T_KEY"
api_secret = "env:T_SECRET"
requests_per_second = 5000
in_flight = 4
page_size = 50
"""


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[int, str]]:
    """Two servers with different data, by seed, each a process of its own."""
    servers = {seed: _emulator(seed) for seed in (7, 8)}
    yield {seed: url for seed, (_, url) in servers.items()}
    for process, _ in servers.values():
        process.terminate()
        process.communicate()


def _emulator(seed: int) -> tuple["subprocess.Popen[str]", str]:
    command = [sys.executable, "-m", "axsync.emulator", "--profile", "p90", "--seed", str(seed), "--output", "json"]
    command += ["--type", "devices", "--type", "users", "--size", "devices=400", "--size", "users=90", "--drift", "5"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["url"]


class Harness:
    """Starts processes of axsync, one after the other."""

    def __init__(self) -> None:
        # Threads of a library that are there before a fork are not there after it.
        environ = os.environ | KEYS | {"OPENBLAS_NUM_THREADS": "1"}
        self._server = subprocess.Popen(
            [sys.executable, str(HARNESS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
        )

    def start(self, wish: dict[str, object]) -> int:
        """The number of the process."""
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(wish) + "\n")
        self._server.stdin.flush()
        return self.ended()

    def ended(self) -> int:
        """How it ended, once it has."""
        assert self._server.stdout is not None
        return int(self._server.stdout.readline())

    def close(self) -> None:
        """No more."""
        self._server.communicate()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended, and what it said."""

    returncode: int
    stderr: str


class Place:
    """A lake and the command that fills it."""

    def __init__(self, folder: Path, harness: Harness) -> None:
        folder.mkdir(exist_ok=True)
        self.lake = folder / "lake"
        self._folder, self._harness = folder, harness

    def run(self, url: str, *, at: int = 0, fault: str = "kill") -> Ended:
        """`axsync run` with a fault at the n-th durable operation."""
        self.start(url, at=at, fault=fault)
        return self.ended()

    def start(self, url: str, *, at: int = 0, fault: str = "kill") -> int:
        """The same, not waited for; the number of the process."""
        config = self._folder / "axsync.toml"
        config.write_text(CONFIG.format(lake=self.lake, url=url))
        arguments = ["run", "--config", str(config), "--date", "2026-11-23"]
        files = {name: str(self._folder / name) for name in ("count", "out", "err")}
        return self._harness.start({"at": at, "fault": fault, "arguments": arguments, **files})

    def ended(self) -> Ended:
        """Wait for it."""
        return Ended(self._harness.ended(), (self._folder / "err").read_text())

    @property
    def operations(self) -> int:
        """How many durable operations the last run that was not killed made."""
        return int((self._folder / "count").read_text())


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    """One for all tests."""
    one = Harness()
    yield one
    one.close()


@pytest.fixture(scope="module")
def undisturbed(
    urls: dict[int, str], harness: Harness, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, tuple[Rows, int]]:
    """Per server: the rows of a run that nothing disturbs, and its durable operations."""
    found = {}
    for seed, url in urls.items():
        place = Place(tmp_path_factory.mktemp(f"calm{seed}"), harness)
        ended = place.run(url)
        assert ended.returncode == 0, ended.stderr
        found[seed] = rows_of(place.lake), place.operations
    return found


def _instants(operations: int) -> range:
    return range(1, operations + 1, STRIDE)


@pytest.mark.fault(1)
def test_a_run_killed_at_any_operation_ends_as_if_undisturbed(
    urls: dict[int, str], undisturbed: dict[int, tuple[Rows, int]], harness: Harness, tmp_path: Path
) -> None:
    """Whatever was done before the kill, the same command brings the same lake, and nothing else lies in it."""
    rows, operations = undisturbed[7]
    for at in _instants(operations):
        place = Place(tmp_path / str(at), harness)
        killed = place.run(urls[7], at=at)
        assert killed.returncode in (-signal.SIGKILL, 0)
        readable(place.lake)

        again = place.run(urls[7])

        assert again.returncode == 0, (at, again.stderr)
        assert readable(place.lake) is not None
        assert rows_of(place.lake) == rows, at
        assert strays(place.lake) == set(), at


@pytest.mark.fault(1)
def test_a_replacing_run_killed_at_any_operation_shows_the_old_or_the_new_snapshot(
    urls: dict[int, str], undisturbed: dict[int, tuple[Rows, int]], harness: Harness, tmp_path: Path
) -> None:
    """After the kill the pointer leads to a whole snapshot; after the same command again, to the new one."""
    old, new = undisturbed[7][0], undisturbed[8][0]
    for at in _instants(undisturbed[8][1] + 6):
        place = Place(tmp_path / str(at), harness)
        assert place.run(urls[7]).returncode == 0
        place.run(urls[8], at=at)
        assert readable(place.lake) is not None
        assert rows_of(place.lake) in (old, new), at

        again = place.run(urls[8])

        assert again.returncode == 0, (at, again.stderr)
        assert rows_of(place.lake) == new, at
        assert strays(place.lake) == set(), at


@pytest.mark.fault(4)
def test_a_power_cut_at_any_operation_loses_no_published_row(
    urls: dict[int, str], undisturbed: dict[int, tuple[Rows, int]], harness: Harness, tmp_path: Path
) -> None:
    """What was not fsynced is gone, a torn journal among it: the pointer still leads to a whole snapshot."""
    old, new = undisturbed[7][0], undisturbed[8][0]
    for at in _instants(undisturbed[8][1]):
        place = Place(tmp_path / str(at), harness)
        assert place.run(urls[7]).returncode == 0
        place.run(urls[8], at=at, fault="power")
        assert readable(place.lake) is not None
        assert rows_of(place.lake) in (old, new), at

        again = place.run(urls[8])

        assert again.returncode == 0, (at, again.stderr)
        assert rows_of(place.lake) == new, at


@pytest.mark.fault(2)
@pytest.mark.parametrize("fault", ["SIGTERM", "SIGINT"])
def test_a_signal_at_any_operation_ends_well(
    fault: str, urls: dict[int, str], undisturbed: dict[int, tuple[Rows, int]], harness: Harness, tmp_path: Path
) -> None:
    """While it reads or while it publishes: 143 or 130, or done; the same command brings the rest."""
    rows, operations = undisturbed[7]
    for at in _instants(operations):
        place = Place(tmp_path / str(at), harness)
        ended = place.run(urls[7], at=at, fault=fault)
        assert ended.returncode in (0, {"SIGTERM": 143, "SIGINT": 130}[fault]), (at, ended.stderr)
        assert "Traceback" not in ended.stderr, at

        again = place.run(urls[7])

        assert again.returncode == 0, (at, again.stderr)
        assert rows_of(place.lake) == rows, at
        assert strays(place.lake) == set(), at


@pytest.mark.fault(3, 53)
@pytest.mark.parametrize("fault", ["ENOSPC", "EIO", "EACCES"])
def test_a_failing_disk_costs_nothing_but_the_run(
    fault: str, urls: dict[int, str], undisturbed: dict[int, tuple[Rows, int]], harness: Harness, tmp_path: Path
) -> None:
    """One clear sentence, the previous snapshot intact, and the same command goes on when the fault is gone.

    A run that says it has failed has not moved the pointer.
    """
    old, new = undisturbed[7][0], undisturbed[8][0]
    for at in _instants(undisturbed[8][1]):
        place = Place(tmp_path / str(at), harness)
        assert place.run(urls[7]).returncode == 0
        failed = place.run(urls[8], at=at, fault=fault)
        assert "Traceback" not in failed.stderr, (at, failed.stderr)
        assert failed.returncode in (0, 1), (at, failed.stderr)
        assert readable(place.lake) is not None
        assert rows_of(place.lake) in (old, new), at
        if failed.returncode:
            assert failed.stderr.count("error: ") == 1, failed.stderr
            assert rows_of(place.lake) == old, (at, failed.stderr)

        again = place.run(urls[8])

        assert again.returncode == 0, (at, again.stderr)
        assert rows_of(place.lake) == new, at


@pytest.mark.fault(1)
def test_kills_at_random_instants_lose_nothing(
    urls: dict[int, str], undisturbed: dict[int, tuple[Rows, int]], harness: Harness, tmp_path: Path
) -> None:
    """However often it is killed on its way, the run arrives."""
    chance, kills, number = random.Random(4), 0, 0
    while kills < RANDOM_KILLS:
        number += 1
        place = Place(tmp_path / str(number), harness)
        for _ in range(3):
            process = place.start(urls[7])
            time.sleep(chance.uniform(0.02, 0.8))
            with suppress(ProcessLookupError):  # it may have ended
                os.kill(process, signal.SIGKILL)
            kills += place.ended().returncode == -signal.SIGKILL
            readable(place.lake)
        ended = place.run(urls[7])
        assert ended.returncode == 0, ended.stderr
        assert rows_of(place.lake) == undisturbed[7][0]
        assert strays(place.lake) == set()
