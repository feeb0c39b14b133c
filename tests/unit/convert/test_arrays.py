import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.convert import arrays

CONVERT = """
import sys
from tests.unit.convert.pages import columns_of, convert, page, record
from axsync.convert import Converter
from axsync.schema.kinds import Atom, Many
columns = columns_of(("a", Atom("text")), ("n", Many(Atom("number"))), ("t", Atom("timestamp")))
made = Converter(columns, rows_key="assets", run_id="r")
good = record(a="x", n=[1.5, None], t="Mon, 02 Nov 2026 10:11:12 GMT")
assert convert(made, page([good])).batch.num_rows == 1
assert convert(made, page([good, record(a=7, t="never")])).drift
print([name for name in ("pandas", "pyarrow.compute") if name in sys.modules])
"""


@given(st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=5)), max_size=20))
def test_texts_are_what_pyarrow_makes_of_them(values: list[str | None]) -> None:
    """Nulls, empty ones and all."""
    assert arrays.texts(values).equals(pa.array(values, pa.string()))


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=70), st.data())
def test_fixed_values_and_their_validity_are_what_pyarrow_makes_of_them(
    values: list[int | None], data: st.DataObject
) -> None:
    """Whole arrays and slices, whose bits begin in the middle of a byte."""
    numbers, known = np.array([v or 0 for v in values], dtype=np.int64), np.array([v is not None for v in values], bool)
    made = arrays.fixed(numbers, known, pa.int64())
    assert made.equals(pa.array(values, pa.int64()))

    start = data.draw(st.integers(0, len(values)))
    assert arrays.valid(made.slice(start)).tolist() == known[start:].tolist()


@pytest.mark.parametrize("count", [0, 1, 9])
def test_constants_are_what_pyarrow_makes_of_them(count: int) -> None:
    """For any number of rows."""
    assert arrays.same_text("é", count).equals(pa.array(["é"] * count, pa.string()))
    assert arrays.same_instant(7, count).equals(pa.array([7] * count, pa.timestamp("us", tz="UTC")))
    assert arrays.flags(np.arange(count) % 2 == 1).equals(pa.array([n % 2 == 1 for n in range(count)], pa.bool_()))


def test_no_page_makes_pandas_load() -> None:
    """It is half a second and 45 MB, and is installed here."""
    done = subprocess.run([sys.executable, "-c", CONVERT], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
