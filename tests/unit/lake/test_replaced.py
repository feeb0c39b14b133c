"""What goes when a day is replaced, what stays, and what is said where it cannot go."""

import errno
from pathlib import Path

import pytest

from axsync.lake.history import find_run
from axsync.lake.replaced import remove_replaced
from axsync.model import Outcome
from axsync.snapshots.verify import verify
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import DEVICES, USERS, Type, devices, facts, outcome, publish

OLD, NEW = facts("2026-11-25"), facts("2026-11-25", "bbbb")


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    return FolderLake(tmp_path / "lake")


def parts_of(lake: FolderLake, day: str, entity: str = "users") -> list[str]:
    return sorted(path.name for path in lake.root.glob(f"entity={entity}/instance=prod/dt={day}/*.parquet"))


def published_again(lake: FolderLake) -> list[str]:
    """A second run of the day, with both types; what is said about the first one's files."""
    outcomes = [outcome(lake, NEW, Type(lane, rows=devices(4))) for lane in (DEVICES, USERS)]
    lake.publish(NEW, outcomes, finished_at="2026-11-25T03:00:00Z")
    return remove_replaced(lake, NEW, outcomes)


@pytest.mark.fault(54)
def test_files_that_stand_in_for_another_day_stay(lake: FolderLake) -> None:
    """The later day is as whole as before, and it is said that a glob sees both; the other type's files go."""
    publish(lake, OLD, Type(rows=devices(3)), Type(USERS, rows=devices(3)))
    later = publish(lake, facts("2026-11-26"), Type(rows=devices(5)), Outcome(USERS, "partial", "down"))
    told = published_again(lake)

    assert [text.split(" names files in ")[0] for text in told] == ["the snapshot of 2026-11-26"]
    assert verify(lake, find_run(lake, later)).faults == ()
    assert verify(lake, find_run(lake, "latest")).faults == ()
    assert len(parts_of(lake, "2026-11-25")) == 2
    assert len(parts_of(lake, "2026-11-25", "devices")) == 1


@pytest.mark.fault(54)
def test_a_replaced_snapshot_of_another_day_holds_nothing(lake: FolderLake) -> None:
    """The newest run of that day has the type itself: what stood in for it goes."""
    publish(lake, OLD, Type(rows=devices(3)), Type(USERS, rows=devices(3)))
    publish(lake, facts("2026-11-26"), Type(rows=devices(5)), Outcome(USERS, "partial", "down"))
    publish(lake, facts("2026-11-26", "bbbb"), Type(rows=devices(5)), Type(USERS, rows=devices(3)))

    assert published_again(lake) == []
    assert len(parts_of(lake, "2026-11-25")) == 1


@pytest.mark.fault(53)
def test_what_cannot_be_removed_is_told_and_nothing_fails(lake: FolderLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is kept for ever by the disk (WORM): the others go, and the new snapshot stands."""
    publish(lake, OLD, Type(rows=devices(3), files=3), Type(USERS, rows=devices(3)))
    kept, real = parts_of(lake, "2026-11-25", "devices")[1], Path.unlink

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if path.name == kept and "staging" not in path.parts:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    (told,) = published_again(lake)

    assert "cannot be removed (1 of them, such as entity=devices/" in told
    assert told.endswith("Operation not permitted); a glob sees both until axsync gc --yes has removed them")
    assert verify(lake, find_run(lake, "latest")).faults == ()
    assert (len(parts_of(lake, "2026-11-25", "devices")), len(parts_of(lake, "2026-11-25"))) == (2, 1)


@pytest.mark.fault(53)
def test_a_manifest_that_cannot_be_listed_is_told(lake: FolderLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong behind the pointer."""
    publish(lake, OLD, Type(rows=devices(3)))

    def refuse(path: Path) -> None:
        raise OSError(errno.EIO, f"Input/output error in {path.name}")

    monkeypatch.setattr(Path, "iterdir", refuse)
    outcomes = [outcome(lake, NEW, Type(rows=devices(4)))]
    (told,) = remove_replaced(lake, NEW, outcomes)

    assert told.startswith("the snapshot is published, but files of the day's earlier one cannot be removed")
