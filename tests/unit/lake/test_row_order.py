import random
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.lake import row_order
from axsync.lake.id_index import earlier_duplicates, read_id_index, repeats
from axsync.lake.local import LocalStore
from axsync.lake.parts import PageBatch, PartFolder, WriterPool
from axsync.lake.row_order import in_row_groups, order_column
from axsync.model import PageSpan, Part
from tests.unit.lake.batches import lake

CVE = {b"axonius.field": b"specific_data.data.cve_id"}
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        pa.field("cve", pa.list_(pa.string()), metadata=CVE),
        ("axsync_fetched_at", pa.timestamp("us", tz="UTC")),
    ]
)
TEXTS = st.lists(st.none() | st.lists(st.none() | st.text(max_size=60), max_size=2), min_size=1, max_size=12)


def page(number: int, rows: Mapping[str, list[str] | None]) -> PageBatch:
    """A page with these CVEs by id, which came at a moment of its own: pages that were asked later came earlier."""
    moment = 1_000 - number
    content = {"id": list(rows), "cve": list(rows.values()), "axsync_fetched_at": [moment] * len(rows)}
    batch = pa.RecordBatch.from_pydict(content, schema=SCHEMA)
    return PageBatch(batch, PageSpan(number, 0, len(rows), fetched=moment))


def written(tmp_path: Path, *pages: PageBatch) -> tuple[PartFolder, Part]:
    """One sorted part with these pages."""
    pool, store = WriterPool(lake(), 1 << 30), LocalStore(tmp_path)
    folder = PartFolder(store, "staging", "entity=v/instance=i/dt=d", "run", SCHEMA, pool, order="cve")
    for one in pages:
        folder.add(one)
    return folder, folder.seal()[0].part


def groups(path: Path) -> list[list[str]]:
    """The ids in each row group."""
    with pq.ParquetFile(path) as file:
        return [file.read_row_group(n).column("id").to_pylist() for n in range(file.num_row_groups)]


@given(TEXTS, st.integers(0, 5), st.booleans())
def test_rows_are_sorted_by_their_first_text(texts: list[list[str | None] | None], cut: int, listed: bool) -> None:
    """By bytes, as readers compare; nulls and empty lists last; of equal ones the order stays."""
    firsts = [(text or [None])[0] for text in texts]
    column = pa.array(texts if listed else firsts, pa.list_(pa.string()) if listed else pa.string())
    batch = pa.RecordBatch.from_arrays([column, pa.array(range(len(texts)))], ["text", "place"])
    table = pa.Table.from_batches([batch.slice(0, cut), batch.slice(cut)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_order, "GROUP_ROWS", 1)
        groups = list(in_row_groups(table, "text"))

    def key(place: int) -> tuple[bool, bytes]:
        text = firsts[place]
        return text is None, (text or "").encode()

    made = pa.concat_tables(groups).column("place").to_pylist()
    assert made == (sorted(range(len(texts)), key=key) if len(texts) > 1 else [0])


def test_types_that_people_filter_are_sorted_by_what_they_filter_by() -> None:
    """Where the column holds texts."""
    numbers = SCHEMA.set(1, pa.field("cve", pa.int64(), metadata=CVE))

    assert order_column("vulnerability_instances", SCHEMA) == "cve"
    assert order_column("devices", SCHEMA) is None
    assert order_column("users", SCHEMA) is None
    assert order_column("vulnerability_instances", numbers) is None


def test_sorted_row_groups_are_small_and_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that looks for one value needs one group; pages have an index too."""
    monkeypatch.setattr(row_order, "GROUP_ROWS", 10)
    names = random.Random(1).sample(range(1000), 45)
    rows = {f"{n:03}": [f"CVE-{n:03}"] for n in names}

    _, part = written(tmp_path, page(0, rows), page(1, {"none": None}))

    found = groups(tmp_path / "staging" / part.path)
    assert [len(one) for one in found] == [11, 12, 11, 12]
    assert [name for one in found for name in one] == [*sorted(rows), "none"]
    with pq.ParquetFile(tmp_path / "staging" / part.path) as file:
        ranges = [file.metadata.row_group(n).column(1) for n in range(4)]
        assert all(one.statistics.max < other.statistics.min for one, other in pairwise(ranges))
        assert all(one.has_offset_index and one.has_column_index for one in ranges)


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups of two rows."""
    monkeypatch.setattr(row_order, "GROUP_ROWS", 2)


@pytest.mark.usefixtures("pairs")
def test_of_two_rows_the_one_of_the_later_page_stays_wherever_it_stands(tmp_path: Path) -> None:
    """The moment in a row says from which page it is; the pages lose as many rows as are gone."""
    first = page(1, {"a": ["CVE-9"], "b": ["CVE-2"], "c": ["CVE-3"]})
    second = page(2, {"d": ["CVE-4"], "a": ["CVE-1"], "b": ["CVE-8"]})
    folder, part = written(tmp_path, first, second)
    store, keys = LocalStore(tmp_path), [f"staging/{part.path}"]
    assert groups(tmp_path / keys[0]) == [["a", "b"], ["c", "d"], ["b", "a"]]

    found = earlier_duplicates(store, keys, "id", read_id_index(store, keys, "id").repeated, part.pages)
    thinned = folder.without(part, found)

    assert found.tolist() == [1, 5]
    assert [(span.number, span.rows) for span in thinned.pages] == [(1, 1), (2, 3)]
    assert groups(tmp_path / "staging" / thinned.path) == [["a"], ["c", "d"], ["b"]]


@pytest.mark.usefixtures("pairs")
def test_a_page_that_repeats_an_id_is_not_sorted(tmp_path: Path) -> None:
    """Its order alone tells which row is the later one."""
    rows = pa.RecordBatch.from_pydict(
        {"id": list("abca"), "cve": [[text] for text in "4321"], "axsync_fetched_at": [7] * 4}, schema=SCHEMA
    )
    twice = PageBatch(rows, PageSpan(0, 0, 4, fetched=7), repeats=repeats(rows.column(0)))

    _, part = written(tmp_path, twice)

    assert twice.repeats
    with pq.ParquetFile(tmp_path / "staging" / part.path) as file:
        assert file.read().column("cve").to_pylist() == [["4"], ["3"], ["2"], ["1"]]


def test_parts_of_older_versions_are_in_the_order_of_their_pages() -> None:
    """Their spans know no moment; both kinds may be in one lane."""
    spans = [PageSpan(0, 0, 2), PageSpan(1, 2, 1), PageSpan(2, 0, 1, fetched=9), PageSpan(3, 0, 1, fetched=5)]

    found = row_order.pages_of(np.arange(5), np.array([5, 5, 5, 5, 9]), spans)

    assert found.tolist() == [0, 0, 1, 3, 2]
