import os
from pathlib import Path

import pytest

from axsync.errors import StorageError
from axsync.lake import layout
from axsync.lake.local import LocalStore, append, replace_file
from axsync.lake.store import storage_errors
from tests.unit.lake.runs import DISK, Interrupted


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """Its folders are made; nothing else is left beside it."""
    path = tmp_path / "a" / "b" / "latest.json"

    replace_file(path, b"old")
    replace_file(path, b"new")

    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_an_interrupted_replacement_changes_nothing(tmp_path: Path) -> None:
    """Until the name is given, readers see the old content; the next replacement is not disturbed by the draft."""
    path = tmp_path / "latest.json"
    replace_file(path, b"old")

    with pytest.raises(Interrupted), DISK.watched(tmp_path, 0):
        replace_file(path, b"new")

    assert path.read_bytes() == b"old"
    replace_file(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_is_hidden(tmp_path: Path) -> None:
    """Its name begins with a point, so that no glob takes it for a manifest."""
    with pytest.raises(Interrupted), DISK.watched(tmp_path, 0):
        replace_file(tmp_path / "latest.json", b"new")

    assert [path.name for path in tmp_path.iterdir()] == [".latest.json.draft"]


def test_appending_adds_to_a_file(tmp_path: Path) -> None:
    """Which is made where it is not there."""
    path = tmp_path / "runs" / "letters.jsonl"

    append(path, b"one\n")
    append(path, b"two\n")

    assert path.read_bytes() == b"one\ntwo\n"


def test_what_another_library_wrote_is_shared_and_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File and folder have the rights of the lake, and are on the disk with their names."""
    store, synced = LocalStore(tmp_path, 0o640, 0o750), list[int]()
    log = tmp_path / "tables/devices/_delta_log"
    log.mkdir(parents=True, mode=0o700)
    (log / "0.json").write_bytes(b"{}")
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))

    store.adopt("tables/devices/_delta_log/0.json")

    assert [path.stat().st_mode & 0o777 for path in (log / "0.json", log)] == [0o640, 0o750]
    assert synced == [path.stat().st_ino for path in (log / "0.json", log, log.parent)]


def test_what_is_removed_with_all_below_it_stays_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a power cut."""
    store, synced = LocalStore(tmp_path), list[int]()
    store.write("runs/a/staging/part", b"")
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    store.delete_all("runs/a/staging")
    store.delete_all("nothing/here")

    assert (list(tmp_path.iterdir()), synced) == ([], [tmp_path.stat().st_ino])


def test_a_disks_error_is_one_sentence() -> None:
    """What was done, and the system's own words; the cause is kept."""
    with (
        pytest.raises(StorageError, match=r"^cannot publish: No space left on device$") as caught,
        storage_errors("publish"),
    ):
        raise OSError(28, os.strerror(28))

    assert isinstance(caught.value.__cause__, OSError)


def test_an_error_without_a_number_keeps_its_words() -> None:
    """Such errors come from pyarrow."""
    with pytest.raises(StorageError, match=r"^cannot write: weird$"), storage_errors("write"):
        raise OSError("weird")


def test_a_folder_for_temporary_files_goes_with_its_block_and_others_with_their_process(tmp_path: Path) -> None:
    """What a killed process left is removed by the next; two at a time keep out of each other's way."""
    store = LocalStore(tmp_path)
    (tmp_path / layout.SCRATCH / "left").mkdir(parents=True)
    with store.scratch() as one, store.scratch() as other:
        assert one is not None
        assert other is not None
        assert sorted((tmp_path / layout.SCRATCH).iterdir()) == sorted(map(Path, (one, other)))
    assert not (tmp_path / layout.SCRATCH).exists()

    (tmp_path / layout.SCRATCH).write_text("")  # as good as a lake that cannot be written
    with store.scratch() as none:
        assert none is None


def test_other_errors_are_not_the_disks() -> None:
    """They pass as they are."""
    with pytest.raises(KeyError), storage_errors("write"):
        raise KeyError
