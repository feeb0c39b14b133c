"""Whichever way a page takes through the converter, its rows are the same: at once, sorted, record by record."""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import TypeAlias

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.convert import Converted, Converter
from axsync.convert.fit import Rules
from axsync.convert.rescue import restore
from axsync.model import ID_FIELD
from axsync.schema.columns import Column, describe_column
from axsync.schema.kinds import Atom
from tests.unit.convert.lake import same
from tests.unit.convert.pages import AlwaysCleaned, Key, NeverFast, columns_of, convert, page
from tests.unit.convert.served import examples, lanes

Lane: TypeAlias = tuple[tuple[Column, ...], list[bytes]]


class Taught(NeverFast):
    """The page has been there before, so that only what drifts in it is looked at."""

    def convert(self, body: bytes, *, page: int, fetched_at: datetime) -> Converted:
        super().convert(body, page=page, fetched_at=fetched_at)
        return super().convert(body, page=page, fetched_at=fetched_at)


class AllRules(Rules):
    """Nothing passes that has not been tested by all rules."""

    __slots__ = ()
    passes = reads = Rules.accepts


class RecordByRecord(NeverFast):
    """Neither at once nor by types alone: each record is tested by all rules."""

    @cached_property
    def _rules(self) -> Rules:
        return AllRules(self.columns)


POOLS: list[pa.MemoryPool] = []  # a buffer may outlive the test, and needs its pool
WAYS: tuple[type[Converter], ...] = (Converter, NeverFast, Taught, RecordByRecord, AlwaysCleaned)


def served(converted: Converted, columns: Sequence[Column]) -> list[object]:
    """The records that the rows stand for, and what became dead letters."""
    converted.batch.validate(full=True)
    lane = {"columns": {column.name: describe_column(column) for column in columns}}
    rows: list[object] = [same(restore(row, lane)) for row in converted.batch.to_pylist()]
    return [*rows, *((letter.position, letter.raw) for letter in converted.dead)]


def typed(converted: Converted) -> list[str]:
    """The typed columns alone, by value: NaN equals itself, -0.0 is not 0.0."""
    kept = [name for name in converted.batch.schema.names if not name.startswith("axsync_")]
    return [repr(row) for row in pa.Table.from_batches([converted.batch]).select(kept).to_pylist()]


class TestEveryWay:
    """The fast path and the exact ones give the same rows."""

    @examples(120)
    @given(lanes(rows=6), st.sampled_from(["assets", "data"]), st.sampled_from(["", " "]))
    def test_the_ways_agree(self, lane: Lane, key: Key, gap: str) -> None:
        """Drift, nesting, unicode, numbers at the borders; typed values and rescued ones alike."""
        columns, raws = lane
        body = page(raws, key, gap=gap)

        first, *others = (convert(way(columns, rows_key=key, run_id="r"), body) for way in WAYS)

        for other in others:
            assert served(other, columns) == served(first, columns)
            assert typed(other) == typed(first)
            assert other.drift == first.drift
            assert other.fingerprint == first.fingerprint


@pytest.mark.fault(58)
def test_odd_rows_between_good_ones_take_no_more_memory_than_good_ones() -> None:
    """Whatever alternates in a wide page: both sorts become one column after the other."""
    lane = columns_of(*((f"c{number}", Atom("integer")) for number in range(300)))

    def most(odd: int) -> int:
        good, bad = b'"c%d":1', b'"c%d":"x"'
        cells = [(bad if odd and place % odd == 0 else good) % (place % 300) for place in range(1200)]
        records = [b'{"%b":"%032x",%b}' % (ID_FIELD.encode(), place, cell) for place, cell in enumerate(cells)]
        made, before = Converter(lane, rows_key="assets", run_id="r"), pa.default_memory_pool()
        pool = pa.proxy_memory_pool(before)
        POOLS.append(pool)
        pa.set_memory_pool(pool)
        try:
            converted = convert(made, page(records))
            assert (converted.batch.num_rows, sum(n for n, _ in converted.drift.values())) == (
                1200,
                odd and 1200 // odd,
            )
            return int(pool.max_memory())
        finally:
            pa.set_memory_pool(before)

    clean = most(0)
    assert {share: round(most(share) / clean, 1) for share in (50, 10, 3, 2) if most(share) > 1.3 * clean} == {}
