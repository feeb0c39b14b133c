"""What the store of objects does beyond the contract that all stores keep (`test_store.py`)."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import obstore
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from obstore.exceptions import PermissionDeniedError
from obstore.store import MemoryStore

from axsync.errors import Busy, LakeError, Overtaken
from axsync.lake import layout
from axsync.lake.layout import LOCK
from axsync.lake.numbered import NumberedPiece, encode, piece_key
from axsync.lake.objects import ONE_PUT, ObjectStore
from axsync.lake.store import Move
from tests.unit.lake.memory import store_in_memory


@pytest.fixture
def two(tmp_path: Path) -> tuple[ObjectStore, ObjectStore]:
    """Two processes that share a bucket."""
    bucket = MemoryStore()
    return store_in_memory(tmp_path, bucket), store_in_memory(tmp_path, bucket)


def seal(store: ObjectStore) -> None:
    draft = store.create("part")
    draft.file.write(b"late")
    draft.seal()


CHANGES: list[Callable[[ObjectStore], object]] = [
    lambda store: store.write("a", b""),
    lambda store: store.write_if_absent("fresh", b""),
    lambda store: store.replace_if_unchanged("there", b"1", b"2"),
    lambda store: store.append("grown", b"late"),
    lambda store: store.truncate("grown", 1),
    lambda store: store.delete("there"),
    lambda store: store.delete_all("folder"),
    lambda store: store.commit([Move("folder", "final", frozenset({"one"}))]),
    lambda store: store.options(),
    seal,
]


def everything(store: ObjectStore) -> dict[str, bytes]:
    return {one.key: store.read(one.key) for one in store.list("**/*") if not one.key.endswith("lock")}


def expire(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let others believe that its process has ended, and itself that it slept."""
    monkeypatch.setattr("axsync.lake.lease._has_ended", lambda _lock: True)
    monkeypatch.setattr(store._lease, "_at", -1e9)


def test_who_was_overtaken_changes_nothing(
    two: tuple[ObjectStore, ObjectStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By none of the verbs; the other one goes on undisturbed."""
    paused, other = two
    with paused.hold(LOCK, what="the lake", run="a"):
        for key in ("there", "folder/one"):
            paused.write(key, b"1")
        paused.append("grown", b"123")
        expire(paused, monkeypatch)
        with other.hold(LOCK, what="the lake", run="b"):
            before = everything(other)
            for change in CHANGES:
                with pytest.raises(Overtaken):
                    change(paused)
            assert everything(other) == before
            other.append("grown", b"45")
        assert other.read("grown") == b"12345"


def test_what_an_overtaken_one_appended_at_the_last_moment_is_void(tmp_path: Path) -> None:
    """Its request was under way, and came when the new holder had looked how far the content goes."""
    store = store_in_memory(tmp_path)
    with store.hold(LOCK, what="the lake", run="a"):
        store.append("grown", b"123")
        late = encode(NumberedPiece(3, uuid4(), b"late"))
        assert store.write_if_absent(piece_key("grown", 1), late)
        store.append("grown", b"45")

    assert store.read("grown") == b"12345"


def test_two_that_append_without_a_lease_lose_nothing(two: tuple[ObjectStore, ObjectStore]) -> None:
    """The second one is told, since neither can prove that it may."""
    one, other = two
    one.append("grown", b"1")
    other.append("grown", b"2")
    with pytest.raises(OSError, match="another process writes to it"):
        one.append("grown", b"3")
    assert other.read("grown") == b"12"


def test_each_holder_has_numbers_of_its_own(two: tuple[ObjectStore, ObjectStore]) -> None:
    """A number of one is never one of another; without a lease there is none."""
    epochs = [two[0].epoch()]
    for store in (*two, *two):
        with store.hold(LOCK, what="the lake", run="a"):
            epochs.append(store.epoch())

    assert epochs == [0, 1, 2, 3, 4]


def test_a_store_that_is_held_elsewhere_is_busy(two: tuple[ObjectStore, ObjectStore]) -> None:
    """And free again at once when that one has ended."""
    one, other = two
    with (
        one.hold(LOCK, what="the lake", run="a"),
        pytest.raises(Busy),
        other.hold(LOCK, what="it", run="b"),
    ):
        pass
    with other.hold(LOCK, what="the lake", run="b"):
        pass


def test_a_browser_shows_a_report_in_a_bucket(two: tuple[ObjectStore, ObjectStore]) -> None:
    """It goes by what the store says of a page, not by its name."""
    store, _ = two
    store.write(layout.INDEX, b"<html>")

    told = obstore.get(store.bucket, f"lakes/one/{layout.INDEX}").attributes
    assert told["Content-Type"] == "text/html; charset=utf-8"


def test_drafts_go_with_their_store(tmp_path: Path) -> None:
    """And those of a process that was killed with the next one."""
    (tmp_path / "drafts/left").mkdir(parents=True)
    store = store_in_memory(tmp_path)
    store.create("part").file.close()
    assert [path.name for path in (tmp_path / "drafts").iterdir()] != ["left"]
    del store

    assert [*(tmp_path / "drafts").iterdir()] == []


def test_what_cannot_be_removed_keeps_none_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a store tells of the first one only that is not there, as Azure and GCS do."""
    store, real = store_in_memory(tmp_path), obstore.delete
    for key in "abc":
        store.write(key, b"")

    def picky(bucket: MemoryStore, paths: str | list[str]) -> None:
        if not isinstance(paths, str):
            raise FileNotFoundError
        if paths.endswith("b"):
            raise PermissionDeniedError("<Code>AccessDenied</Code>")
        real(bucket, paths)

    monkeypatch.setattr(obstore, "delete", picky)
    with pytest.raises(OSError, match="permission denied"):
        store.delete(*"abcd")
    assert store.names("") == ("b",)


@pytest.mark.fault(65)
def test_a_store_that_is_blind_to_conditions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As old versions of Ceph, and of some fakes: they take every write."""
    store, real = store_in_memory(tmp_path), obstore.put
    store.preflight()
    assert store.names("") == ()

    def takes_all(bucket: MemoryStore, path: str, content: bytes, **_: object) -> object:
        return real(bucket, path, content)

    blind = store_in_memory(tmp_path)
    monkeypatch.setattr(obstore, "put", takes_all)
    with pytest.raises(LakeError, match="cannot be written safely: the store does not heed conditions"):
        blind.preflight()
    assert blind.names("") == ()


def test_what_grew_in_many_pieces_is_one_behind_its_holder(two: tuple[ObjectStore, ObjectStore]) -> None:
    """Others ask for one object then; who goes on does so behind it."""
    one, other = two
    with one.hold(LOCK, what="the lake", run="a"):
        for number in range(6):
            one.append("grown", b"%d" % number)
    assert [path for path in one._objects("") if path != LOCK] == [piece_key("grown", 6)]
    assert other.read("grown") == b"012345"

    with other.hold(LOCK, what="the lake", run="b"):
        assert other.append("grown", b"6") == 7
    assert one.read("grown") == b"0123456"


def test_what_was_read_while_the_lake_is_held_is_not_asked_for_again(
    two: tuple[ObjectStore, ObjectStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is changed, or others may change it."""
    one, other = two
    one.write("a", b"1")
    with one.hold(LOCK, what="the lake", run="a"):
        assert one.read("a") == b"1"
        with monkeypatch.context() as patched:
            patched.setattr(obstore, "get", None)
            assert one.read("a") == b"1"
        one.write("a", b"2")
        assert one.read("a") == b"2"
    other.write("a", b"3")
    assert one.read("a") == b"3"


def test_arrow_meets_no_error_of_python(two: tuple[ObjectStore, ObjectStore]) -> None:
    """It asks for its text under a lock, and waits for ever for the interpreter that waits for that lock."""
    one, other = two
    one.write("large.parquet", b"PAR1" + bytes(ONE_PUT) + b"PAR1")
    files = one.file_system()
    with files.open_input_file("large.parquet") as large:
        other.delete("large.parquet")
        assert large.read_at(4, ONE_PUT) == b""
    with pytest.raises(pa.ArrowInvalid, match=r"'gone\.parquet'.* file size is 0 bytes"):
        ds.FileSystemDataset.from_paths(
            ["gone.parquet"], pa.schema([("a", pa.int64())]), ds.ParquetFileFormat(), files
        ).to_table()


def test_another_lock_inside_does_not_end_the_lease_of_the_lake(two: tuple[ObjectStore, ObjectStore]) -> None:
    """A backfill looks whether a run waits while it holds the lake."""
    one, _ = two
    with one.hold(LOCK, what="the lake", run="a"):
        epoch = one.epoch()
        with one.hold(layout.WAITING, what="the turn", run="b"):
            assert one.epoch() == epoch
        assert one.epoch() == epoch > 0
    assert one.epoch() == 0
