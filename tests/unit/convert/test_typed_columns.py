"""The columns of a page get the types of the lake, also where Arrow shares the memory of a longer array."""

import pyarrow as pa
import pytest

from axsync.convert.typed_columns import ColumnBuilder, json_type
from axsync.schema.kinds import Atom, Group, Kind, Many, Member, Wrapped

DATED = Group((Member("Last Seen", "last_seen", Atom("timestamp")), Member("n", "n", Atom("number"))))
SEEN = [{"Last Seen": f"Mon, 23 Nov 2026 02:00:0{second} GMT", "n": second / 2} for second in range(4)]


@pytest.mark.parametrize(
    ("kind", "served"),
    [
        (DATED, [*SEEN, None]),
        (Group((Member("of", "of", DATED),)), [{"of": one} for one in SEEN]),
        (Many(DATED), [SEEN[:2], None, SEEN[2:], []]),
        (Many(Atom("timestamp"), bare=True), [one["Last Seen"] for one in SEEN]),
        (Wrapped(Atom("number")), [[0.5], [1.5, 2.5], [3.5], None]),
    ],
    ids=["object", "object in an object", "list", "list or bare value", "list of one"],
)
def test_a_slice_becomes_what_its_rows_become(kind: Kind, served: list[object]) -> None:
    """And the rows that need a closer look are numbered from its first."""
    array = pa.array(served, json_type(kind))

    made, doubtful = ColumnBuilder().build(array.slice(1, 3), kind)
    alone, doubtful_alone = ColumnBuilder().build(pa.array(served[1:4], json_type(kind)), kind)

    made.validate(full=True)
    assert (made.to_pylist(), doubtful.tolist()) == (alone.to_pylist(), doubtful_alone.tolist())
