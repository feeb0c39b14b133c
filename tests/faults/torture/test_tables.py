"""The same kills on a lake of tables, whose commits cannot be taken back."""

import shutil
import signal
from pathlib import Path

import pytest

from tests.faults.torture.lakes import Rows, readable, rows_of, rows_of_tables, strays
from tests.faults.torture.place import FULL, Harness, Place

STRIDE = 1 if FULL else 33
PUBLICATION = 100
"""More operations than a publication has; what comes before is as in any lake."""


@pytest.fixture(scope="module")
def calm(urls: dict[int, str], harness: Harness, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Place]:
    """Per server: a lake that nothing disturbed."""
    found = {}
    for seed, url in urls.items():
        found[seed] = Place(tmp_path_factory.mktemp(f"calm{seed}"), harness, "delta")
        assert found[seed].run(url).returncode == 0
    return found


@pytest.mark.fault(1, 4)
@pytest.mark.parametrize(("fault", "first"), [("kill", 0), ("power", STRIDE // 2)])
def test_a_run_killed_at_any_operation_shows_the_old_or_the_new_snapshot(
    fault: str, first: int, urls: dict[int, str], calm: dict[int, Place], harness: Harness, tmp_path: Path
) -> None:
    """The pinned versions have the rows of the snapshot, before and after the same command has come to its end."""
    old, new = rows_of(calm[7].lake), rows_of(calm[8].lake)
    last = calm[8].operations + 6
    for at in range(last - PUBLICATION + first, last, STRIDE):
        place = Place(tmp_path / str(at), harness, "delta")
        shutil.copytree(calm[7].lake, place.lake)
        assert place.run(urls[8], at=at, fault=fault).returncode in (-signal.SIGKILL, 0)
        assert seen(place.lake) in (old, new), at

        again = place.run(urls[8])

        assert again.returncode == 0, (at, again.stderr)
        assert seen(place.lake) == new, at
        assert strays(place.lake) == set(), at


def seen(lake: Path) -> Rows:
    """What readers of manifests and of tables see alike."""
    assert readable(lake) is not None
    rows = rows_of(lake)
    assert rows_of_tables(lake) == rows
    return rows
