"""Pages around records, converters that never take the fast path, and rows as one can compare them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa

from axsync.convert import Converted, Converter
from axsync.convert.typed_columns import Finished
from axsync.model import ID_FIELD
from axsync.schema.columns import Column, Field, make_columns
from axsync.schema.kinds import Atom, Kind

Key = Literal["assets", "data"]
NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
ID = "0f3c9a5be1d24477a6c0b1e2d3f4a5b6"
META = b'{"page":{"number":1,"size":2,"totalPages":9,"totalResources":99},"next_page":"tok"}'


class NeverFast(Converter):
    """Each page is split; records that are as they should be stay untouched."""

    def _fast(self, body: bytes) -> Finished | None:
        return None


class AlwaysCleaned(NeverFast):
    """Each record is cleaned, however good it is."""

    def __init__(self, columns: Sequence[Column], *, rows_key: Key, run_id: str) -> None:
        super().__init__(columns, rows_key=rows_key, run_id=run_id)
        self._ways = replace(self._ways, careful_only=True)


class NeverCareful(Converter):
    """A page that needs care is an error."""

    def _fast(self, body: bytes) -> Finished | None:
        finished = super()._fast(body)
        assert finished is not None, "the page needs care"
        return finished


def page(records: Sequence[bytes], key: Key = "assets", *, meta: str = "last", gap: str = "") -> bytes:
    """A body of these records; `meta` is last, first or missing; `gap` stands behind each colon and comma outside."""
    rows = records if key == "assets" else [b'{"type":"entities_schema","id":"x","attributes":%b}' % r for r in records]
    comma, colon = f",{gap}".encode(), f":{gap}".encode()
    parts = [b'"%b"%b[%b]' % (key.encode(), colon, comma.join(rows)), b'"meta"%b%b' % (colon, META)]
    ordered = {"last": parts, "first": parts[::-1], "missing": parts[:1]}[meta]
    return b"{" + comma.join(ordered) + b"}"


def convert(made: Converter, body: bytes) -> Converted:
    """The third page of its lane."""
    return made.convert(body, page=3, fetched_at=NOW)


def columns_of(*kinds: tuple[str, Kind]) -> tuple[Column, ...]:
    """The id and these fields."""
    return make_columns([Field(ID_FIELD, Atom("text")), *(Field(name, kind) for name, kind in kinds)])


def record(**members: object) -> bytes:
    """A record with an id."""
    return json.dumps({ID_FIELD: ID, **members}).encode()


def rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows in which NaN equals itself and -0.0 is not 0.0."""
    batch.validate(full=True)
    return [{name: repr(value) for name, value in row.items()} for row in batch.to_pylist()]
