"""Files that nobody else may read."""

import os
import stat
from pathlib import Path

import pytest

from axsync.credentials.files import locked, read_private, write_private
from axsync.errors import StoreError, StoreExposed


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o177])
def odd_umask(request: pytest.FixtureRequest) -> object:
    before = os.umask(request.param)
    yield
    os.umask(before)


def test_a_file_is_private_whatever_the_umask(tmp_path: Path, odd_umask: object) -> None:
    """Mode 0600 in a folder of mode 0700; no draft is left."""
    path = tmp_path / "axsync" / "list"
    write_private(path, b"one")
    write_private(path, b"two")

    assert read_private(path) == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["list"]


@pytest.mark.parametrize(
    ("mode", "who"), [(0o644, "read"), (0o640, "read"), (0o604, "read"), (0o620, "changed"), (0o602, "changed")]
)
def test_a_file_open_to_others_is_not_used(mode: int, who: str, tmp_path: Path) -> None:
    """Others may have read it, or put it there."""
    path = tmp_path / "list"
    write_private(path, b"content")
    path.chmod(mode)

    with pytest.raises(StoreError, match=rf"has mode {mode:04o} and can be {who} by others$"):
        read_private(path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Reading refuses it; writing puts a file in its place and leaves its target alone."""
    target, path = tmp_path / "target", tmp_path / "list"
    target.write_bytes(b"theirs")
    target.chmod(0o600)
    path.symlink_to(target)

    with pytest.raises(StoreError, match=r"is a symbolic link$"):
        read_private(path)
    write_private(path, b"ours")
    assert (target.read_bytes(), read_private(path)) == (b"theirs", b"ours")


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """In the words of all links; nothing is made where it leads."""
    (tmp_path / "lock").symlink_to(tmp_path / "target")

    with pytest.raises(StoreExposed, match=r"is a symbolic link$"), locked(tmp_path / "lock"):
        pass
    assert not (tmp_path / "target").exists()


def test_a_folder_that_others_can_change_is_not_used(tmp_path: Path) -> None:
    """They could put another file there, whatever the mode of this one."""
    path = tmp_path / "list"
    write_private(path, b"content")
    tmp_path.chmod(0o770)

    sentence = r"has mode 0770 and can be changed by others$"
    with pytest.raises(StoreError, match=sentence):
        read_private(path)
    with pytest.raises(StoreError, match=sentence):
        write_private(path, b"new")


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: os.mkfifo(path, 0o600)], ids=["folder", "pipe"])
def test_what_is_no_file_is_no_store(make: object, tmp_path: Path) -> None:
    """And does not make anybody wait."""
    make(tmp_path / "list")  # type: ignore[operator]

    with pytest.raises(StoreError, match=r"is not a file$"):
        read_private(tmp_path / "list")


def test_no_file_is_no_content(tmp_path: Path) -> None:
    """An absent store is an empty one."""
    assert read_private(tmp_path / "no" / "list") is None


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    """As one sentence about the store; the content that was there stays."""
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StoreError, match=r"cannot be written \(.+\)$"):
        write_private(tmp_path / "file" / "list", b"")
    with pytest.raises(StoreError, match=r"cannot be written \(.+\)$"), locked(tmp_path / "file" / ".lock"):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_of_another_user_is_not_used(tmp_path: Path) -> None:
    """Its owner can put other files there, whatever its mode; where all may write, somebody may have been first."""
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    write_private(folder / "a", b"x")
    os.chown(folder, 12345, 12345)

    with pytest.raises(StoreExposed, match=r"belongs to another user, who can change its content$"):
        read_private(folder / "a")
    with pytest.raises(StoreExposed, match=r"belongs to another user"):
        write_private(folder / "a", b"y")
