"""The same kills on a lake of tables, whose commits cannot be taken back."""

import shutil
import signal
from pathlib import Path

import pytest

from tests.faults.torture.lakes import Rows, readable, rows_of, rows_of_tables, strays
from tests.faults.torture.place import FULL, Harness, Place

PUBLICATION = {"delta": 100, "iceberg": 140}
"""More operations than a publication has; what comes before is as in any lake."""
POINTS = {"delta": 3, "iceberg": 2}
"""So many of them are tried, where not all are."""


@pytest.fixture(autouse=True)
def planner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polars reads metadata by pyiceberg, and does not ask for a package of its own."""
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")


@pytest.fixture(scope="module", params=PUBLICATION)
def form(request: pytest.FixtureRequest) -> str:
    """The format of the lake."""
    return str(request.param)


@pytest.fixture(scope="module")
def calm(
    urls: dict[int, str], harness: Harness, tmp_path_factory: pytest.TempPathFactory, form: str
) -> dict[int, Place]:
    """Per server: a lake that nothing disturbed."""
    found = {}
    for seed, url in urls.items():
        found[seed] = Place(tmp_path_factory.mktemp(f"calm{seed}"), harness, form)
        assert found[seed].run(url).returncode == 0
    return found


@pytest.mark.fault(1, 4)
@pytest.mark.parametrize("fault", ["kill", "power"])
def test_a_run_killed_at_any_operation_shows_the_old_or_the_new_snapshot(
    fault: str, urls: dict[int, str], calm: dict[int, Place], harness: Harness, tmp_path: Path, form: str
) -> None:
    """The pinned versions have the rows of the snapshot, before and after the same command has come to its end."""
    old, new = rows_of(calm[7].lake), rows_of(calm[8].lake)
    last, stride = calm[8].operations + 6, 1 if FULL else PUBLICATION[form] // POINTS[form]
    first = stride // 2 if fault == "power" else 0
    place, before = calm[7], tmp_path / "before"
    shutil.copytree(place.lake, before)
    for at in range(last - PUBLICATION[form] + first, last, stride):
        shutil.rmtree(place.lake)
        shutil.copytree(before, place.lake)  # a lake of Iceberg cannot be elsewhere
        assert place.run(urls[8], at=at, fault=fault).returncode in (-signal.SIGKILL, 0)
        assert seen(place.lake) in (old, new), at

        again = place.run(urls[8])

        assert again.returncode == 0, (at, again.stderr)
        assert seen(place.lake) == new, at
        assert strays(place.lake) == set(), at
    shutil.rmtree(place.lake)
    shutil.copytree(before, place.lake)


def seen(lake: Path) -> Rows:
    """What readers of manifests and of tables see alike."""
    assert readable(lake) is not None
    rows = rows_of(lake)
    assert rows_of_tables(lake) == rows
    return rows
