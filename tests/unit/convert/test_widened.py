"""Values of older files in the types that columns have grown to."""

import pyarrow as pa
from hypothesis import given

from axsync.convert.arrays import valid
from axsync.convert.fit import Cleaned, Rules
from axsync.convert.widened import widened
from axsync.schema.columns import Column
from axsync.schema.kinds import Atom, Many, arrow_type, drop_forms, grown
from tests.unit.convert.served import KINDS, examples, lanes
from tests.unit.convert.test_lossless import cleaned, written

Lane = tuple[tuple[Column, ...], list[bytes]]


@examples(150)
@given(lanes(rows=4), KINDS)
def test_values_have_the_type_that_their_column_has_grown_to(lane: Lane, other: object) -> None:
    """Whatever the kinds are: no value is lost on the way, and none appears."""
    columns, raws = lane
    kept = [clean for raw in raws if isinstance(clean := cleaned(Rules(columns), raw), Cleaned)]
    batch = written(columns, kept).combine_chunks().slice(1)
    for column in columns:
        array = pa.concat_arrays(batch[column.name].chunks or [pa.nulls(0, arrow_type(column.kind))])
        want = grown(drop_forms(column.kind), drop_forms(other))
        if want is not None:
            wide = widened(array, column.kind, want)

            wide.validate(full=True)
            assert wide.type.equals(arrow_type(want))
            assert valid(wide).tolist() == valid(array).tolist()


def test_a_single_value_becomes_a_list_and_a_number_its_text() -> None:
    """As `grown` says; a column of JSON takes everything that none else can."""
    ints = pa.array([1, None, 3])

    assert widened(ints, Atom("integer"), Many(Atom("number"))).to_pylist() == [[1.0], None, [3.0]]
    assert widened(pa.array([2**53 + 1]), Atom("integer"), Atom("number")).to_pylist() == [2.0**53]
    assert widened(ints, Atom("integer"), Atom("text")).to_pylist() == ["1", None, "3"]
    assert widened(pa.array([["x"]]), Many(Atom("text")), Atom("json")).to_pylist() == ['["x"]']
    assert widened(pa.array(["x"]), Atom("text"), Atom("json")).to_pylist() == ['"x"']
