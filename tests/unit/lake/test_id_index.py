import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.lake.id_index import Collected, different, earlier_duplicates, hash_ids, index_of, read_id_index, read_ids
from axsync.lake.local import LocalStore
from axsync.model import PageSpan

USUAL = st.integers(0, 30).map("{:032x}".format)
ODD = st.sampled_from(["", "a", "é", "é" * 16, "ü" * 32, "x" * 31, "x" * 33, "\0" * 32, "\0" * 31, "😀" * 8, "0" * 64])
IDS = st.lists(USUAL | ODD | st.text(max_size=5), max_size=20)


def ids_of(texts: list[str]) -> pa.Array:
    """A column of ids."""
    return pa.array(texts, pa.string())


def write(tmp_path: Path, *parts: list[str]) -> list[Path]:
    """Part files with these ids."""
    paths = [tmp_path / f"{number}.parquet" for number in range(len(parts))]
    for path, texts in zip(paths, parts, strict=True):
        pq.write_table(pa.table({"note": pa.nulls(len(texts), pa.int64()), "id": ids_of(texts)}), path)
    return paths


@given(IDS)
def test_ids_are_counted_whatever_they_are(texts: list[str]) -> None:
    """Of the usual width, of any other, empty, beyond ASCII."""
    ledger = index_of(hash_ids(ids_of(texts)))

    assert (ledger.rows, ledger.distinct) == (len(texts), len(set(texts)))


@given(IDS, IDS)
def test_an_ids_hash_does_not_depend_on_its_neighbours(some: list[str], others: list[str]) -> None:
    """The same id in another page, among others of other widths, is the same id."""
    alone = {text: int(hash_ids(ids_of([text]))[0]) for text in some}

    together = hash_ids(ids_of(others + some))[len(others) :]

    assert together.tolist() == [alone[text] for text in some]


@given(IDS, st.integers(0, 20), st.integers(0, 20))
def test_a_slice_is_hashed_where_it_stands(texts: list[str], start: int, length: int) -> None:
    """An array that begins in the middle of its buffers."""
    hashes = hash_ids(ids_of(texts).slice(start, length))

    assert hashes.tolist() == hash_ids(ids_of(texts[start : start + length])).tolist()


def test_ids_that_are_alike_have_different_hashes() -> None:
    """Counted ids, swapped halves, single letters: a quarter of a million without a collision."""
    halves = [f"{a:016x}{b:016x}" for a in range(500) for b in range(500)]

    assert index_of(hash_ids(ids_of(halves))).distinct == len(halves)


def test_a_ledger_reads_its_part_files(tmp_path: Path) -> None:
    """All of them; the hashes are those of the ids."""
    parts = [["a" * 32, "b" * 32], [], ["a" * 32, "odd"]]

    ledger = read_id_index(LocalStore(tmp_path), [path.name for path in write(tmp_path, *parts)], "id")

    assert ledger.repeated.tolist() == hash_ids(ids_of(["a" * 32])).tolist()
    assert ledger.known.tolist() == sorted(set(hash_ids(ids_of([i for part in parts for i in part])).tolist()))
    assert (ledger.rows, ledger.distinct) == (4, 3)


def test_a_lane_without_parts_has_an_empty_ledger(tmp_path: Path) -> None:
    """No file, no id."""
    ledger = read_id_index(LocalStore(tmp_path), [], "id")

    assert (ledger.rows, ledger.distinct) == (0, 0)


def test_large_parts_are_read_piece_by_piece(tmp_path: Path) -> None:
    """Some ten thousand ids at a time, all of them in order."""
    (path,) = write(tmp_path, [f"{n:032x}" for n in range(150_000)])

    pieces = [len(piece) for piece in read_ids(LocalStore(tmp_path), path.name, "id")]

    assert sum(pieces) == 150_000
    assert max(pieces) <= 1 << 16


@given(IDS, IDS)
def test_a_ledger_knows_what_it_lacks(held: list[str], asked: list[str]) -> None:
    """Hash by hash, also where it holds nothing."""
    lacking = index_of(hash_ids(ids_of(held))).lacks(hash_ids(ids_of(asked)))

    assert lacking.tolist() == [text not in held for text in asked]


@st.composite
def answered_pages(draw: st.DrawFn) -> tuple[list[PageSpan], list[list[str]]]:
    """Pages in the order of the files, and their ids."""
    numbers = draw(st.permutations(range(draw(st.integers(1, 5)))))
    pages = [
        draw(st.lists(st.sampled_from([f"{n:032x}" for n in range(6)] + ["odd"]), min_size=1, max_size=5))
        for _ in numbers
    ]
    return [PageSpan(n, 0, len(ids)) for n, ids in zip(numbers, pages, strict=True)], pages


@given(answered_pages(), st.integers(0, 5))
def test_of_twins_the_later_answer_is_kept(
    tmp_path_factory: pytest.TempPathFactory, answered: tuple[list[PageSpan], list[list[str]]], cut: int
) -> None:
    """Of each id exactly one row is left: of the page that was asked last, the last one in it."""
    spans, pages = answered
    ids = [i for page in pages for i in page]
    parts = [[i for page in pages[:cut] for i in page], [i for page in pages[cut:] for i in page]]
    folder = tmp_path_factory.mktemp("parts")
    store, keys = LocalStore(folder), [path.name for path in write(folder, *parts)]

    twins = earlier_duplicates(store, keys, "id", read_id_index(store, keys, "id").repeated, spans)

    when = [(span.number, place) for span, page in zip(spans, pages, strict=True) for place in range(len(page))]
    newest = {i: max(w for w, other in zip(when, ids, strict=True) if other == i) for i in ids}
    assert twins.tolist() == [place for place, i in enumerate(ids) if when[place] != newest[i]]
    assert all(a < b for a, b in pairwise(twins.tolist()))
    assert twins.dtype == np.int64


def peak(work: Callable[[], object]) -> int:
    """The most bytes that numpy and Python hold during this work, beside what they held before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_hashes_are_held_once_while_they_are_collected_and_sorted() -> None:
    """Eight bytes for each and little else, with doubles among them or without; the different ones are all there."""
    count, page = 1 << 21, np.arange(1 << 16, dtype=np.uint64)
    found: list[int] = []

    def collect() -> None:
        collected = Collected()
        for number in range(count >> 16):
            collected.add(page + np.uint64(number << 15))  # half of each page was in the one before
        found.append(len(different(collected.take())))

    assert peak(collect) <= 18 * count  # half of them are repeated
    assert found == [(count >> 1) + (1 << 15)]


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=6))
def test_what_is_collected_is_all_of_it_in_order(pages: list[list[int]]) -> None:
    """And nothing is left behind for the next time."""
    collected = Collected()
    for given_page in (*pages, *pages):
        collected.add(np.array(given_page, dtype=np.uint64))

    assert collected.take().tolist() == [number for page in (*pages, *pages) for number in page]
    assert collected.take().tolist() == []


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 4))
def test_what_is_repeated_is_told_once(numbers: list[int], at_once: int) -> None:
    """However many are looked at together."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("axsync.lake.id_index._SOUGHT", at_once)
        index = index_of(np.array(numbers, dtype=np.uint64))

    assert index.known.tolist() == sorted(set(numbers))
    assert index.repeated.tolist() == sorted({n for n in numbers if numbers.count(n) > 1})


@pytest.mark.fault(58)
def test_everything_twice_costs_no_names(tmp_path: Path) -> None:
    """Where all rows came again, some ten bytes for each, not the ids themselves."""
    rows = 150_000
    once = [f"{n:032x}" for n in range(rows)]
    store, keys = LocalStore(tmp_path), [path.name for path in write(tmp_path, once, once)]
    spans = [PageSpan(1, 0, rows), PageSpan(2, 0, rows)]
    found: list[object] = []

    held = peak(
        lambda: found.append(
            earlier_duplicates(store, keys, "id", read_id_index(store, keys, "id").repeated, spans).tolist()
            == list(range(rows))
        )
    )

    assert found == [True]
    assert held <= 2 * rows * 100  # 65,536 names at once are most of it


@pytest.mark.parametrize("most", [1, 7])
def test_many_doubles_are_sorted_in_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """However few of them are sorted at once, the later answer is kept."""
    monkeypatch.setattr("axsync.lake.id_index._SOUGHT", most)
    monkeypatch.setattr("axsync.lake.id_index._REPEATED", most)
    pages = [["a" * 32, "odd", "b" * 32], ["odd", "c" * 32, "a" * 32, "a" * 32]]
    store, keys = LocalStore(tmp_path), [path.name for path in write(tmp_path, *pages)]

    repeated = read_id_index(store, keys, "id").repeated

    assert len(repeated) == 2
    spans = [PageSpan(5, 0, 3), PageSpan(1, 0, 4)]
    assert earlier_duplicates(store, keys, "id", repeated, spans).tolist() == [3, 5, 6]


def test_ids_with_the_same_hash_are_not_doubles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash that hardly tells ids apart costs no row."""
    monkeypatch.setattr("axsync.lake.id_index.hash_ids", lambda ids: np.zeros(len(ids), dtype=np.uint64))
    store, keys = LocalStore(tmp_path), [path.name for path in write(tmp_path, ["x", "y", "z", "y"])]

    repeated = read_id_index(store, keys, "id").repeated

    assert earlier_duplicates(store, keys, "id", repeated, [PageSpan(0, 0, 4)]).tolist() == [1]
