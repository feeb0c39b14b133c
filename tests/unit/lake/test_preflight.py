"""What makes a lake unfit to be published to, seen before anything is written."""

import sys
from pathlib import Path

import pytest

from axsync.errors import LakeError, ManifestNewer, NewestDamaged
from axsync.lake import layout, local
from axsync.lake.publish import RunTargets
from tests.unit.lake.folders import FolderLake

DAY = "2026-11-20"
DEVICES = RunTargets(["devices"], ["prod"], DAY)
ALL = RunTargets([], ["prod"], DAY)
PARTITION = f"entity=devices/instance=prod/dt={DAY}"
CHAIN = ["entity=devices", "entity=devices/instance=prod", PARTITION]
OTHER = Path("/dev/shm")  # noqa: S108  only looked at


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    return FolderLake(tmp_path / "a lake")


def test_a_lake_that_is_not_there_is_fit(lake: FolderLake) -> None:
    """It is made later; looking at it makes nothing."""
    lake.preflight(ALL)

    assert not lake.root.exists()


@pytest.mark.parametrize("aims", [DEVICES, ALL])
@pytest.mark.parametrize("place", ["_axsync", "_axsync/runs", "_axsync/snapshots", *CHAIN])
def test_a_file_in_the_place_of_a_folder(lake: FolderLake, place: str, aims: RunTargets) -> None:
    """It is named, at every level, whether the entity type was named or not."""
    (lake.root / place).parent.mkdir(parents=True)
    (lake.root / place).touch()

    with pytest.raises(LakeError, match=f"'{place}' is not a folder"):
        lake.preflight(aims)


@pytest.mark.parametrize("place", ["entity=users", "entity=devices/instance=dev", f"{PARTITION}1", "notes"])
def test_what_a_run_does_not_write_to_may_be_anything(lake: FolderLake, place: str) -> None:
    """Other entity types, instances and days, and other people's files."""
    (lake.root / place).parent.mkdir(parents=True)
    (lake.root / place).touch()

    lake.preflight(DEVICES)


@pytest.mark.skipif(not OTHER.is_dir(), reason="another file system that is there everywhere")
@pytest.mark.parametrize("place", ["_axsync", "_axsync/runs", *CHAIN])
def test_a_folder_on_another_device(lake: FolderLake, place: str) -> None:
    """Nothing can be moved into it."""
    if lake.root.parent.stat().st_dev == OTHER.stat().st_dev:
        pytest.skip("temporary files are on that file system")
    (lake.root / place).parent.mkdir(parents=True)
    (lake.root / place).symlink_to(OTHER)

    prefixes = (layout.RUNS, layout.SNAPSHOTS, *lake._partitions(ALL))
    with pytest.raises(LakeError, match=f"'{place}' is on a different file system"):
        local._refuse_unfit(lake.root, prefixes)  # a link stands for a mount, and would be refused before


@pytest.mark.skipif(sys.platform != "linux", reason="its table of mounts")
@pytest.mark.parametrize("place", ["_axsync", "_axsync/snapshots", *CHAIN])
def test_a_folder_that_is_mounted_from_the_same_device(
    lake: FolderLake, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As containers mount folders of one volume; the blank in the path is written as the kernel does."""
    (lake.root / PARTITION).mkdir(parents=True)
    (lake.root / place).mkdir(parents=True, exist_ok=True)
    escaped = str(lake.root / place).replace(" ", r"\040")
    table = tmp_path / "mountinfo"
    table.write_text(f"22 1 8:1 / / rw - ext4 /dev/vda rw\n23 22 8:1 /volume {escaped} rw - ext4 /dev/vda rw\n")
    monkeypatch.setattr(local, "MOUNTS", table)

    with pytest.raises(LakeError, match=f"'{place}' is on a different file system or a separate mount"):
        lake.preflight(ALL)


def test_a_lake_that_is_mounted_as_a_whole_is_fit(
    lake: FolderLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is then on one file system."""
    (lake.root / PARTITION).mkdir(parents=True)
    escaped = str(lake.root).replace(" ", r"\040")
    table = tmp_path / "mountinfo"
    table.write_text(f"23 22 8:1 /volume {escaped} rw - ext4 /dev/vda rw\n")
    monkeypatch.setattr(local, "MOUNTS", table)

    lake.preflight(ALL)


@pytest.mark.parametrize("manifest", ["", '{"run_id":', "[]", '{"format_version": 1, "run_id": "x", "lanes": 7}'])
def test_a_newest_snapshot_that_cannot_be_read(lake: FolderLake, manifest: str) -> None:
    """Seen before a run begins, and not when it ends."""
    (lake.root / "_axsync/snapshots").mkdir(parents=True)
    (lake.root / "_axsync/latest.json").write_text('{"run_id": "x", "manifest": "snapshots/x.json"}')
    (lake.root / "_axsync/snapshots/x.json").write_text(manifest)

    with pytest.raises(NewestDamaged):
        lake.preflight(ALL)


def test_a_newest_snapshot_of_a_later_version_is_not_called_damaged(lake: FolderLake) -> None:
    """To move its pointer away would be bad advice."""
    (lake.root / "_axsync/snapshots").mkdir(parents=True)
    (lake.root / "_axsync/latest.json").write_text('{"run_id": "x", "manifest": "snapshots/x.json"}')
    (lake.root / "_axsync/snapshots/x.json").write_text('{"format_version": 3, "run_id": "x"}')

    with pytest.raises(ManifestNewer, match="reads no newer one than 2"):
        lake.preflight(ALL)
