"""What was served comes back, for any catalogue and drift: page, converter, Parquet file, two readers, restore."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypeAlias

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.api import v1, v2
from axsync.convert import Converted, Converter
from axsync.convert.exact import Unreadable
from axsync.convert.rescue import restore
from axsync.lake.local import LocalStore
from axsync.lake.parts import PageBatch, PartWriter
from axsync.model import ID_FIELD, Page, PageSpan, Window
from axsync.runs.pin import LakeColumns, pin
from axsync.schema.columns import OVERFLOW, Column, Field, describe_column, group, make_columns
from axsync.schema.kinds import Atom, Group, Kind, Many, Wrapped, grown
from axsync.schema.registry import Registered, Registry, extended
from axsync.schema.selection import Selection
from axsync.settings import LakeSettings
from tests.unit.convert.lake import oracle, same
from tests.unit.convert.served import examples, lanes
from tests.unit.convert.test_lossless import rightly

Row: TypeAlias = dict[str, Any]
RowsKey: TypeAlias = Literal["assets", "data"]

PREFIX = "specific_data.data."
NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
APIS = {"assets": v2, "data": v1}
META = b'{"page":{"number":1,"size":20,"totalPages":1,"totalResources":%d},"next_page":""}'
SETTINGS = LakeSettings(row_group_rows=4)


@dataclass(slots=True)
class Shop:
    """Writes batches into part files and reads them with pyarrow and with DuckDB."""

    folder: Path
    duck: "duckdb.DuckDBPyConnection"
    _numbers: Iterator[int] = field(default_factory=count)

    def read_back(self, converted: Converted) -> tuple[list[Row], list[Row]]:
        """The rows of a sealed part as either reader gives them."""
        path = self.folder / f"part-{next(self._numbers):06}.parquet"
        writer = PartWriter(LocalStore(self.folder).create(path.name), path.name, converted.batch.schema, SETTINGS)
        writer.add(PageBatch(converted.batch, PageSpan(0, 0, converted.batch.num_rows)))
        writer.seal()
        rows = pq.read_table(path).to_pylist()
        found = self.duck.read_parquet(str(path))
        ducks = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
        path.unlink()
        return rows, ducks


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with duckdb.connect() as connection:
        yield Shop(tmp_path_factory.mktemp("lake"), connection)


def page(raws: Sequence[bytes], key: RowsKey, *, gap: bytes, meta_first: bool) -> bytes:
    """The body of a page with these records, in either generation's envelope."""
    entries = (
        raws if key == "assets" else [b'{"type":"entities_schema","id":"1","attributes":%b}' % raw for raw in raws]
    )
    members = [b'"%b":%b[%b]' % (key.encode(), gap, (b"," + gap).join(entries)), b'"meta":%b' % (META % len(raws))]
    return b"{" + b",".join(reversed(members) if meta_first else members) + b"}"


def assert_all_come_back(shop: Shop, columns: tuple[Column, ...], raws: Sequence[bytes], converted: Converted) -> None:
    """Every record of the page is a dead letter with good reason, or equals its row in the file, for both readers."""
    lane = json.loads(json.dumps({"columns": {column.name: describe_column(column) for column in columns}}))
    buried = {letter.position for letter in converted.dead}
    served = [same(oracle(raw, columns)) for position, raw in enumerate(raws) if position not in buried]
    assert [letter.raw for letter in converted.dead] == [raws[letter.position] for letter in converted.dead]
    assert all(rightly(Unreadable(letter.reason), letter.raw, columns) for letter in converted.dead)
    assert converted.served == len(raws)
    rows, ducks = shop.read_back(converted)
    assert [same(restore(row, lane)) for row in rows] == served
    assert [same(restore(row, lane)) for row in ducks] == served


def opened(kind: Kind, *, open_all: bool) -> Kind:
    """The kind as a catalogue without formats and items tells it: atoms, or only those in lists, are left open."""
    match kind:
        case Many(item):
            return Many(opened(item, open_all=True))
        case Wrapped(item):
            return opened(item, open_all=open_all)
        case Group(members):
            return group((member.key, opened(member.kind, open_all=open_all)) for member in members)
        case Atom():
            return Atom("unknown") if open_all else kind


PAGES = st.tuples(st.sampled_from(["assets", "data"]), st.sampled_from([b"", b" ", b"\n"]), st.booleans())
Lane: TypeAlias = tuple[tuple[Column, ...], list[bytes]]
Dress: TypeAlias = tuple[RowsKey, bytes, bool]


class TestNothingIsLost:
    """restore(write(record)) == record in exact JSON semantics, through real Parquet files, read by two readers."""

    @examples(400)
    @given(lanes(rows=2), PAGES)
    def test_pages_with_settled_columns_come_back(self, shop: Shop, lane: Lane, dress: Dress) -> None:
        """Any columns, any drift, any spelling of the keys; the fast way and the careful one."""
        columns, raws = lane
        key, gap, meta_first = dress
        body = page(raws, key, gap=gap, meta_first=meta_first)

        converted = Converter(columns, rows_key=key, run_id="r").convert(body, page=0, fetched_at=NOW)

        assert_all_come_back(shop, columns, raws, converted)

    @examples(100)
    @given(lanes(rows=3), lanes(rows=3), PAGES, st.booleans(), st.sampled_from([1, 3, 2000]))
    def test_pages_of_a_changing_catalogue_come_back(
        self, shop: Shop, today: Lane, tomorrow: Lane, dress: Dress, open_all: bool, most: int
    ) -> None:
        """Catalogues leave kinds open and may be capped; the first page, drifted as it is, settles the columns.

        The next day has another catalogue: the columns of the day before keep their names.
        """
        key, gap, meta_first = dress
        earlier: Row = {}
        known = Registry()
        for wished, raws in (today, tomorrow):
            body = page(raws, key, gap=gap, meta_first=meta_first)
            first = Page(Window(0, 0, 20), body, len(raws), len(raws), None)
            selection = Selection(catalogue(wished, open_all=open_all))

            pinned = pin(APIS[key], selection, first, lake=LakeColumns(known, earlier), max_columns=most)
            converted = Converter(pinned.columns, rows_key=key, run_id="r").convert(body, page=0, fetched_at=NOW)

            assert_all_come_back(shop, pinned.columns, raws, converted)
            before, (known, clashes) = known, extended(known, pinned.columns, "r")
            earlier = json.loads(json.dumps(pinned.manifest))
            assert clashes == ()
            assert all(only_grew(old, new) for old, new in zip(before.columns, known.columns, strict=False))


def only_grew(old: Registered, new: Registered) -> bool:
    """Whether it is the same column, which holds what it held."""
    return replace(new, kind=old.kind) == old and grown(new.kind, old.kind) == new.kind


def test_a_field_that_is_gone_gives_its_name_to_a_short_key(shop: Shop) -> None:
    """Yesterday `labels` was a field; today it is the short key of another one, which keeps its own column."""
    text = Atom("text")
    before = make_columns([Field(name, text) for name in (ID_FIELD, "labels", f"{PREFIX}labels", f"{PREFIX}hostname")])
    earlier = {column.name: describe_column(column) for column in before}
    raws = [b'{"internal_axon_id":"a","labels":"short"}']
    body = page(raws, "assets", gap=b"", meta_first=False)
    selection = Selection((Field(ID_FIELD, text), Field(f"{PREFIX}labels", text)))

    first, (known, _) = Page(Window(0, 0, 20), body, 1, 1, None), extended(Registry(), before, "r")
    pinned = pin(v2, selection, first, lake=LakeColumns(known, earlier), max_columns=9)
    converted = Converter(pinned.columns, rows_key="assets", run_id="r").convert(body, page=0, fetched_at=NOW)

    assert_all_come_back(shop, pinned.columns, raws, converted)
    assert [row["labels"] for row in converted.batch.to_pylist()] == [None]


def catalogue(columns: Sequence[Column], *, open_all: bool) -> tuple[Field, ...]:
    """The fields of these columns as a server lists them."""
    return tuple(
        Field(c.field, c.kind if c.field == ID_FIELD else opened(c.kind, open_all=open_all), adapter(c))
        for c in columns
        if c.field != OVERFLOW
    )


def adapter(column: Column) -> str | None:
    """The adapter whose own field this is."""
    return "aws_adapter" if column.field.startswith("adapters_data.") else None
