"""Kill a run at a durable operation, and let *another* command follow: then all who look at the lake agree.

`make test` takes a few mixtures by seed, `make torture` every operation and many mixtures.
"""

import random
import shutil
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from axsync.cli import main
from axsync.errors import UnknownRun
from axsync.lake.history import FoundRun, find_run, half_published
from axsync.lake.layout import SNAPSHOTS, day_of, folder_of, run_of_manifest, run_of_part
from axsync.snapshots.unpublished import all_runs
from axsync.snapshots.verify import verify
from tests.faults.torture.place import FULL, RUN, Harness, Place
from tests.unit.lake.folders import FolderLake

MIXTURES = 300 if FULL else 4
LAST = 70
"""So many operations at the end of a run are its publication: half of the kills fall among them."""
BEFORE = ("run", "--date", "2026-11-22")
COMMANDS = (
    ("run", "users", "--date", "2026-11-23"),
    ("run", "users", "--date", "2026-11-23", "--fresh"),
    ("run", "devices", "--date", "2026-11-22", "--fresh"),
    (*RUN, "--fresh"),
    ("run", "--date", "2026-11-24"),
    ("gc", "--yes"),
    RUN,
)


@pytest.fixture(scope="module")
def days(urls: dict[int, str], harness: Harness, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A lake with two days, and how many operations a run that replaces the second one makes."""
    place = Place(tmp_path_factory.mktemp("days"), harness)
    for command in (BEFORE, RUN):
        assert place.run(urls[7], command=command).returncode == 0
    template = place.lake.rename(place.lake.with_name("template"))
    shutil.copytree(template, place.lake)
    assert place.run(urls[8], command=(*RUN, "--fresh")).returncode == 0
    return template, place.operations


def looked_at(lake: Path, *command: str) -> str:
    result = CliRunner().invoke(main, [*command, "--lake", str(lake)])
    assert result.exit_code == 0, (command, result.output)
    return result.stdout


def check_agreement(folder: Path) -> None:
    """`runs`, `latest~1`, `diff`, `sql`, `verify`, a glob and whoever reads manifests: one lake."""
    lake = FolderLake(folder)
    history = all_runs(lake, datetime.now(UTC))
    published = {run.run_id for run in history.runs if run.finished_at}
    assert (history.errors, half_published(lake)) == ((), ())
    assert set(filter(None, (run_of_manifest(path.name) for path in (folder / SNAPSHOTS).iterdir()))) == published
    for other in {run.run_id for run in history.runs} - published:
        with pytest.raises(UnknownRun):
            find_run(lake, other)
    current = [find_run(lake, day) for day in {run.logical_date for run in history.runs if run.run_id in published}]
    for one in current:
        assert verify(lake, one).faults == (), one.snapshot.run_id
    check_glob(lake, published, current)
    looked_at(folder, "verify", "latest")
    if find_run(lake, "latest").snapshot.logical_date > "2026-11-22":
        looked_at(folder, "verify", "latest~1")
        looked_at(folder, "diff", "latest~1", "latest", "--output", "json")
        looked_at(folder, "sql", "--run", "latest~1", "select count(*) from devices")


def check_glob(lake: FolderLake, published: set[str], current: Sequence[FoundRun]) -> None:
    """A snapshot names each file that it finds; those of a partition are of one run, but for what another day needs."""
    named = {path for run_id in published for path in files_of(find_run(lake, run_id))}
    needed = {path for one in current for path in files_of(one) if day_of(path) != one.snapshot.logical_date}
    found = {path.relative_to(lake.root).as_posix() for path in lake.root.glob("entity=*/**/*.parquet")}
    assert found <= named
    newest = {path for one in current for path in files_of(one)} - needed
    runs = {(folder_of(path), run_of_part(path)) for path in found if path in newest or path not in needed}
    assert len(runs) == len({folder for folder, _ in runs}), runs


def files_of(run: FoundRun) -> list[str]:
    return [file.path for lane in run.snapshot.lanes for file in lane.files]


@pytest.mark.fault(41, 57)
def test_whatever_is_killed_and_whatever_follows_all_agree(
    urls: dict[int, str], days: tuple[Path, int], harness: Harness, tmp_path: Path
) -> None:
    """One or two commands are killed at any operation, another one runs to its end."""
    chance = random.Random(12)
    template, operations = days
    for number in range(MIXTURES):
        place = Place(tmp_path / str(number), harness)
        shutil.copytree(template, place.lake)
        told = list[object]()
        for command in [(*RUN, "--fresh"), *([chance.choice(COMMANDS)] if chance.random() < 0.4 else ())]:
            last = chance.random() < 0.6
            at = operations - chance.randrange(LAST) if last else chance.randrange(1, operations)
            killed = place.run(urls[8], at=at, command=command)
            assert killed.returncode in (-signal.SIGKILL, 0), killed.stderr
            told += [command, at]
        follow(place, urls, chance.choice(COMMANDS[:-1]), told)


@pytest.mark.fault(41, 57)
@pytest.mark.skipif(not FULL, reason="make torture")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_at_every_operation(
    command: Sequence[str], urls: dict[int, str], days: tuple[Path, int], harness: Harness, tmp_path: Path
) -> None:
    """The end of the run, where it publishes, with every command behind it."""
    template, operations = days
    for at in range(operations - LAST, operations + 1):
        place = Place(tmp_path / str(at), harness)
        shutil.copytree(template, place.lake)
        place.run(urls[8], at=at, command=(*RUN, "--fresh"))
        follow(place, urls, command, [at])
        shutil.rmtree(place.lake)


def follow(place: Place, urls: dict[int, str], command: Sequence[str], told: list[object]) -> None:
    ended = place.run(urls[8], command=command)
    try:
        assert ended.returncode == 0, ended.stderr
        check_agreement(place.lake)
    except BaseException as error:
        error.add_note(f"{told}, then {' '.join(command)}")
        raise
