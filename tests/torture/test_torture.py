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
from pathlib import Path

import pytest

from tests.torture.lakes import Rows, readable, rows_of, strays

FULL = bool(os.environ.get("AXSYNC_TORTURE"))
STRIDE = 1 if FULL else 29
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


class Place:
    """A lake and the command that fills it."""

    def __init__(self, folder: Path) -> None:
        self.lake = folder / "lake"
        self._folder = folder

    def run(self, url: str, *, at: int = 0, fault: str = "kill") -> "subprocess.CompletedProcess[str]":
        """`axsync run` with a fault at the n-th durable operation."""
        process = self.start(url, at=at, fault=fault)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, url: str, *, at: int = 0, fault: str = "kill") -> "subprocess.Popen[str]":
        """The same, not waited for."""
        config = self._folder / "axsync.toml"
        config.write_text(CONFIG.format(lake=self.lake, url=url))
        command = [sys.executable, str(HARNESS), str(at), fault, str(self._folder / "count"), "run"]
        command += ["--config", str(config), "--date", "2026-11-23"]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | KEYS
        )

    @property
    def operations(self) -> int:
        """How many durable operations the last run that was not killed made."""
        return int((self._folder / "count").read_text())


@pytest.fixture(scope="module")
def undisturbed(urls: dict[int, str], tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[Rows, int]]:
    """Per server: the rows of a run that nothing disturbs, and its durable operations."""
    found = {}
    for seed, url in urls.items():
        place = Place(tmp_path_factory.mktemp(f"calm{seed}"))
        ended = place.run(url)
        assert ended.returncode == 0, ended.stderr
        found[seed] = rows_of(place.lake), place.operations
    return found


def _instants(operations: int) -> range:
    return range(1, operations + 1, STRIDE)


def test_a_run_killed_at_any_operation_ends_as_if_undisturbed(
    urls: dict[int, str], undisturbed: dict[int, tuple[Rows, int]], tmp_path: Path
) -> None:
    """Whatever was done before the kill, the same command brings the same lake, and nothing else lies in it."""
    rows, operations = undisturbed[7]
    for at in _instants(operations):
        place = Place(tmp_path / str(at))
        (tmp_path / str(at)).mkdir()
        killed = place.run(urls[7], at=at)
        assert killed.returncode in (-signal.SIGKILL, 0)
        readable(place.lake)

        again = place.run(urls[7])

        assert again.returncode == 0, (at, again.stderr)
        assert readable(place.lake) is not None
        assert rows_of(place.lake) == rows, at
        assert strays(place.lake) == set(), at


def test_a_replacing_run_killed_at_any_operation_shows_the_old_or_the_new_snapshot(
    urls: dict[int, str], undisturbed: dict[int, tuple[Rows, int]], tmp_path: Path
) -> None:
    """After the kill the pointer leads to a whole snapshot; after the same command again, to the new one."""
    old, new = undisturbed[7][0], undisturbed[8][0]
    for at in _instants(undisturbed[8][1] + 6):
        place = Place(tmp_path / str(at))
        (tmp_path / str(at)).mkdir()
        assert place.run(urls[7]).returncode == 0
        place.run(urls[8], at=at)
        assert readable(place.lake) is not None
        assert rows_of(place.lake) in (old, new), at

        again = place.run(urls[8])

        assert again.returncode == 0, (at, again.stderr)
        assert rows_of(place.lake) == new, at
        assert strays(place.lake) == set(), at


@pytest.mark.parametrize("fault", ["ENOSPC", "EIO", "EACCES"])
def test_a_failing_disk_costs_nothing_but_the_run(
    fault: str, urls: dict[int, str], undisturbed: dict[int, tuple[Rows, int]], tmp_path: Path
) -> None:
    """One clear sentence, the previous snapshot intact, and the same command goes on when the fault is gone."""
    old, new = undisturbed[7][0], undisturbed[8][0]
    for at in _instants(undisturbed[8][1]):
        place = Place(tmp_path / str(at))
        (tmp_path / str(at)).mkdir()
        assert place.run(urls[7]).returncode == 0
        failed = place.run(urls[8], at=at, fault=fault)
        assert "Traceback" not in failed.stderr, (at, failed.stderr)
        assert failed.returncode in (0, 1), (at, failed.stderr)
        assert readable(place.lake) is not None
        assert rows_of(place.lake) in (old, new), at
        if failed.returncode:
            assert failed.stderr.count("error: ") == 1, failed.stderr

        again = place.run(urls[8])

        assert again.returncode == 0, (at, again.stderr)
        assert rows_of(place.lake) == new, at


def test_kills_at_random_instants_lose_nothing(
    urls: dict[int, str], undisturbed: dict[int, tuple[Rows, int]], tmp_path: Path
) -> None:
    """However often it is killed on its way, the run arrives."""
    chance, kills, number = random.Random(4), 0, 0
    while kills < RANDOM_KILLS:
        number += 1
        place = Place(tmp_path / str(number))
        (tmp_path / str(number)).mkdir()
        for _ in range(3):
            process = place.start(urls[7])
            time.sleep(chance.uniform(0.3, 1.6))
            process.kill()
            process.communicate()
            kills += process.returncode == -signal.SIGKILL
            readable(place.lake)
        ended = place.run(urls[7])
        assert ended.returncode == 0, ended.stderr
        assert rows_of(place.lake) == undisturbed[7][0]
        assert strays(place.lake) == set()
