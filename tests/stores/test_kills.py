"""A process that fills a lake in S3 is killed, or paused and overtaken, at each of its changes.

`make test-stores` takes some of them, `make torture` all.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.torture.place import FULL, RUN, Ended, Harness
from tests.stores.place import PATIENCE, PROGRAM, Place, Rows, wait_for_pause
from tests.stores.servers import Server, s3

LEASE = 6
"""The change that takes the lease, behind those that try whether the store heeds conditions."""
BUSY = 75
FRESH = (*RUN, "--fresh")
pytestmark = pytest.mark.stores


class Form(NamedTuple):
    """What a lake is, as its settings say it; how far the changes are apart that are tried."""

    settings: str
    stride: int
    copies: bool = False  # parts to their places


FORMS = {
    "parquet": Form('format = "parquet"', 9, copies=True),
    "manifest": Form('format = "parquet"\nvisible = "manifest"', 30),
    "delta": Form('format = "delta"', 9),
    "iceberg": Form('format = "iceberg"\ncatalog = "house.lakeNAME"', 30),
}


@pytest.fixture(scope="module")
def server() -> Server:
    return s3()


@pytest.fixture(scope="module")
def harnesses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Harness, Harness]]:
    """Two, for two processes at a time; with a catalog for tables of Iceberg."""
    catalog = {"TYPE": "sql", "URI": f"sqlite:///{tmp_path_factory.mktemp('catalog')}/catalog.db"}
    environ = {f"PYICEBERG_CATALOG__HOUSE__{name}": value for name, value in catalog.items()}
    both = Harness(PROGRAM, **environ), Harness(PROGRAM, **environ)
    yield both
    for one in both:
        one.close()


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> Form:
    """The form of the lake."""
    found = FORMS[request.param]
    return found._replace(stride=1) if FULL else found


@pytest.fixture(scope="module")
def undisturbed(
    server: Server,
    urls: dict[int, str],
    harnesses: tuple[Harness, Harness],
    tmp_path_factory: pytest.TempPathFactory,
    form: Form,
) -> dict[int, tuple[Rows, int]]:
    """Per instance: the rows of a run that nothing disturbs, and its changes."""
    found = {}
    for seed, url in urls.items():
        place = Place.fresh(server, tmp_path_factory.mktemp(f"calm{seed}"), form.settings)
        ended = place.run(harnesses[0], url)
        assert ended.returncode == 0, ended.stderr
        assert place.strays() == set()
        found[seed] = place.rows(), place.changes(harnesses[0])
    return found


@pytest.mark.fault(62)
def test_a_run_killed_at_any_change_ends_as_if_undisturbed(
    server: Server,
    urls: dict[int, str],
    undisturbed: dict[int, tuple[Rows, int]],
    harnesses: tuple[Harness, Harness],
    tmp_path: Path,
    form: Form,
) -> None:
    """From another machine, whose folder for drafts is empty: the same command goes on, and leaves nothing staged.

    Where parts are not copied, gc removes those that were uploaded and not journaled.
    """
    old, (new, changes) = undisturbed[7][0], undisturbed[8]
    for at in range(1, changes + 1, form.stride):
        place = Place.fresh(server, tmp_path / str(at), form.settings)
        assert place.run(harnesses[0], urls[7]).returncode == 0
        killed = place.run(harnesses[0], urls[8], at=at, command=FRESH)
        assert killed.returncode in (-signal.SIGKILL, 0), killed.stderr
        assert place.rows() in (old, new), at

        again = place.run(harnesses[0], urls[8])

        assert again.returncode == 0, (at, again.stderr)
        assert place.rows() in (old, new), at
        if not form.copies:
            assert place.run(harnesses[0], urls[8], command=("gc", "--yes")).returncode == 0
        assert place.strays() == set(), at


@pytest.mark.fault(62)
def test_a_paused_process_that_wakes_changes_nothing(
    server: Server,
    urls: dict[int, str],
    undisturbed: dict[int, tuple[Rows, int]],
    harnesses: tuple[Harness, Harness],
    tmp_path: Path,
    form: Form,
) -> None:
    """While it holds the lake, others are told so; then one finishes its run, and another one publishes the next."""
    sleeper, other = harnesses
    for at in range(LEASE, undisturbed[8][1] + 1, form.stride):
        place = Place.fresh(server, tmp_path / str(at), form.settings)
        assert place.run(other, urls[7]).returncode == 0
        with paused(place, sleeper, urls[8], at, FRESH) as wake:
            first = place.run(other, urls[8])
            assert first.returncode in (0, BUSY), first.stderr
            for command in (RUN, ("run", "users", "--date", "2026-11-23", "--fresh")):
                assert patient(place, other, urls[8], command) == 0
            before = place.seen(), place.rows()
            woken = wake()
            assert woken.returncode in (0, BUSY), (at, woken.stderr)
            assert "Traceback" not in woken.stderr
            assert (place.seen(), place.rows()) == before, (at, woken.stderr)
        assert patient(place, other, urls[8], FRESH) == 0
        # A copy that was sent late is in its partition until gc: no manifest names it.
        assert {key for key in place.strays() if key.startswith("_axsync")} == set(), at


def test_of_two_processes_one_is_busy(
    server: Server, urls: dict[int, str], harnesses: tuple[Harness, Harness], tmp_path: Path
) -> None:
    """It is told who holds the lake, and the other one ends as if it had not been there."""
    place = replace(Place.fresh(server, tmp_path), ttl=60.0)
    with paused(place, harnesses[0], urls[7], LEASE + 3, RUN) as wake:
        busy = place.run(harnesses[1], urls[8])
        assert (busy.returncode, "another run is using the lake" in busy.stderr) == (BUSY, True), busy.stderr
        assert wake().returncode == 0
    assert (place.seen() is not None, place.strays()) == (True, set())


@contextmanager
def paused(place: Place, harness: Harness, url: str, at: int, command: Sequence[str]) -> Iterator[Callable[[], Ended]]:
    """Run it until it pauses, or ends where it makes fewer changes; what is given wakes it and waits for its end."""
    process = place.start(harness, url, at=at, fault="pause", command=command)
    is_paused = wait_for_pause(process)

    def wake() -> Ended:
        if is_paused:
            os.kill(process, signal.SIGCONT)
        return place.ended(harness)

    try:
        yield wake
    except BaseException:
        with suppress(ProcessLookupError):  # or the one who started it waits for ever
            os.kill(process, signal.SIGKILL)
        raise


def patient(place: Place, harness: Harness, url: str, command: Sequence[str]) -> int:
    """Run it until the lake is free."""
    until = time.monotonic() + PATIENCE
    while (ended := place.run(harness, url, command=command)).returncode == BUSY and time.monotonic() < until:
        time.sleep(place.ttl / 4)
    return ended.returncode
