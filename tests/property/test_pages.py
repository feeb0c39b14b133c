"""The promise that nothing is lost, over the whole way: page bytes, converter, a Parquet file, two readers, restore."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from axsync.convert import Converter
from axsync.fields import Column
from axsync.shape.fit import Rules, Unreadable
from axsync.shape.restore import describe, restore
from tests.shape.lake import oracle, same
from tests.shape.served import columns, examples, records

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ROWS = 20  # records per page, each generated for itself; 110 pages make more than 2,000 of them


@st.composite
def pages(draw: st.DrawFn) -> tuple[tuple[Column, ...], list[bytes]]:
    """Columns and a page of records, drifted or not."""
    of = draw(columns())
    drift = draw(st.sampled_from([0, 5, 30, 70]))
    return of, [draw(records(of, drift)) for _ in range(ROWS)]


def body_of(raws: list[bytes], key: Literal["assets", "data"]) -> bytes:
    """The page as a server of either generation sends it."""
    entries = raws if key == "assets" else [b'{"type":"d","id":"1","attributes":%s}' % raw for raw in raws]
    return b'{"%s":[%s],"meta":{"page":{"number":1}}}' % (key.encode(), b",".join(entries))


def readable(rules: Rules, raw: bytes) -> bool:
    """Whether the rules can keep the record at all; what they cannot becomes a dead letter."""
    try:
        return bool(rules.clean(raw).json)
    except Unreadable:
        return False


def by_duckdb(path: Path) -> list[dict[str, Any]]:
    """The rows as DuckDB gives them, in the order of the file."""
    with duckdb.connect() as reader:
        reader.execute("SET TimeZone = 'UTC'")
        found = reader.execute("SELECT * FROM read_parquet(?)", [str(path)])
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


class TestNothingIsLostOnTheWholeWay:
    """product.md, promise 1: each served value is in its column or, exactly, in the rescue column of its row."""

    @examples(110)
    @given(pages(), st.sampled_from(["assets", "data"]))
    def test_every_record_comes_back_from_the_file(
        self,
        page: tuple[tuple[Column, ...], list[bytes]],
        key: Literal["assets", "data"],
    ) -> None:
        """By pyarrow and by DuckDB alike."""
        of, raws = page
        converted = Converter(of, rows_key=key, run_id="r").convert(body_of(raws, key), page=0, fetched_at=NOW)
        rules, entry = Rules(of), {"columns": {column.name: describe(column) for column in of}}
        kept = [same(oracle(raw, of)) for raw in raws if readable(rules, raw)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "part.parquet"
            with pq.ParquetWriter(path, converted.batch.schema) as writer:
                writer.write_batch(converted.batch)

            arrow, duck = pq.read_table(path).to_pylist(), by_duckdb(path)

        assert [same(restore(row, entry)) for row in arrow] == kept
        assert [same(restore(row, entry)) for row in duck] == kept
        assert len(converted.dead) == len(raws) - len(kept)
