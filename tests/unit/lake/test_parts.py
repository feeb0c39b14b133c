import hashlib
import os
import resource
import sys
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from axsync.errors import StorageError
from axsync.lake.local import LocalStore
from axsync.lake.parts import PageBatch, PartFolder, PartWriter, Sealed, WriterPool
from axsync.model import PageSpan, Part
from axsync.schema.field_ids import FIELD_ID, FieldIds, with_field_ids
from axsync.settings import KIB, MIB, LakeSettings
from tests.unit.lake.batches import SCHEMA, batch, lake

PARTITION = "entity=devices/instance=prod/dt=2026-11-23"
RUN = "20261123T020000Z-7f3a"
PLENTY = 1 << 40


def folder(
    tmp_path: Path,
    settings: LakeSettings,
    shelf: WriterPool | None = None,
    partition: str = PARTITION,
    schema: pa.Schema = SCHEMA,
) -> PartFolder:
    """A lane's folder in a staging place."""
    pool = shelf or WriterPool(settings, PLENTY)
    return PartFolder(LocalStore(tmp_path.parent), tmp_path.name, partition, RUN, schema, pool)


def span(number: int, rows: int) -> PageSpan:
    """A page's rows."""
    return PageSpan(number, number * rows, rows)


def parts_of(sealed: Sequence[Sealed]) -> list[Part]:
    """The parts alone."""
    return [one.part for one in sealed]


def files(path: Path) -> list[str]:
    """The names of all files below."""
    return sorted(p.name for p in path.rglob("*") if p.is_file())


@contextmanager
def held_more_than(most: int) -> Iterator[list[int]]:
    """Afterwards, the bytes that Python holds more than before, where they are more than that."""
    found: list[int] = []
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield found
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    if grown > most:
        found.append(grown)


def test_a_part_is_named_for_its_run_and_number(tmp_path: Path) -> None:
    """Its path is the one under which it will be published."""
    lane = folder(tmp_path, lake())
    lane.add(PageBatch(batch(3), span(0, 3)))

    (part,) = parts_of(lane.seal())

    assert part.path == f"{PARTITION}/part-{RUN}-00000.parquet"
    assert (tmp_path / part.path).is_file()


def test_a_part_tells_what_its_file_holds(tmp_path: Path) -> None:
    """Rows, bytes and SHA-256 are those of the file."""
    lane = folder(tmp_path, lake())
    for number in range(4):
        lane.add(PageBatch(batch(10, first=10 * number), span(number, 10)))

    (part,) = parts_of(lane.seal())

    content = (tmp_path / part.path).read_bytes()
    assert (part.rows, part.size, part.sha256) == (40, len(content), hashlib.sha256(content).hexdigest())
    assert pq.read_table(tmp_path / part.path).num_rows == 40


def test_a_part_tells_which_pages_it_holds(tmp_path: Path) -> None:
    """In the order of its rows."""
    lane = folder(tmp_path, lake())
    for number in (2, 0, 1):
        lane.add(PageBatch(batch(10, first=10 * number), span(number, 10)))

    (part,) = parts_of(lane.seal())

    assert part.pages == (span(2, 10), span(0, 10), span(1, 10))
    ids = pq.read_table(tmp_path / part.path).column("internal_axon_id").to_pylist()
    assert [int(i, 16) for i in ids] == [*range(20, 30), *range(10), *range(10, 20)]


@pytest.mark.parametrize(
    ("group_rows", "sizes"), [(10, [10, 10, 10]), (15, [20, 10]), (30, [30]), (31, [30]), (1, [10, 10, 10])]
)
def test_row_groups_are_at_least_as_large_as_asked(tmp_path: Path, group_rows: int, sizes: list[int]) -> None:
    """Whole batches, as soon as there are enough rows; the last group has the rest."""
    lane = folder(tmp_path, lake(row_group_rows=group_rows))
    for number in range(3):
        lane.add(PageBatch(batch(10, first=10 * number), span(number, 10)))

    (part,) = parts_of(lane.seal())

    with pq.ParquetFile(tmp_path / part.path) as file:
        assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == sizes


def test_a_row_group_ends_at_its_bytes_too(tmp_path: Path) -> None:
    """Wide rows make groups of fewer rows."""
    lane = folder(tmp_path, lake(row_group_bytes=8 * KIB))
    for number in range(4):
        lane.add(PageBatch(batch(4, first=4 * number, width=1 * KIB), span(number, 4)))

    (part,) = parts_of(lane.seal())

    with pq.ParquetFile(tmp_path / part.path) as file:
        assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [8, 8]


def test_parts_roll_at_the_asked_size(tmp_path: Path) -> None:
    """A part is sealed by the batch that makes it large enough, and the next batch opens another."""
    lane = folder(tmp_path, lake(max_part_bytes=16 * KIB, row_group_rows=10))
    sealed = [
        one.part for n in range(30) for one in lane.add(PageBatch(batch(10, first=10 * n, width=512), span(n, 10)))
    ]

    rest = parts_of(lane.seal())

    parts = [*sealed, *rest]
    assert len(sealed) > 3
    assert all(16 * KIB <= part.size < 32 * KIB for part in sealed)
    assert sum(part.rows for part in parts) == 300
    assert [Path(part.path).name for part in parts] == [f"part-{RUN}-{n:05}.parquet" for n in range(len(parts))]


def test_a_sealed_part_is_not_sealed_again(tmp_path: Path) -> None:
    """What was returned once is done with."""
    lane = folder(tmp_path, lake())
    lane.add(PageBatch(batch(3), span(0, 3)))
    lane.seal()

    assert lane.seal() == ()


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "lz4", "none"])
def test_every_codec_writes_what_can_be_read(tmp_path: Path, compression: str) -> None:
    """And the file says which it was; the schema keeps its metadata."""
    settings = lake(compression=compression)
    schema = SCHEMA.set(0, SCHEMA.field(0).with_metadata({b"axonius.field": b"internal_axon_id"}))
    lane = folder(tmp_path, settings, schema=schema)
    lane.add(PageBatch(batch(100).cast(schema), span(0, 100)))

    (part,) = parts_of(lane.seal())

    with pq.ParquetFile(tmp_path / part.path) as file:
        codec = file.metadata.row_group(0).column(1).compression
        assert codec == {"none": "UNCOMPRESSED"}.get(compression, compression.upper())
        assert file.schema_arrow.field(0).metadata[b"axonius.field"] == b"internal_axon_id"
        assert file.read().to_pylist() == batch(100).to_pylist()


def test_an_open_part_is_no_parquet_file_yet(tmp_path: Path) -> None:
    """No glob for parts finds it."""
    lane = folder(tmp_path, lake())
    lane.add(PageBatch(batch(3), span(0, 3)))

    assert files(tmp_path) == [f"part-{RUN}-00000.parquet.open"]
    lane.seal()
    assert files(tmp_path) == [f"part-{RUN}-00000.parquet"]


def test_an_abandoned_lane_leaves_nothing_open(tmp_path: Path) -> None:
    """Sealed parts stay, unsealed ones are gone."""
    settings = lake(max_part_bytes=4 * KIB, row_group_rows=10)
    lane = folder(tmp_path, settings)
    sealed = lane.add(PageBatch(batch(10, width=2 * KIB), span(0, 10)))
    lane.add(PageBatch(batch(1, first=10), span(1, 1)))

    lane.abandon()

    assert files(tmp_path) == [Path(part.path).name for part in parts_of(sealed)]
    assert len(sealed) == 1


def test_abandoning_what_was_never_begun_is_nothing(tmp_path: Path) -> None:
    """A lane may end before its first row."""
    folder(tmp_path, lake()).abandon()

    assert files(tmp_path) == []


def test_a_batch_that_cannot_be_written_leaves_no_open_file(tmp_path: Path) -> None:
    """The part is dropped with it."""
    lane = folder(tmp_path, lake(row_group_rows=1))
    wrong = pa.RecordBatch.from_pydict({"x": [1]})

    with pytest.raises(pa.ArrowInvalid):
        lane.add(PageBatch(wrong, span(0, 1)))

    assert files(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    """In one sentence, with the system's own words."""
    tmp_path.chmod(0o500)

    with pytest.raises(StorageError, match="cannot write to the lake: Permission denied"):
        folder(tmp_path, lake()).add(PageBatch(batch(1), span(0, 1)))


def test_a_file_in_the_way_is_a_storage_error(tmp_path: Path) -> None:
    """The staging place cannot be made."""
    (tmp_path / "entity=devices").write_text("in the way")

    with pytest.raises(StorageError, match="cannot write to the lake"):
        folder(tmp_path, lake()).add(PageBatch(batch(1), span(0, 1)))


def test_all_lanes_together_stay_below_their_bound(tmp_path: Path) -> None:
    """With any number of lanes, the fullest is relieved when they hold too much."""
    shelf = WriterPool(lake(), 64 * KIB)
    lanes = [folder(tmp_path, lake(), shelf, f"entity=e{n}") for n in range(20)]
    most = 0
    for turn in range(10):
        for number, lane in enumerate(lanes):
            lane.add(PageBatch(batch(20, first=turn * 20, width=64 * (number + 1)), span(turn, 20)))
            most = max(most, sum(writer.buffered for _, writer in shelf._idle))

    parts = [one.part for lane in lanes for one in lane.seal()]

    assert most <= 64 * KIB
    assert [part.rows for part in parts] == [200] * 20


def median_group(tmp_path: Path, lanes: int) -> tuple[float, int]:
    """The median of rows per row group where so many lanes share 64 KiB; the most that was held and kept free."""
    shelf = WriterPool(lake(row_group_rows=50), 64 * KIB)
    folders = [folder(tmp_path, lake(), shelf, f"entity=e{n}") for n in range(lanes)]
    held = 0
    for turn in range(6):
        for lane in folders:
            lane.add(PageBatch(batch(10, first=turn * 10), span(turn, 10)))
            held = max(held, sum(writer.buffered for _, writer in shelf._idle))
    parts = [one.part for lane in folders for one in lane.seal()]
    assert [part.rows for part in parts] == [60] * lanes
    assert sorted(files(tmp_path)) == sorted(Path(part.path).name for part in parts)
    sizes = []
    for part in parts:
        with pq.ParquetFile(tmp_path / part.path) as file:
            ids = file.read().column(0).to_pylist()
            assert [int(i, 16) for i in ids] == [*range(60)]
            sizes += [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    return median(sizes), held


def test_row_groups_of_many_lanes_are_as_large_as_those_of_one(tmp_path: Path) -> None:
    """Within the same memory: crumbs are put together when their part is sealed, one part after the other."""
    one, _ = median_group(tmp_path / "one", 1)
    many, held = median_group(tmp_path / "many", 200)

    assert many >= one * 0.9
    assert held <= 64 * KIB


def test_room_for_a_large_row_group_is_made_by_the_other_lanes(tmp_path: Path) -> None:
    """What they hold and what is kept free stay within the bound together."""
    shelf = WriterPool(lake(), 64 * KIB)
    lanes = [folder(tmp_path, lake(), shelf, f"entity=e{n}") for n in range(20)]
    for lane in lanes:
        lane.add(PageBatch(batch(20), span(0, 20)))

    with shelf.room():
        held = sum(writer.buffered for _, writer in shelf._idle)

    assert 0 < held + shelf.whole <= 64 * KIB
    for lane in lanes:
        lane.abandon()


def test_a_part_that_is_sealed_in_a_hurry_stays_as_it_is(tmp_path: Path) -> None:
    """A process that is to end has no time for larger row groups."""
    shelf = WriterPool(lake(), 1)
    for name, groups in ((False, 1), (True, 3)):
        lane = folder(tmp_path, lake(), shelf, f"entity={name}")
        for number in range(3):
            lane.add(PageBatch(batch(1, first=number), span(number, 1)))
        shelf.most = MIB
        (part,) = parts_of(lane.seal(hurry=name))
        shelf.most = 1

        with pq.ParquetFile(tmp_path / part.path) as file:
            assert file.num_row_groups == groups


def test_a_lane_takes_its_own_writer_back(tmp_path: Path) -> None:
    """Lanes never write into each other's files."""
    shelf = WriterPool(lake(), PLENTY)
    one, other = (folder(tmp_path, lake(), shelf, f"entity={name}") for name in ("a", "b"))
    one.add(PageBatch(batch(1), span(0, 1)))

    assert shelf.take(other) is None
    writer = shelf.take(one)
    assert writer is not None
    assert shelf.take(one) is None
    writer.abandon()


def test_threads_write_parts_of_their_own(tmp_path: Path) -> None:
    """Two threads never share a writer; all rows arrive, no name is used twice."""
    shelf = WriterPool(lake(row_group_rows=50, max_part_bytes=16 * KIB), 32 * KIB)
    lane = folder(tmp_path, lake(), shelf, PARTITION)
    begin = threading.Barrier(4)

    def work(thread: int) -> list[Part]:
        begin.wait()
        return [
            one.part
            for n in range(25)
            for one in lane.add(PageBatch(batch(10, first=1000 * thread + 10 * n), span(n, 10)))
        ]

    with ThreadPoolExecutor(4) as pool:
        sealed = [part for parts in pool.map(work, range(4)) for part in parts]
    parts = [*sealed, *parts_of(lane.seal())]

    assert len({part.path for part in parts}) == len(parts)
    ids = {i for p in parts for i in pq.read_table(tmp_path / p.path).column("internal_axon_id").to_pylist()}
    assert len(ids) == sum(part.rows for part in parts) == 1000


@pytest.mark.fault(59)
@pytest.mark.parametrize("threads", [1, 4])
def test_no_more_parts_are_open_than_may_be(tmp_path: Path, threads: int) -> None:
    """However many lanes there are: the part that has been idle for longest is sealed, and kept by its own lane."""
    most, shelf = 3, WriterPool(lake(), PLENTY, most_open=3)
    kept: dict[str, list[Part]] = {f"entity={number}": [] for number in range(8)}
    lanes = [folder(tmp_path, lake(), shelf, name) for name in kept]
    for lane, parts in zip(lanes, kept.values(), strict=True):
        lane.keep = lambda sealed, parts=parts: parts.append(sealed.part)  # type: ignore[misc]

    def add(number: int) -> int:
        lanes[number % 8].add(PageBatch(batch(10, first=10 * number), span(number, 10)))
        return sum(name.endswith(".open") for name in files(tmp_path))

    with ThreadPoolExecutor(threads) as pool:
        opened = list(pool.map(add, range(64)))
        returned = [part for parts in pool.map(PartFolder.seal, lanes) for part in parts_of(parts)]

    assert max(opened) <= (most if threads == 1 else most + threads)  # those in use cannot be sealed
    assert [sum(part.rows for part in parts) for parts in kept.values()] == [80] * 8
    assert {part.path for part in returned} <= {part.path for parts in kept.values() for part in parts}
    assert not [name for name in files(tmp_path) if name.endswith(".open")]
    assert shelf._open == 0


def test_a_lane_by_itself_keeps_its_part_open(tmp_path: Path) -> None:
    """One part open at a time is enough for one thread."""
    lane = folder(tmp_path, lake(), WriterPool(lake(), PLENTY, most_open=1))
    for number in range(5):
        lane.add(PageBatch(batch(2, first=2 * number), span(number, 2)))

    assert [part.rows for part in parts_of(lane.seal())] == [10]


def test_parts_get_a_quarter_of_the_files_that_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """At least one; without a bound, as many as there are."""
    for soft, most in ((256, 64), (3, 1), (resource.RLIM_INFINITY, sys.maxsize)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        assert WriterPool(lake(), PLENTY).most_open == most


class Held(PartWriter):
    """A part whose flush waits until it is let go, and then may fail."""

    def __init__(self, tmp_path: Path, error: OSError | None = None) -> None:
        super().__init__(LocalStore(tmp_path).create("held.parquet"), "held.parquet", SCHEMA, lake())
        self.begun, self.let_go, self.error = threading.Event(), threading.Event(), error

    def flush(self) -> None:
        self.begun.set()
        self.let_go.wait(10)
        if self.error is not None:
            self._whole = False
            raise self.error
        super().flush()


def test_a_lane_that_ends_waits_for_a_part_that_another_thread_relieves(tmp_path: Path) -> None:
    """No part is forgotten because the thread of another lane has it in hands just then."""
    shelf = WriterPool(lake(), 1)
    ending, other = (folder(tmp_path, lake(), shelf, f"entity={name}") for name in ("a", "b"))
    writer = Held(tmp_path)
    writer.add(PageBatch(batch(100), span(0, 100)))
    shelf._idle.append((ending, writer))

    with ThreadPoolExecutor(2) as pool:
        pool.submit(other.add, PageBatch(batch(1), span(0, 1)))
        writer.begun.wait(10)
        sealed = pool.submit(ending.seal)
        assert not wait([sealed], timeout=0.05).done
        writer.let_go.set()
        parts = sealed.result(10)
    other.abandon()

    assert [one.part.rows for one in parts] == [100]


def test_a_part_that_another_thread_could_not_write_fails_its_own_lane_too(tmp_path: Path) -> None:
    """Rows that were not written are never passed over in silence."""
    shelf = WriterPool(lake(), 1)
    ending, other = (folder(tmp_path, lake(), shelf, f"entity={name}") for name in ("a", "b"))
    writer = Held(tmp_path, OSError(28, "No space left on device"))
    writer.let_go.set()
    writer.add(PageBatch(batch(100), span(0, 100)))
    shelf._idle.append((ending, writer))

    with pytest.raises(StorageError, match="No space left on device"):
        other.add(PageBatch(batch(1), span(0, 1)))
    with pytest.raises(StorageError, match="an earlier write to this part failed"):
        ending.seal()
    other.abandon()

    assert files(tmp_path) == []


def test_a_flush_without_rows_writes_no_group(tmp_path: Path) -> None:
    """A writer may be relieved twice."""
    writer = PartWriter(LocalStore(tmp_path).create("x.parquet"), "x.parquet", SCHEMA, lake())
    writer.add(PageBatch(batch(2), span(0, 2)))
    writer.flush()
    writer.flush()

    part = writer.seal()

    with pq.ParquetFile(tmp_path / "x.parquet") as file:
        assert file.num_row_groups == 1
    assert part.rows == 2


@pytest.mark.fault(58)
def test_dead_letters_do_not_wait_in_memory(tmp_path: Path) -> None:
    """However many there are before a part is sealed; their lines lie beside the open part."""
    lane = folder(tmp_path, lake())
    line = b"x" * (256 * KIB) + b"\n"

    with held_more_than(MIB) as held:
        for number in range(20):
            letters = line[:-9] + f"{number:08}\n".encode()
            lane.add(PageBatch(batch(1, first=number), span(number, 1), dead=1, letters=letters))
    (sealed,) = lane.seal()

    assert not held
    assert sealed.part.letters == 20
    kept = (tmp_path.parent / str(sealed.letters)).read_bytes()
    assert [text[-8:] for text in kept.splitlines()] == [f"{number:08}".encode() for number in range(20)]


def test_dead_letters_of_an_abandoned_part_go_with_it(tmp_path: Path) -> None:
    """And so do those of a process that died, when the lane is swept."""
    for end in (PartFolder.abandon, lambda lane: lane.sweep([])):
        lane = folder(tmp_path, lake())
        lane.add(PageBatch(batch(1), span(0, 1), dead=1, letters=b"{}\n"))
        end(lane)

        assert files(tmp_path) == []
        lane.abandon()  # closes what the sweep took away under it


def test_the_default_row_groups_are_big() -> None:
    """At least 122,880 rows or 64 MiB, as readers of Parquet want them."""
    assert (lake().row_group_rows, lake().row_group_bytes) >= (122_880, 64 * MIB)


def test_columns_are_numbered_before_the_first_part_and_in_each_one(tmp_path: Path) -> None:
    """Also in one that is written anew without some rows."""
    ids, asked = FieldIds().extended(SCHEMA), list[pa.Schema]()
    lane = folder(tmp_path, lake())

    def numbered(schema: pa.Schema) -> pa.Schema:
        asked.append(schema)
        return with_field_ids(schema, ids.known)

    lane.numbered = numbered
    lane.add(PageBatch(batch(3), span(0, 3)))
    (part,) = parts_of(lane.seal())

    anew = lane.without(part, np.array([1]))

    written = [pq.read_schema(tmp_path / path) for path in (part.path, anew.path)]
    assert [[column.metadata[FIELD_ID] for column in schema] for schema in written] == [[b"3", b"4"]] * 2
    assert asked == [SCHEMA]
