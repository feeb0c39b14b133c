"""How parts come to their place, as a reader with a glob sees it."""

from pathlib import Path

import pytest

from axsync.lake import layout
from tests.unit.lake.folders import FolderLake
from tests.unit.lake.runs import DEVICES, DISK, USERS, Interrupted, facts, parts_below, publish, stage, whole


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    return FolderLake(tmp_path / "lake")


def test_a_new_partition_appears_whole(lake: FolderLake) -> None:
    """In one step, however many parts it has."""
    run = facts()
    parts = stage(lake, run, DEVICES, 3, 4, 5)

    with DISK.watched(lake.root) as steps:
        publish(lake, run, whole(DEVICES, parts))

    assert [step for step in steps if "dt=" in step] == ["rename entity=devices/instance=prod/dt=2026-11-23"]
    assert parts_below(lake.root) == sorted(part.path for part in parts)


def test_what_is_no_part_of_the_run_is_not_moved(lake: FolderLake) -> None:
    """A stray file in the staging folder stays behind."""
    run = facts()
    parts = stage(lake, run, DEVICES, 3)
    stray = (lake.root / layout.staging(run.run_id) / parts[0].path).with_name("part-x-00009.parquet.open")
    stray.write_bytes(b"unsealed")
    publish(lake, run, whole(DEVICES, parts))

    assert [path.name for path in (lake.root / parts[0].path).parent.iterdir()] == [Path(parts[0].path).name]


@pytest.mark.parametrize("step", range(6))
def test_a_first_publication_is_repeatable(lake: FolderLake, step: int) -> None:
    """Interrupted before any step, and done again."""
    run = facts()
    outcomes = [whole(lane, stage(lake, run, lane, 4, 5)) for lane in (DEVICES, USERS)]

    with pytest.raises(Interrupted), DISK.watched(lake.root, step):
        publish(lake, run, *outcomes)
    assert lake.newest() is None
    publish(lake, run, *outcomes)

    assert parts_below(lake.root) == sorted(part.path for outcome in outcomes for part in outcome.parts)
