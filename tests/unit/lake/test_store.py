"""What every store promises, kept by the one for folders and by the one in memory."""

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from axsync.errors import Busy, NoLake, StorageError
from axsync.lake.layout import LOCK, shard, shard_lock
from axsync.lake.local import LocalStore
from axsync.lake.store import Move, Store
from tests.stores.servers import SERVERS, store_at
from tests.unit.lake.memory import store_in_memory


@pytest.fixture(params=["folder", "objects", *(pytest.param(name, marks=pytest.mark.stores) for name in SERVERS)])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Store:
    if request.param in SERVERS:
        return store_at(SERVERS[request.param](), tmp_path)
    return store_in_memory(tmp_path) if request.param == "objects" else LocalStore(tmp_path / "lake")


@pytest.fixture
def local(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "lake")


def keys(store: Store, pattern: str) -> list[str]:
    """The keys that a pattern fits, once their sizes were found to be right."""
    found = list(store.list(pattern))
    assert [one.size for one in found] == [store.size(one.key) for one in found]
    return [one.key for one in found]


def test_what_was_written_is_read(store: Store) -> None:
    """Whole, its beginning, its size; nothing where nothing is."""
    store.write("a/b", b"content")

    assert (store.read("a/b"), store.read("a/b", 3), store.size("a/b")) == (b"content", b"con", 7)
    assert (store.size("a/c"), store.size("a"), store.has("a"), store.has("c")) == (None, None, True, False)
    with store.open("a/b") as file:
        assert file.read() == b"content"
    with pytest.raises(FileNotFoundError):
        store.read("a/c")


def test_of_two_that_write_where_nothing_is_one_is_told_yes(store: Store) -> None:
    """Also at the same moment; what the other wrote is nowhere."""
    told: list[bool] = []
    gate = threading.Barrier(8)

    def write(number: int) -> None:
        gate.wait()
        told.append(store.write_if_absent("a/b", b"%d" % number))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(told) == [False] * 7 + [True]
    assert store.names("a") == ("b",)


def test_a_content_is_replaced_only_where_it_is_what_was_seen(store: Store) -> None:
    """None seen: only where nothing is."""
    assert not store.replace_if_unchanged("a/b", b"old", b"new")
    assert store.replace_if_unchanged("a/b", None, b"old")
    assert not store.replace_if_unchanged("a/b", None, b"new")
    assert store.replace_if_unchanged("a/b", b"old", b"new")
    assert not store.replace_if_unchanged("a/b", b"old", b"newer")
    assert store.read("a/b") == b"new"


def test_a_content_grows_and_is_cut(store: Store) -> None:
    """Cutting behind its end does nothing, nor where nothing is."""
    assert [store.append("a/b", b"123"), store.append("a/b", b"45")] == [3, 5]
    for size in (9, 4):
        store.truncate("a/b", size)
    store.truncate("a/c", 1)

    assert store.read("a/b") == b"1234"
    assert not store.has("a/c")


def test_what_was_written_whole_can_grow(store: Store) -> None:
    """Such as the journals of a lake that somebody copied from a folder into a store."""
    store.write("a/b", b"123")

    assert store.append("a/b", b"45") == 5
    assert (store.read("a/b"), store.names("a")) == (b"12345", ("b",))


def test_a_draft_has_no_key_before_it_is_sealed(store: Store) -> None:
    """One that is given up leaves nothing."""
    draft, other = store.create("a/b"), store.create("a/c")
    for one in (draft, other):
        one.file.write(b"con")
        one.file.write(b"tent")
    assert not store.has("a/b")

    draft.seal()
    other.abandon()

    assert (store.read("a/b"), store.names("a")) == (b"content", ("b",))


@pytest.mark.parametrize("verb", ["write", "write_if_absent", "create", "append", "truncate"])
def test_what_a_verb_changed_is_durable_when_it_returns(
    local: LocalStore, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes before the name, and the name in its folder."""
    if verb == "truncate":
        local.append("a/b", b"content and more")
    synced: dict[int, int] = {}  # inode → its size when it was last made durable
    real = os.fsync

    def watched(handle: int) -> None:
        found = os.fstat(handle)
        synced[found.st_ino] = found.st_size
        if verb not in {"append", "truncate"} and stat.S_ISREG(found.st_mode):
            assert not local.has("a/b")
        real(handle)

    monkeypatch.setattr(os, "fsync", watched)
    change(local, verb)

    path = Path(local.name("a/b"))
    assert synced[path.stat().st_ino] == len(b"content")
    assert verb == "truncate" or path.parent.stat().st_ino in synced


def change(store: Store, verb: str) -> None:
    """Leave `content` under `a/b`."""
    if verb == "create":
        draft = store.create("a/b")
        draft.file.write(b"content")
        draft.seal()
    elif verb == "truncate":
        store.truncate("a/b", len(b"content"))
    else:
        getattr(store, verb)("a/b", b"content")


def test_keys_are_listed_and_removed(store: Store) -> None:
    """By pattern and by prefix; what is gone already is no error."""
    for key in ("a/1.json", "a/2.json", "a/b/3.json", "c/4.json"):
        store.write(key, b"")

    assert keys(store, "a/*.json") == ["a/1.json", "a/2.json"]
    assert keys(store, "*/**/*.json") == ["a/1.json", "a/2.json", "a/b/3.json", "c/4.json"]
    assert (store.names("a"), store.folders("a"), store.names("d")) == (("1.json", "2.json", "b"), ("b",), ())
    for _ in range(2):
        store.delete("a/1.json")
        store.delete_all("a/b")
    assert keys(store, "a/*") == ["a/2.json"]


def test_what_is_no_lake_is_refused(store: Store) -> None:
    """A lake has something below its control prefix."""
    store.write("entity=devices/x", b"")
    with pytest.raises(NoLake):
        store.refuse_no_lake()
    store.write("_axsync/latest.json", b"")

    store.refuse_no_lake()


def test_one_holds_a_store_at_a_time(store: Store) -> None:
    """The other is told who; it is free again however the block ends."""
    with (
        store.hold("_axsync/lock", what="the lake", run="a"),
        pytest.raises(Busy, match=r"another run is using the lake: .*run a"),
        store.hold("_axsync/lock", what="the lake", run="b"),
    ):
        pass
    with pytest.raises(ZeroDivisionError), store.hold("_axsync/lock", what="the lake", run="c"):
        raise ZeroDivisionError

    with store.hold("_axsync/lock", what="the lake", run="d"):
        pass


def test_those_of_one_run_share_a_store(store: Store) -> None:
    """Nobody else gets it meanwhile: neither alone nor for another run; and whoever is alone shares with nobody.

    Each of them has a lock of its own within, and nobody has that one besides.
    """
    other = store if isinstance(store, LocalStore) else replace(store, _who=uuid4())  # type: ignore[type-var]
    with at_shard(store, "a", 0):
        with at_shard(other, "a", 1):
            pass
        with pytest.raises(Busy, match=r"another run is using shard 0: .*run a"), at_shard(other, "a", 0):
            pass
        with (
            pytest.raises(Busy, match=r"another run is using the lake: .*run a"),
            other.hold(LOCK, run="a", what="the lake"),
        ):
            pass
        with pytest.raises(Busy, match=r"another run is using the lake: .*run a"), at_shard(other, "b", 0):
            pass
    with other.hold(LOCK, run="b", what="the lake"), pytest.raises(Busy, match="run b"), at_shard(store, "a", 0):
        pass
    with at_shard(other, "b", 0):
        pass


@contextmanager
def at_shard(store: Store, run: str, number: int) -> Iterator[None]:
    with (
        store.hold(LOCK, run=run, shared=True, what="the lake"),
        store.hold(shard_lock(run, number), run=shard(run, number), what=f"shard {number}"),
    ):
        yield


def test_pyarrow_reads_by_key(store: Store) -> None:
    """Also keys with characters that mean something in a URI."""
    store.write("entity=a b/dt=1%/part-?.parquet", b"content")
    with store.file_system().open_input_file("entity=a b/dt=1%/part-?.parquet") as file:
        assert file.read() == b"content"


def test_what_was_cut_short_is_found_and_removed(local: LocalStore) -> None:
    """By keys that no pattern of a reader fits."""
    local.write("a/b", b"content")
    Path(local.name("a/.b.draft")).write_bytes(b"con")

    (found,) = local.unfinished("a")
    assert (found.key, found.size) == ("a/.b.draft", 3)
    local.delete(found.key)
    assert (list(local.unfinished("a")), local.names("a")) == ([], ("b",))


def test_folders_that_become_empty_go(local: LocalStore) -> None:
    """Up to one that holds something, and never the root."""
    for key in ("a/b/c/1", "a/2", "d/e/3"):
        local.write(key, b"")
    local.delete_all("a/b/c")
    local.delete_all("d/e")

    assert (local.names(""), local.names("a")) == (("a",), ("2",))
    local.delete_all("a")
    assert Path(local.name()).is_dir()


def test_a_commit_moves_what_is_named_and_can_be_repeated(store: Store) -> None:
    """Into a place that is new, and into one where something is."""
    for _ in range(2):
        for name in ("1", "2"):
            store.write(f"staged/{name}", name.encode())
        store.commit([Move("staged", "final/place", frozenset({"1", "2"}))])
    store.write("staged/3", b"3")
    store.commit([Move("staged", "final/place", frozenset({"2", "3"}))])

    assert [store.read(f"final/place/{name}") for name in store.names("final/place")] == [b"1", b"2", b"3"]
    with pytest.raises(FileNotFoundError):
        store.commit([Move("staged", "final/place", frozenset({"4"}))])


def test_what_cannot_be_removed_keeps_nothing_else(tmp_path: Path) -> None:
    """A folder in the place of a file, say; the error comes when the others are gone."""
    store = LocalStore(tmp_path)
    for key in ("a/1", "a/2", "a/3/4"):
        store.write(key, b"x")

    with pytest.raises(OSError, match=r"directory|not permitted"):
        store.delete("a/1", "a/3", "a/2", "a/gone")
    assert store.names("a") == ("3",)


def test_nothing_is_committed_through_a_link_that_leads_out(tmp_path: Path) -> None:
    """Whoever put it there meanwhile."""
    store = LocalStore(tmp_path / "lake")
    store.write("staged/1", b"1")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "lake/final").symlink_to(tmp_path / "elsewhere")

    assert not store.is_inside("final/place")
    with pytest.raises(StorageError, match="leads out of the lake"):
        store.commit([Move("staged", "final/place", frozenset({"1"}))])


def test_a_link_to_nowhere_is_not_taken_for_nothing(tmp_path: Path) -> None:
    """A pointer that cannot be read is no empty lake."""
    store = LocalStore(tmp_path)
    (tmp_path / "pointer").symlink_to("nowhere")

    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)) as caught:
        store.read("pointer")
    assert not isinstance(caught.value, FileNotFoundError)
