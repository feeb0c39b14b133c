"""Converts the pages of one lane to record batches."""

import hashlib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.json as pj

from axsync.convert import arrays
from axsync.convert.arrays import Ints
from axsync.convert.exact import Unreadable
from axsync.convert.fit import Rules
from axsync.convert.page_bytes import (
    has_explicit_null,
    has_long_number,
    has_tiny_number,
    long_numbers,
    rows_only,
    split_records,
)
from axsync.convert.rescue import split_path, write_rescued
from axsync.convert.typed_columns import Finished, finish, json_type
from axsync.model import ID_FIELD, DeadLetter
from axsync.schema.columns import Column, arrow_schema
from axsync.schema.dates import micros_of
from axsync.schema.kinds import canonical, contains

FEW_RUNS = 32
"""Up to so many runs of plain and cleaned rows are joined as slices."""
_OPENING = len('{"assets":[')


@dataclass(frozen=True, slots=True)
class Converted:
    """A page as the lake stores it, and what left the fast path.

    `drift` is Axonius field → (rescued values, JSON type of an example). Two pages with the same ids in the same order
    have the same `fingerprint`.
    """

    batch: pa.RecordBatch
    dead: tuple[DeadLetter, ...]
    drift: dict[str, tuple[int, str]]
    fingerprint: bytes

    @property
    def served(self) -> int:
        """Rows that the server sent: stored ones and dead letters."""
        return int(self.batch.num_rows) + len(self.dead)


CleanedPage: TypeAlias = tuple[list[pa.Array], list[DeadLetter], dict[int, dict[str, str]]]
"""Arrays, dead letters, and rescued values by row."""


@dataclass(frozen=True, slots=True)
class _Record:
    """A cleaned record: its position in the page, the JSON for pyarrow, the rescued values."""

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
        """`ignored` says which keys without a column are dropped, because the server sends them unrequested."""
        self.columns = tuple(columns)
        self.schema = arrow_schema(self.columns)
        self._rows_key, self._run_id = rows_key, run_id
        self._rules = Rules(self.columns, ignored)
        # Rows are read in the form in which most are served, cleaned ones in canonical form.
        self._clean_columns = tuple(replace(c, kind=canonical(c.kind)) for c in self.columns)
        row = _row_of(self.columns)
        self._plain, self._clean = _options(row, "assets"), _options(_row_of(self._clean_columns), "assets")
        enveloped = pa.struct([("type", pa.string()), ("id", pa.string()), ("attributes", row)])
        self._served = self._plain if rows_key == "assets" else _options(enveloped, "data")
        self._numbers = any(contains(c.kind, "number") for c in self.columns)
        # A column of JSON text holds values that pyarrow cannot read as strings: every record must be cleaned.
        self._careful_only = any(contains(c.kind, "json") for c in self.columns)
        self._id = next(i for i, c in enumerate(self.columns) if c.field == ID_FIELD)

    def convert(self, body: bytes, *, page: int, fetched_at: datetime) -> Converted:
        """Convert the body of an answer, page number `page` of the lane, to a batch of the lane's schema.

        Raises: page_bytes.CutPage if the page is cut off.
        """
        finished = self._fast(body)
        if finished is not None:
            return self._assemble(finished.columns, [], {}, fetched_at)
        raws = split_records(body, self._rows_key)
        tests = () if self._careful_only else (self._rules.reads, self._rules.accepts)
        ways = (self._clean_bad(raws, page, is_good) for is_good in tests)
        mixed = next((found for found in ways if found is not None), None)
        return self._assemble(*(mixed or self._clean_all(raws, page)), fetched_at)

    def _fast(self, body: bytes) -> Finished | None:
        """The whole page at once; None if some record needs cleaning."""
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

    def _clean_bad(self, raws: list[bytes], page: int, is_good: Callable[[bytes], bool]) -> CleanedPage | None:
        """Clean the records that fail `is_good` and keep the rest verbatim. None if the page needs the slow path."""
        bad = {place for place, raw in enumerate(raws) if not is_good(raw)}
        good, text = _leave_out(bad, raws)
        if self._numbers and (long := _with_long_numbers(text, [raws[place] for place in good])):
            bad |= {good[row] for row in long}
            good, text = _leave_out(bad, raws)
        plain = _try_read(text, self._plain, self.columns)
        if plain is None or (plain.zeros and has_tiny_number(text)):
            return None
        bad |= {good[row] for row in (*plain.doubtful.tolist(), *self._no_id(plain.columns).tolist())}
        records, dead = self._clean_records(raws, sorted(bad), page)
        cleaned = self._read_clean(records)
        if cleaned is None or len(raws) == len(dead):
            return None
        rows = {place: (False, row) for row, place in enumerate(good) if place not in bad}
        rows |= {record.position: (True, row) for row, record in enumerate(records)}
        order = {place: row for row, place in enumerate(sorted(rows))}
        rescued = {order[r.position]: r.rescued for r in records if r.rescued}
        return _interleave(plain.columns, cleaned.columns, (rows[place] for place in order)), dead, rescued

    def _clean_all(self, raws: list[bytes], page: int) -> CleanedPage:
        """Clean every record. One that pyarrow refuses even then becomes a dead letter."""
        records, dead = self._clean_records(raws, range(len(raws)), page)
        finished = self._read_clean(records)
        if finished is None:
            refused = [record for record in records if self._read_clean([record]) is None]
            dead += [DeadLetter(page, r.position, "cannot be typed", r.raw) for r in refused]
            records = [record for record in records if record not in refused]
            finished = finish(_read(_text_of(records), self._clean, "assets"), self._clean_columns)
        return finished.columns, dead, {row: r.rescued for row, r in enumerate(records) if r.rescued}

    def _clean_records(
        self, raws: list[bytes], places: Iterable[int], page: int
    ) -> tuple[list[_Record], list[DeadLetter]]:
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
        return _try_read(_text_of(records), self._clean, self._clean_columns)

    def _assemble(
        self,
        served: list[pa.Array],
        dead: list[DeadLetter],
        rescued: dict[int, dict[str, str]],
        fetched_at: datetime,
    ) -> Converted:
        rows = len(served[0])
        texts = [write_rescued(rescued[i]) if i in rescued else None for i in range(rows)] if rescued else None
        own = [
            arrays.same_text(self._run_id, rows),
            arrays.same_instant(micros_of(fetched_at), rows),
            pa.nulls(rows, pa.string()) if texts is None else arrays.texts(texts),
        ]
        batch = pa.RecordBatch.from_arrays([*served, *own], schema=self.schema)
        return Converted(batch, tuple(dead), _count_drift(rescued.values()), _fingerprint(served[self._id], dead))


def _text_of(records: Sequence[_Record]) -> bytes:
    return _page_of([record.text for record in records])


def _leave_out(bad: Container[int], raws: Sequence[bytes]) -> tuple[list[int], bytes]:
    """Positions of the other records, and these records as a page."""
    good = [place for place in range(len(raws)) if place not in bad]
    return good, _page_of([raws[place] for place in good])


def _page_of(records: Sequence[bytes]) -> bytes:
    """These records as a page without anything else."""
    return b'{"assets":[' + b",".join(records) + b"]}"


def _with_long_numbers(text: bytes, records: Sequence[bytes]) -> list[int]:
    """Which of these records, whose page is `text`, have a number with more digits than a double surely reproduces."""
    places = long_numbers(text)
    if not len(places):
        return []
    ends = np.cumsum([len(record) + 1 for record in records]) + _OPENING
    found: list[int] = np.unique(np.searchsorted(ends, places, side="right")).tolist()
    return found


def _interleave(plain: list[pa.Array], cleaned: list[pa.Array], order: Iterable[tuple[bool, int]]) -> list[pa.Array]:
    """Merge the rows of both in this order. An entry says whether the row is cleaned, and its index among its kind.

    A slice per run of rows costs memory for every run and column: many runs are taken one by one from both at once.
    What is given is used up column by column, so that no more than one column is there twice.
    """
    rows = list(order)
    runs = _runs(rows)
    places = np.array([number + len(plain[0]) * is_clean for is_clean, number in rows], dtype=np.int64)
    taken = arrays.fixed(places, np.ones(len(rows), dtype=np.bool_), pa.int64())
    merged: list[pa.Array] = []
    while plain:
        pair = plain.pop(), cleaned.pop()
        if len(runs) <= FEW_RUNS:
            merged.append(pa.concat_arrays([pair[is_clean].slice(at, size) for is_clean, at, size in runs]))
        else:
            merged.append(pa.concat_arrays(pair).take(taken))
    return merged[::-1]


def _runs(rows: Sequence[tuple[bool, int]]) -> list[tuple[bool, int, int]]:
    """Rows that are adjacent in both orders: whether they are cleaned, the first, how many."""
    runs: list[tuple[bool, int, int]] = []
    for is_clean, number in rows:
        if runs and runs[-1][0] == is_clean and sum(runs[-1][1:]) == number:
            runs[-1] = (is_clean, runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((is_clean, number, 1))
    return runs


def _row_of(columns: Iterable[Column]) -> pa.DataType:
    return pa.struct([pa.field(c.json_key, json_type(c.kind)) for c in columns])


def _options(row: pa.DataType, key: str) -> pj.ParseOptions:
    schema = pa.schema([(key, pa.list_(row))])
    return pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")


def _try_read(text: bytes, options: pj.ParseOptions, columns: tuple[Column, ...]) -> Finished | None:
    """The rows of a page; None if pyarrow refuses one of them."""
    try:
        return finish(_read(text, options, "assets"), columns)
    except pa.ArrowInvalid:
        return None


def _read(text: bytes, options: pj.ParseOptions, key: str) -> pa.StructArray:
    """The rows of a page. Raises: pa.ArrowInvalid, also for text that is not UTF-8."""
    # The block must hold the whole object. Reading one block also keeps the reader on this thread.
    block = pj.ReadOptions(use_threads=False, block_size=len(text) + 16)
    table = pj.read_json(pa.BufferReader(text), read_options=block, parse_options=options)
    lists = table.column(key)
    if table.num_rows != 1 or lists.null_count:
        raise pa.ArrowInvalid("not a page: no rows")
    rows = lists.chunk(0).values  # the only row is not null, so all values belong to it
    rows.validate(full=True)  # pyarrow's JSON reader accepts invalid UTF-8; only this check detects it
    return rows


def _count_drift(rescued: Iterable[Mapping[str, str]]) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for values in rescued:
        for path, text in values.items():
            name = split_path(path)[0]
            found[name] = (found.get(name, (0, ""))[0] + 1, _json_type(text))
    return found


def _json_type(text: str) -> str:
    names = {'"': "string", "{": "object", "[": "array", "t": "bool", "f": "bool", "n": "null"}
    return names.get(text.lstrip()[:1], "number")


def _fingerprint(ids: pa.Array, dead: Sequence[DeadLetter]) -> bytes:
    """Of the ids of a page, or of its records where none has an id; empty where there are no rows."""
    digest = hashlib.blake2b(digest_size=8)
    if len(ids):
        for buffer in pa.concat_arrays([ids]).buffers()[1:]:
            digest.update(buffer or b"")
    for letter in () if len(ids) else dead:
        digest.update(letter.raw)
    return digest.digest() if len(ids) or dead else b""
