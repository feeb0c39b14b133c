"""Converts the pages of one lane to record batches."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.json as pj

from axsync.convert import arrays
from axsync.convert.arrays import Ints
from axsync.convert.exact import Unreadable
from axsync.convert.fit import Cleaned, Rules
from axsync.convert.page_bytes import (
    cut_records,
    has_explicit_null,
    has_long_number,
    has_tiny_number,
    is_object,
    long_numbers,
    null_members,
    rows_only,
    view_records,
)
from axsync.convert.rescue import split_path, write_rescued
from axsync.convert.strict import Buffer
from axsync.convert.typed_columns import Finished, finish, json_type
from axsync.model import ID_FIELD, DeadLetter
from axsync.schema.columns import Column, arrow_schema
from axsync.schema.dates import micros_of
from axsync.schema.kinds import canonical, contains

FEW_RUNS = 32
"""Most runs of plain and cleaned rows that are joined as slices."""
MOST_WAYS = 128
"""Lists of columns that are remembered: lanes of one entity type mostly have the same in all instances."""
_OPENING = b'{"assets":['


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


@dataclass(slots=True)
class Records:
    """The records of a page as served, and by their places those that were cleaned or could not be."""

    raws: Sequence[Buffer]
    rules: Rules
    page: int
    cleaned: dict[int, Cleaned] = field(default_factory=dict)
    dead: dict[int, DeadLetter] = field(default_factory=dict)
    late: set[int] = field(default_factory=set)  # passed the test, and were in doubt when they were read

    def test(self, is_good: Callable[[Buffer], bool], bad: set[int]) -> set[int]:
        """These places, and those of records that fail the test."""
        return bad | {place for place, raw in enumerate(self.raws) if place not in bad and not is_good(raw)}

    def suspects(self, text: bytes, *, numbers: bool) -> set[int]:
        """Those with explicit nulls or long numbers, which pyarrow would change; `text` is a page that begins so."""
        places = list(null_members(text)) + (long_numbers(text).tolist() if numbers else [])
        ends = np.cumsum([len(raw) + 1 for raw in self.raws]) + len(_OPENING)
        found = set(np.searchsorted(ends, places, side="right").tolist())
        return found - {len(self.raws)}  # behind the last record

    def clean(self, places: Iterable[int]) -> None:
        """Clean these, each of them once."""
        for place in places:
            if place not in self.cleaned and place not in self.dead:
                raw = bytes(self.raws[place])
                try:
                    self.cleaned[place] = self.rules.clean(raw)
                except Unreadable as error:
                    self.add_letter(place, error.reason)

    def add_letter(self, place: int, reason: str) -> None:
        """Make a dead letter of a record."""
        self.dead[place] = DeadLetter(self.page, place, reason, bytes(self.raws[place]))

    def letters(self) -> list[DeadLetter]:
        """In the order of the page."""
        return [self.dead[place] for place in sorted(self.dead)]

    def rescued(self, places: Iterable[int]) -> dict[int, dict[str, str]]:
        """What was rescued of the records whose rows come from these places, by row."""
        found = ((row, self.cleaned.get(place)) for row, place in enumerate(places))
        return {row: cleaned.rescued for row, cleaned in found if cleaned is not None and cleaned.rescued}


@dataclass(frozen=True, slots=True)
class _Ways:
    """How pages with certain columns are read. It depends on nothing else, so that lanes share it.

    Rows are read in the form in which most are `served`, cleaned ones in canonical form (`clean`).
    """

    schema: pa.Schema
    clean_columns: tuple[Column, ...]
    served: pj.ParseOptions
    plain: pj.ParseOptions
    clean: pj.ParseOptions
    numbers: bool  # some column has them
    careful_only: bool  # JSON text holds what pyarrow cannot read as strings: every record must be cleaned
    id: int  # the place of the id among the columns


@lru_cache(MOST_WAYS)
def _ways(columns: tuple[Column, ...], rows_key: Literal["assets", "data"]) -> _Ways:
    clean_columns = tuple(replace(c, kind=canonical(c.kind)) for c in columns)
    row = _row_of(columns)
    plain = _options(row, "assets")
    enveloped = pa.struct([("type", pa.string()), ("id", pa.string()), ("attributes", row)])
    return _Ways(
        arrow_schema(columns),
        clean_columns,
        plain if rows_key == "assets" else _options(enveloped, "data"),
        plain,
        _options(_row_of(clean_columns), "assets"),
        any(contains(c.kind, "number") for c in columns),
        any(contains(c.kind, "json") for c in columns),
        next(i for i, c in enumerate(columns) if c.field == ID_FIELD),
    )


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
        self._ways = _ways(self.columns, rows_key)
        self.schema = self._ways.schema
        self._rows_key, self._run_id = rows_key, run_id
        self._ignored = ignored
        self._drifts = False  # whether the page before had a record that needed care
        self._one_form = self._ways.clean_columns == self.columns

    def shown(self, records: Sequence[bytes]) -> frozenset[str] | None:
        """The fields of which these records have values; None if some value is not served as its column says."""
        finished = self._fast(_page_of(records))
        if finished is None:
            return None
        pairs = zip(self.columns, finished.columns, strict=True)
        return frozenset(column.field for column, array in pairs if array.null_count < len(array))

    def convert(self, body: bytes, *, page: int, fetched_at: datetime) -> Converted:
        """Convert the body of an answer, page number `page` of the lane, to a batch of the lane's schema.

        Raises: page_bytes.CutPage if the page is cut off.
        """
        finished = None if self._drifts else self._fast(body)
        if finished is not None:
            return self._assemble(finished.columns, [], {}, fetched_at)
        if self._ways.careful_only:
            records = Records(view_records(body, self._rows_key), self._rules, page)
            return self._assemble(*self._clean_all(records), fetched_at)
        records, bad = self._split(body, page)
        found = self._sort(records, bad)
        self._drifts = bool(records.cleaned or records.dead)
        return self._assemble(*found, fetched_at)

    @cached_property
    def _rules(self) -> Rules:
        """Compiled when the first record needs them."""
        return Rules(self.columns, self._ignored)

    def _split(self, body: bytes, page: int) -> tuple[Records, set[int]]:
        """The records of the page, and the places of those that do not pass the test of what drifts in this lane."""
        pieces = cut_records(body) if self._rows_key == "assets" else None
        if pieces is not None:
            records = Records(pieces, self._rules, page)
            bad = records.test(self._rules.passes, records.suspects(body, numbers=self._ways.numbers))
            if all(is_object(pieces[place]) for place in bad):  # the others were read as objects
                return records, bad
        records = Records(view_records(body, self._rows_key), self._rules, page)
        suspects = records.suspects(_page_of(records.raws), numbers=self._ways.numbers)
        return records, records.test(self._rules.passes, suspects)

    def _sort(self, records: Records, bad: set[int]) -> CleanedPage:
        """Clean the records that need it, as few as possible."""
        rules = self._rules
        found = self._clean_bad(records, bad)
        if found is not None:
            rules.learn(records.raws[place] for place in records.late)
            return found
        for is_good in (rules.reads, rules.accepts):
            seen = bad | records.cleaned.keys() | records.dead.keys()
            bad = records.test(is_good, seen)
            if is_good == rules.reads:
                rules.learn(records.raws[place] for place in bad - seen)
            found = self._clean_bad(records, bad)
            if found is not None:
                return found
        return self._clean_all(records)

    def _fast(self, body: bytes) -> Finished | None:
        """The whole page at once; None if some record needs cleaning."""
        if self._ways.careful_only or has_explicit_null(body) or (self._ways.numbers and has_long_number(body)):
            return None
        text = rows_only(body, self._rows_key)
        if text is None:
            return None
        try:
            rows = _read(text, self._ways.served, self._rows_key)
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
        ids = served[self._ways.id]
        offsets = np.frombuffer(ids.buffers()[1], dtype=np.int32)[ids.offset :] if len(ids) else np.zeros(1, np.int32)
        return np.flatnonzero(np.diff(offsets[: len(ids) + 1]) == 0)  # null or empty

    def _clean_bad(self, records: Records, bad: set[int]) -> CleanedPage | None:
        """Clean these and keep the rest verbatim. None if pyarrow refuses a record, or may have changed a number."""
        records.clean(sorted(bad))
        rows = [place for place in range(len(records.raws)) if place not in records.dead]
        if not self._one_form:
            rows = [place for place in rows if place not in bad]
        text = _page_of([records.cleaned[place].json if place in bad else records.raws[place] for place in rows])
        plain = _try_read(text, self._ways.plain, self.columns)
        if plain is None or (plain.zeros and has_tiny_number(text)):
            return None
        doubtful = (*plain.doubtful.tolist(), *self._no_id(plain.columns).tolist())
        apart = {rows[row] for row in doubtful} - bad
        records.late = apart
        return self._join(records, plain, rows, apart if self._one_form else apart | bad)

    def _join(self, records: Records, plain: Finished, rows: list[int], apart: set[int]) -> CleanedPage | None:
        """The page of rows that were read, and of those to be cleaned and read apart."""
        records.clean(sorted(apart))
        if len(records.dead) == len(records.raws):
            return None
        if not apart:
            return plain.columns, records.letters(), records.rescued(rows)
        late = [place for place in sorted(apart) if place in records.cleaned]
        cleaned = self._read_clean([records.cleaned[place] for place in late])
        if cleaned is None:
            return None
        found = {place: (False, row) for row, place in enumerate(rows) if place not in apart}
        found |= {place: (True, row) for row, place in enumerate(late)}
        order = sorted(found)
        arrays_ = _interleave(plain.columns, cleaned.columns, (found[place] for place in order))
        return arrays_, records.letters(), records.rescued(order)

    def _clean_all(self, records: Records) -> CleanedPage:
        """Clean every record. One that pyarrow refuses even then becomes a dead letter."""
        records.clean(range(len(records.raws)))
        rows = sorted(records.cleaned)
        finished = self._read_clean([records.cleaned[place] for place in rows])
        if finished is None:
            for place in [place for place in rows if self._read_clean([records.cleaned[place]]) is None]:
                records.add_letter(place, "cannot be typed")
            rows = [place for place in rows if place not in records.dead]
            text = _page_of([records.cleaned[place].json for place in rows])
            finished = finish(_read(text, self._ways.clean, "assets"), self._ways.clean_columns)
        return finished.columns, records.letters(), records.rescued(rows)

    def _read_clean(self, records: Sequence[Cleaned]) -> Finished | None:
        return _try_read(_page_of([record.json for record in records]), self._ways.clean, self._ways.clean_columns)

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
        return Converted(batch, tuple(dead), _count_drift(rescued.values()), _fingerprint(served[self._ways.id], dead))


def _page_of(records: Sequence[Buffer]) -> bytes:
    """These records as a page without anything else, copied once."""
    pieces: list[Buffer] = [b","] * (2 * len(records))
    pieces[1::2] = records
    pieces[:1] = [_OPENING]
    return b"".join([*pieces, b"]}"])


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
