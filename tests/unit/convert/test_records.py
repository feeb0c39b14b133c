"""Whole batches back to records: exactly what `restore` makes of each row."""

import gc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.convert.fit import Cleaned, Rules
from axsync.convert.records import FEW_ROWS, restore_batch
from axsync.convert.rescue import restore
from axsync.convert.timestamps import write_timestamps
from axsync.schema import dates
from axsync.schema.columns import Column, Field, arrow_schema, make_columns
from axsync.schema.dates import FIRST, LAST
from axsync.schema.kinds import Atom, Many
from tests.unit.convert.served import FORMS, examples, lanes
from tests.unit.convert.test_lossless import cleaned, lane_of, written

Lane = tuple[tuple[Column, ...], list[bytes]]


def expected(table: pa.Table, columns: tuple[Column, ...]) -> str:
    """As text, which tells 7 from 7.0 and NaN from nothing, and keeps the order of keys."""
    entry = lane_of(columns)
    return repr([restore(row, entry) for row in table.to_pylist()])


@examples(300)
@given(lanes(rows=6), st.sampled_from([1, 15]), st.integers(0, 2))
def test_a_batch_comes_back_as_its_rows_do(lane: Lane, times: int, skipped: int) -> None:
    """Any columns, any drift; few rows and many; a slice of a longer batch."""
    columns, raws = lane
    kept = [clean for raw in raws if isinstance(clean := cleaned(Rules(columns), raw), Cleaned)]
    if not kept:
        return
    table = pa.concat_tables([written(columns, kept)] * times).combine_chunks().slice(skipped)

    records = [record for batch in table.to_batches() for record in restore_batch(batch, columns)]

    assert repr(records) == expected(table, columns)


@given(st.lists(st.integers(FIRST, LAST) | st.sampled_from([FIRST, LAST]), min_size=1, max_size=5), FORMS)
def test_dates_are_written_as_one_by_one(micros: list[int], form: str) -> None:
    """In every form, from the first moment to the last."""
    texts = write_timestamps(np.array(micros), form, np.ones(len(micros), np.bool_))

    assert texts.to_pylist() == [dates.write(one, form) for one in micros]


def test_a_column_that_is_not_there_is_passed_over() -> None:
    """A reader may leave columns out, the rescue column too."""
    columns = make_columns([Field("a", Atom("text")), Field("b", Atom("text"))])

    assert list(restore_batch(pa.RecordBatch.from_pydict({"b": ["x", None]}), columns)) == [{"b": "x"}, {}]


def test_a_value_that_is_none_keeps_its_key() -> None:
    """JSON null, and the null element of a list that was served bare; a row without the value has no key."""
    columns = (Column("a", "A", "A", Atom("json")), Column("b", "B", "B", Many(Atom("text"), bare=True)))
    rows = [{"a": "null", "b": [None]}, {"a": None, "b": None}, {"a": "1", "b": ["x"]}]
    batch = pa.RecordBatch.from_pylist(rows, arrow_schema(columns))

    assert list(restore_batch(batch, columns)) == [{"A": None, "B": None}, {}, {"A": 1, "B": "x"}]


def test_the_collector_of_garbage_works_again_afterwards() -> None:
    """Also after an error: a rescue column that holds no object."""
    rescued = ["[]"] * (FEW_ROWS + 1)
    with pytest.raises(TypeError):
        list(restore_batch(pa.RecordBatch.from_pydict({"axsync_rescued": rescued}), ()))

    assert gc.isenabled()
