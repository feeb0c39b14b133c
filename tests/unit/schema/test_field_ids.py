"""Every column has a number, which no other one ever gets."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axsync.schema.columns import Column, arrow_schema
from axsync.schema.field_ids import (
    FIELD_ID,
    PARTITION_IDS,
    FieldIds,
    paths_of,
    read_field_ids,
    with_field_ids,
    write_field_ids,
)
from axsync.schema.kinds import Atom, Group, Kind, Many, Member
from tests.examples import scaled

TEXT = Atom("text")

KINDS: st.SearchStrategy[Kind] = st.recursive(
    st.sampled_from([TEXT, Atom("integer"), Atom("timestamp")]),
    lambda inner: (
        st.builds(Many, inner)
        | st.dictionaries(st.sampled_from("abc"), inner, min_size=1).map(
            lambda found: Group(tuple(Member(key, key, kind) for key, kind in found.items()))
        )
    ),
    max_leaves=6,
)
SCHEMAS = st.dictionaries(st.sampled_from(["os", "nics", "seen", "a"]), KINDS).map(
    lambda found: arrow_schema([Column(name, name, name, kind) for name, kind in found.items()])
)


def test_members_and_elements_have_numbers_of_their_own() -> None:
    """They are in the Parquet file, beside the Axonius name; the partition columns, which are not, have the first."""
    kind = Many(Group((Member("MAC", "mac", TEXT), Member("ips", "ips", Many(TEXT)))))
    schema = arrow_schema([Column("nics", "specific_data.data.nics", "nics", kind)])
    ids = FieldIds().extended(schema)

    file = io.BytesIO()
    pq.write_table(with_field_ids(schema, ids.known).empty_table(), file)
    (nics, *_), wanted = pq.read_schema(file), schema.field("nics")

    assert list(ids.known)[:6] == ["instance", "dt", "nics", "nics[]", "nics[].mac", "nics[].ips"]
    assert [nics.metadata[FIELD_ID], nics.type.value_field.metadata[FIELD_ID]] == [b"3", b"4"]
    assert [member.metadata[FIELD_ID] for member in nics.type.value_type] == [b"5", b"6"]
    assert nics.metadata[b"axonius.field"] == b"specific_data.data.nics"
    assert nics.equals(wanted)


@given(st.lists(SCHEMAS, min_size=1, max_size=4))
@settings(max_examples=scaled(50))
def test_a_number_is_given_away_once_and_for_good(schemas: list[pa.Schema]) -> None:
    """Whatever columns come and go, in whatever order."""
    ids, seen = FieldIds(), dict(PARTITION_IDS)
    for schema in schemas:
        ids = read_field_ids(write_field_ids("devices", ids.extended(schema)))
        fresh = {path: ids.known[path] for path in paths_of(schema)}
        assert all(seen.get(path, number) == number for path, number in fresh.items())
        seen |= fresh
        assert len(set(seen.values())) == len(seen)
        assert max(seen.values()) < ids.free
        assert ids.extended(schema) is ids
        assert with_field_ids(schema, ids.known).equals(schema)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b'{"format_version":2,"free":9,"field_ids":{"instance":1,"dt":2}}',
        b'{"format_version":1,"free":9,"field_ids":{"instance":1,"dt":2,"a":2}}',
        b'{"format_version":1,"free":3,"field_ids":{"instance":1,"dt":2,"a":3}}',
        b'{"format_version":1,"free":9,"field_ids":{}}',
    ],
)
def test_numbers_that_do_not_go_together_are_refused(raw: bytes) -> None:
    """A number in two places would make readers take one column for another."""
    with pytest.raises(ValueError, match=r"go together|truncated"):
        read_field_ids(raw)
