"""What was served comes back: clean, pyarrow, Parquet and restore together lose nothing."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from axsync.convert import rescue
from axsync.convert.exact import Unreadable
from axsync.convert.fit import Cleaned, Rules
from axsync.convert.rescue import restore
from axsync.schema.columns import Column, Field, columns_of, describe_column, make_columns
from axsync.schema.kinds import Atom, canonical
from tests.unit.convert.lake import Twice, oracle, same, table
from tests.unit.convert.served import examples, lanes

Lane: TypeAlias = tuple[tuple[Column, ...], list[bytes]]


def lane_of(columns: Sequence[Column]) -> dict[str, Any]:
    """The lane's manifest entry, as read from a file."""
    entry: dict[str, Any] = json.loads(
        json.dumps({"columns": {column.name: describe_column(column) for column in columns}})
    )
    return entry


def cleaned(rules: Rules, raw: bytes) -> Cleaned | Unreadable:
    """The cleaned record, or why it is unreadable."""
    try:
        return rules.clean(raw)
    except Unreadable as error:
        return error


def rightly(error: Unreadable, raw: bytes, columns: Sequence[Column]) -> bool:
    """Whether the record is as bad as the error says."""
    if "outside a number column" in error.reason:
        return b"NaN" in raw or b"Infinity" in raw
    try:
        record = oracle(raw, columns)
    except Twice:
        return error.reason.endswith("twice in one object")
    if error.reason == "one field under two keys":
        return record is None
    return error.reason == "no usable id" and record["internal_axon_id"] in ("", "\ud800")


def written(columns: Sequence[Column], clean: Sequence[Cleaned]) -> pa.Table:
    """The table of these records."""
    return table(
        columns, [c.json for c in clean], [rescue.write_rescued(c.rescued) if c.rescued else None for c in clean]
    )


def duck_rows(path: Path) -> list[dict[str, Any]]:
    """All rows of a file as DuckDB reads them, in order."""
    with duckdb.connect() as connection:
        found = connection.read_parquet(str(path))
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for a part file."""
    return tmp_path_factory.mktemp("lake") / "part.parquet"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("key", ["f", "j", "stray"])
@pytest.mark.parametrize("overflow", [True, False])
def test_the_deepest_values_come_back(opening: str, closing: str, key: str, *, overflow: bool) -> None:
    """As deep as is read at all: from the rescue column, a JSON column, the overflow column."""
    names = [("internal_axon_id", "text"), ("f", "text"), ("j", "json"), *([("*", "json")] if overflow else [])]
    columns = make_columns([Field(name, Atom(atom)) for name, atom in names])  # type: ignore[arg-type]  # names of atoms
    raw = f'{{"internal_axon_id":"i","{key}":{opening * 255}[]{closing * 255}}}'.encode()

    (row,) = written(columns, [Rules(columns).clean(raw)]).to_pylist()

    assert same(restore(row, lane_of(columns))) == same(oracle(raw, columns))


class TestNothingIsLost:
    """Each served value is in its column or, exactly, in the rescue column of the same row."""

    @examples(400)
    @given(lanes())
    def test_a_record_comes_back_from_arrow(self, lane: Lane) -> None:
        """Clean and restore are inverse, for any columns and any drift."""
        columns, (raw,) = lane
        clean = cleaned(Rules(columns), raw)
        if isinstance(clean, Unreadable):
            assert rightly(clean, raw, columns)
            return

        (row,) = written(columns, [clean]).to_pylist()

        assert same(restore(row, lane_of(columns))) == same(oracle(raw, columns))

    @examples(40)
    @given(lanes(rows=6))
    def test_records_come_back_from_a_file(self, part: Path, lane: Lane) -> None:
        """A real Parquet file gives back every record of a page, to pyarrow and to DuckDB."""
        columns, raws = lane
        rules, entry = Rules(columns), lane_of(columns)
        kept = [(raw, clean) for raw in raws if isinstance(clean := cleaned(rules, raw), Cleaned)]
        if not kept:
            return

        pq.write_table(written(columns, [clean for _, clean in kept]), part)

        served = [same(oracle(raw, columns)) for raw, _ in kept]
        assert [same(restore(row, entry)) for row in pq.read_table(part).to_pylist()] == served
        assert [same(restore(row, entry)) for row in duck_rows(part)] == served

    @examples()
    @given(lanes())
    def test_what_is_accepted_survives_as_it_is(self, lane: Lane) -> None:
        """An accepted record needs no cleaning: nothing is rescued, and pyarrow takes its bytes."""
        columns, (raw,) = lane
        rules = Rules(columns)
        if not rules.accepts(raw):
            return

        clean = rules.clean(raw)
        assert not clean.rescued
        as_it_is = all(canonical(column.kind) == column.kind for column in columns)
        for body in (raw, clean.json) if as_it_is else (clean.json,):
            (row,) = table(columns, [body], [None]).to_pylist()
            assert same(restore(row, lane_of(columns))) == same(oracle(raw, columns))

    @examples(100)
    @given(lanes())
    def test_columns_come_back_from_the_manifest(self, lane: Lane) -> None:
        """A lane's entry tells names, fields, kinds and forms of dates."""
        columns, _ = lane

        back = columns_of(lane_of(columns))

        assert [(c.name, c.field, c.kind, c.dates) for c in back] == [
            (c.name, c.field, c.kind, c.dates) for c in columns
        ]
