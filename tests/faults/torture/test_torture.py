"""Kill the process, or fail its disk, at every n-th durable operation; then run the same command again.

`make test` takes some of the operations, `make torture` all of them and 200 kills at random instants.
"""

import os
import random
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.torture.lakes import Rows, readable, rows_of, strays
from tests.faults.torture.place import FULL, Harness, Place

STRIDE = 1 if FULL else 53
RANDOM_KILLS = 200 if FULL else 3


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


@pytest.fixture(scope="module")
def lake(urls: dict[int, str], harness: Harness, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the snapshot of the first server; each test has copies of it."""
    place = Place(tmp_path_factory.mktemp("old"), harness)
    assert place.run(urls[7]).returncode == 0
    return place.lake


def _copied(lake: Path, folder: Path, harness: Harness) -> Place:
    place = Place(folder, harness)
    shutil.copytree(lake, place.lake)
    return place


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
    urls: dict[int, str], undisturbed: dict[int, tuple[Rows, int]], lake: Path, harness: Harness, tmp_path: Path
) -> None:
    """After the kill the pointer leads to a whole snapshot; after the same command again, to the new one."""
    old, new = undisturbed[7][0], undisturbed[8][0]
    for at in _instants(undisturbed[8][1] + 6):
        place = _copied(lake, tmp_path / str(at), harness)
        place.run(urls[8], at=at)
        assert readable(place.lake) is not None
        assert rows_of(place.lake) in (old, new), at

        again = place.run(urls[8])

        assert again.returncode == 0, (at, again.stderr)
        assert rows_of(place.lake) == new, at
        assert strays(place.lake) == set(), at


@pytest.mark.fault(4)
def test_a_power_cut_at_any_operation_loses_no_published_row(
    urls: dict[int, str], undisturbed: dict[int, tuple[Rows, int]], lake: Path, harness: Harness, tmp_path: Path
) -> None:
    """What was not fsynced is gone, a torn journal among it: the pointer still leads to a whole snapshot."""
    old, new = undisturbed[7][0], undisturbed[8][0]
    for at in _instants(undisturbed[8][1]):
        place = _copied(lake, tmp_path / str(at), harness)
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
    fault: str,
    urls: dict[int, str],
    undisturbed: dict[int, tuple[Rows, int]],
    lake: Path,
    harness: Harness,
    tmp_path: Path,
) -> None:
    """One clear sentence, the previous snapshot intact, and the same command goes on when the fault is gone.

    A run that says it has failed has not moved the pointer.
    """
    old, new = undisturbed[7][0], undisturbed[8][0]
    for at in _instants(undisturbed[8][1]):
        place = _copied(lake, tmp_path / str(at), harness)
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
