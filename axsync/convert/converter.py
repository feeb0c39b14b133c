"""One lane's way from page bytes to a record batch."""

import hashlib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.json as pj

from axsync.convert import arrays, rescue
from axsync.convert.columns import Finished, finish, wire_type
from axsync.convert.fit import Rules, Unreadable
from axsync.convert.json_split import split
from axsync.convert.mixed import interleaved, page_of, with_long_numbers
from axsync.convert.page_bytes import has_explicit_null, has_long_number, has_tiny_number, rows_only
from axsync.convert.timestamps import Ints
from axsync.model import ID_FIELD, DeadLetter
from axsync.schema.dates import micros_of
from axsync.schema.fields import Column, arrow_schema, canonical, contains


@dataclass(frozen=True, slots=True)
class Converted:
    """A page as the lake keeps it, and what did not go the plain way.

    `drift` is Axonius field → (rescued values, JSON type of an example); `fingerprint` is the same for two pages
    with the same ids in the same order.
    """

    batch: pa.RecordBatch
    dead: tuple[DeadLetter, ...]
    drift: dict[str, tuple[int, str]]
    fingerprint: bytes

    @property
    def served(self) -> int:
        """Rows that the server sent: kept ones and dead letters."""
        return int(self.batch.num_rows) + len(self.dead)


Mixed: TypeAlias = tuple[list[pa.Array], list[DeadLetter], dict[int, dict[str, str]]]
"""Arrays, dead letters, and what was rescued by row."""


@dataclass(frozen=True, slots=True)
class _Record:
    """A record that was cleaned: its place in the page, what pyarrow will read, what is rescued."""

    raw: bytes
    position: int
    text: bytes
    rescued: dict[str, str]


class Converter:
    """Converts the pages of one lane with its pinned columns. Safe to share between threads."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        rows_key: Literal["assets", "data"],
        run_id: str,
        ignored: Callable[[str], bool] | None = None,
    ) -> None:
        """`ignored` tells of keys without a column that are not kept: what came along though nobody asked for it."""
        self.columns = tuple(columns)
        self.schema = arrow_schema(self.columns)
        self._rows_key, self._run_id = rows_key, run_id
        self._rules = Rules(self.columns, ignored)
        # Rows are read in the form in which most are served; cleaned ones in the form in which they were written.
        self._clean_columns = tuple(replace(c, kind=canonical(c.kind)) for c in self.columns)
        row = _row_of(self.columns)
        self._plain, self._clean = _options(row, "assets"), _options(_row_of(self._clean_columns), "assets")
        enveloped = pa.struct([("type", pa.string()), ("id", pa.string()), ("attributes", row)])
        self._served = self._plain if rows_key == "assets" else _options(enveloped, "data")
        self._numbers = any(contains(c.kind, "number") for c in self.columns)
        # A column of JSON texts holds values that pyarrow cannot read as text: every record must be cleaned.
        self._careful_only = any(contains(c.kind, "json") for c in self.columns)
        self._id = next(i for i, c in enumerate(self.columns) if c.field == ID_FIELD)

    def convert(self, body: bytes, *, page: int, fetched_at: datetime) -> Converted:
        """The page as a batch of the lane's schema.

        Raises: shape.borders.NotWhole where the page is cut.
        """
        finished = self._fast(body)
        if finished is not None:
            return self._assemble(finished.columns, [], {}, fetched_at)
        raws = split(body, self._rows_key)
        tests = () if self._careful_only else (self._rules.reads, self._rules.accepts)
        ways = (self._mixed(raws, page, is_good) for is_good in tests)
        mixed = next((found for found in ways if found is not None), None)
        return self._assemble(*(mixed or self._all_cleaned(raws, page)), fetched_at)

    def _fast(self, body: bytes) -> Finished | None:
        """The whole page at once, or None where some record needs care."""
        if self._careful_only or has_explicit_null(body) or (self._numbers and has_long_number(body)):
            return None
        text = rows_only(body, self._rows_key)
        if text is None:
            return None
        try:
            rows = _read(text, self._served, self._rows_key)
        except pa.ArrowInvalid:
            return None
        if self._rows_key == "data" and not rows.null_count:
            rows = rows.field("attributes")
        if rows.null_count:
            return None
        finished = finish(rows, self.columns)
        if len(finished.doubtful) or len(self._no_id(finished.columns)):
            return None
        return None if finished.zeros and has_tiny_number(body) else finished

    def _no_id(self, served: list[pa.Array]) -> Ints:
        ids = served[self._id]
        offsets = np.frombuffer(ids.buffers()[1], dtype=np.int32)[ids.offset :] if len(ids) else np.zeros(1, np.int32)
        return np.flatnonzero(np.diff(offsets[: len(ids) + 1]) == 0)  # null or empty

    def _mixed(self, raws: list[bytes], page: int, is_good: Callable[[bytes], bool]) -> Mixed | None:
        """Good records go as they are, the others are cleaned; None where that does not do."""
        bad = {place for place, raw in enumerate(raws) if not is_good(raw)}
        good, text = _without(bad, raws)
        if self._numbers and (long := with_long_numbers(text, [raws[place] for place in good])):
            bad |= {good[row] for row in long}
            good, text = _without(bad, raws)
        plain = _tried(text, self._plain, self.columns)
        if plain is None or (plain.zeros and has_tiny_number(text)):
            return None
        bad |= {good[row] for row in (*plain.doubtful.tolist(), *self._no_id(plain.columns).tolist())}
        records, dead = self._cleaned(raws, sorted(bad), page)
        cleaned = self._read_clean(records)
        if cleaned is None or len(raws) == len(dead):
            return None
        rows = {place: (False, row) for row, place in enumerate(good) if place not in bad}
        rows |= {record.position: (True, row) for row, record in enumerate(records)}
        order = {place: row for row, place in enumerate(sorted(rows))}
        rescued = {order[r.position]: r.rescued for r in records if r.rescued}
        return interleaved(plain.columns, cleaned.columns, (rows[place] for place in order)), dead, rescued

    def _all_cleaned(self, raws: list[bytes], page: int) -> Mixed:
        """Every record cleaned; one that pyarrow refuses even so becomes a dead letter."""
        records, dead = self._cleaned(raws, range(len(raws)), page)
        finished = self._read_clean(records)
        if finished is None:
            refused = [record for record in records if self._read_clean([record]) is None]
            dead += [DeadLetter(page, r.position, "cannot be typed", r.raw) for r in refused]
            records = [record for record in records if record not in refused]
            finished = finish(_read(_text_of(records), self._clean, "assets"), self._clean_columns)
        return finished.columns, dead, {row: r.rescued for row, r in enumerate(records) if r.rescued}

    def _cleaned(self, raws: list[bytes], places: Iterable[int], page: int) -> tuple[list[_Record], list[DeadLetter]]:
        records: list[_Record] = []
        dead: list[DeadLetter] = []
        for place in places:
            try:
                cleaned = self._rules.clean(raws[place])
                records.append(_Record(raws[place], place, cleaned.json, cleaned.rescued))
            except Unreadable as error:
                dead.append(DeadLetter(page, place, error.reason, raws[place]))
        return records, dead

    def _read_clean(self, records: Sequence[_Record]) -> Finished | None:
        return _tried(_text_of(records), self._clean, self._clean_columns)

    def _assemble(
        self,
        served: list[pa.Array],
        dead: list[DeadLetter],
        rescued: dict[int, dict[str, str]],
        fetched_at: datetime,
    ) -> Converted:
        rows = len(served[0])
        texts = [rescue.text(rescued[i]) if i in rescued else None for i in range(rows)] if rescued else None
        own = [
            arrays.same_text(self._run_id, rows),
            arrays.same_instant(micros_of(fetched_at), rows),
            pa.nulls(rows, pa.string()) if texts is None else arrays.texts(texts),
        ]
        batch = pa.RecordBatch.from_arrays([*served, *own], schema=self.schema)
        return Converted(batch, tuple(dead), _drift(rescued.values()), _fingerprint(served[self._id]))


def _text_of(records: Sequence[_Record]) -> bytes:
    return page_of([record.text for record in records])


def _without(bad: Container[int], raws: Sequence[bytes]) -> tuple[list[int], bytes]:
    """The places of the other records, and these as a page."""
    good = [place for place in range(len(raws)) if place not in bad]
    return good, page_of([raws[place] for place in good])


def _row_of(columns: Iterable[Column]) -> pa.DataType:
    return pa.struct([pa.field(c.wire, wire_type(c.kind)) for c in columns])


def _options(row: pa.DataType, key: str) -> pj.ParseOptions:
    schema = pa.schema([(key, pa.list_(row))])
    return pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")


def _tried(text: bytes, options: pj.ParseOptions, columns: tuple[Column, ...]) -> Finished | None:
    """The rows of a page text; None where pyarrow refuses one of them."""
    try:
        return finish(_read(text, options, "assets"), columns)
    except pa.ArrowInvalid:
        return None


def _read(text: bytes, options: pj.ParseOptions, key: str) -> pa.StructArray:
    """The rows of a page text. Raises: pa.ArrowInvalid, also for text that is not UTF-8."""
    # A block must hold the whole object; reading it in one block also keeps the reader on this thread.
    block = pj.ReadOptions(use_threads=False, block_size=len(text) + 16)
    table = pj.read_json(pa.BufferReader(text), read_options=block, parse_options=options)
    lists = table.column(key)
    if table.num_rows != 1 or lists.null_count:
        raise pa.ArrowInvalid("not a page: no rows")
    rows = lists.chunk(0).values  # of one row that is not null: all values are its own
    rows.validate(full=True)  # pyarrow's JSON reader accepts bytes that are not UTF-8; only this check sees them
    return rows


def _drift(rescued: Iterable[Mapping[str, str]]) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for values in rescued:
        for path, text in values.items():
            name = rescue.split_path(path)[0]
            found[name] = (found.get(name, (0, ""))[0] + 1, _json_type(text))
    return found


def _json_type(text: str) -> str:
    names = {'"': "string", "{": "object", "[": "array", "t": "bool", "f": "bool", "n": "null"}
    return names.get(text.lstrip()[:1], "number")


def _fingerprint(ids: pa.Array) -> bytes:
    if not len(ids):
        return b""
    digest = hashlib.blake2b(digest_size=8)
    for buffer in pa.concat_arrays([ids]).buffers()[1:]:
        digest.update(buffer or b"")
    return digest.digest()
