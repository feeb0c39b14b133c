"""One lane's way from page bytes to a record batch."""

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.json as pj

from axsync.convert import arrays
from axsync.convert.columns import Finished, finish, wire_type
from axsync.convert.instants import Ints
from axsync.convert.mixed import page_of, with_long_numbers, woven
from axsync.convert.rows import has_explicit_null, has_long_number, has_tiny_number, rows_only
from axsync.fields import Column, arrow_schema, contains
from axsync.model import ID_FIELD, DeadLetter
from axsync.shape import rescue
from axsync.shape.borders import split
from axsync.shape.dates import micros_of
from axsync.shape.fit import Rules, Unreadable


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


@dataclass(slots=True)
class _Record:
    """A record on the careful way: what pyarrow will read, what is rescued, whether it was cleaned."""

    raw: bytes
    position: int
    text: bytes
    rescued: dict[str, str] = field(default_factory=dict)
    cleaned: bool = False


class Converter:
    """Converts the pages of one lane with its pinned columns. Safe to share between threads."""

    def __init__(self, columns: Sequence[Column], *, rows_key: Literal["assets", "data"], run_id: str) -> None:
        self.columns = tuple(columns)
        self.schema = arrow_schema(self.columns)
        self._rows_key, self._run_id = rows_key, run_id
        self._rules = Rules(self.columns)
        self._row = pa.struct([pa.field(c.wire, wire_type(c.kind)) for c in self.columns])
        self._plain = _options(self._row, "assets")
        enveloped = pa.struct([("type", pa.string()), ("id", pa.string()), ("attributes", self._row)])
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
        mixed = None if self._careful_only else self._mixed(split(body, self._rows_key), page)
        if mixed is not None:
            return self._assemble(*mixed, fetched_at)
        records, dead = self._clean(body, page)
        served, kept, lost = self._read_clean(records, page)
        texts = {i: r.rescued for i, r in enumerate(kept) if r.rescued}
        return self._assemble(served, dead + lost, texts, fetched_at)

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

    def _mixed(self, raws: list[bytes], page: int) -> Mixed | None:
        """Records of the right types go as they are, the others are cleaned; None where that does not do."""
        bad = {place for place, raw in enumerate(raws) if not self._rules.reads(raw)}
        good, text = _without(bad, raws)
        if self._numbers and (long := with_long_numbers(text, [raws[place] for place in good])):
            bad |= {good[row] for row in long}
            good, text = _without(bad, raws)
        plain = self._try(text)
        if plain is None or (plain.zeros and has_tiny_number(text)):
            return None
        bad |= {good[row] for row in (*plain.doubtful.tolist(), *self._no_id(plain.columns).tolist())}
        records, dead = self._cleaned(raws, sorted(bad), page)
        cleaned = self._try(_text_of(records))
        if cleaned is None or len(raws) == len(dead):
            return None
        rows = {place: (False, row) for row, place in enumerate(good) if place not in bad}
        rows |= {record.position: (True, row) for row, record in enumerate(records)}
        order = sorted(rows)
        rescued = {order.index(r.position): r.rescued for r in records if r.rescued}
        return woven(plain.columns, cleaned.columns, (rows[place] for place in order)), dead, rescued

    def _cleaned(self, raws: list[bytes], places: list[int], page: int) -> tuple[list[_Record], list[DeadLetter]]:
        dead: list[DeadLetter] = []
        records = [_Record(raws[place], place, raws[place]) for place in places]
        for record in records:
            self._bury_or(record, page, dead)
        return [record for record in records if record.cleaned], dead

    def _clean(self, body: bytes, page: int) -> tuple[list[_Record], list[DeadLetter]]:
        records: list[_Record] = []
        dead: list[DeadLetter] = []
        for position, raw in enumerate(split(body, self._rows_key)):
            record = _Record(raw, position, raw)
            try:
                if self._careful_only or not self._rules.accepts(raw):
                    self._clean_one(record)
                records.append(record)
            except Unreadable as error:
                dead.append(DeadLetter(page, position, error.reason, raw))
        return records, dead

    def _clean_one(self, record: _Record) -> None:
        cleaned = self._rules.clean(record.raw)
        record.text, record.rescued, record.cleaned = cleaned.json, cleaned.rescued, True

    def _read_clean(self, records: list[_Record], page: int) -> tuple[list[pa.Array], list[_Record], list[DeadLetter]]:
        """Clean records through pyarrow; one that it still refuses, or would change, is cleaned or buried."""
        dead: list[DeadLetter] = []
        finished = self._try(_text_of(records))
        if finished is None:
            for record in records:
                self._bury_or(record, page, dead)
            records = [r for r in records if r.cleaned]
            finished = self._try(_text_of(records))
        if finished is None:
            records, refused = self._one_by_one(records, page)
            dead += refused
            finished = self._must(_text_of(records))
        untouched = [records[i] for i in finished.doubtful.tolist() if not records[i].cleaned]
        if not untouched:
            return finished.columns, records, dead
        for record in untouched:
            self._bury_or(record, page, dead)
        records = [r for r in records if r.cleaned or r not in untouched]
        return self._must(_text_of(records)).columns, records, dead

    def _bury_or(self, record: _Record, page: int, dead: list[DeadLetter]) -> None:
        try:
            self._clean_one(record)
        except Unreadable as error:
            dead.append(DeadLetter(page, record.position, error.reason, record.raw))

    def _one_by_one(self, records: list[_Record], page: int) -> tuple[list[_Record], list[DeadLetter]]:
        good = [r for r in records if self._try(_text_of([r])) is not None]
        bad = [r for r in records if r not in good]
        return good, [DeadLetter(page, r.position, "cannot be typed", r.raw) for r in bad]

    def _try(self, text: bytes) -> Finished | None:
        try:
            return self._must(text)
        except pa.ArrowInvalid:
            return None

    def _must(self, text: bytes) -> Finished:
        return finish(_read(text, self._plain, "assets"), self.columns)

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


def _options(row: pa.DataType, key: str) -> pj.ParseOptions:
    schema = pa.schema([(key, pa.list_(row))])
    return pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")


def _read(text: bytes, options: pj.ParseOptions, key: str) -> pa.StructArray:
    """The rows of a page text. Raises: pa.ArrowInvalid, also for text that is not UTF-8."""
    # A block must hold the whole object; reading it in one block also keeps the reader on this thread.
    block = pj.ReadOptions(use_threads=False, block_size=len(text) + 16)
    table = pj.read_json(pa.BufferReader(text), read_options=block, parse_options=options)
    lists = table.column(key)
    if table.num_rows != 1 or lists.null_count:
        raise pa.ArrowInvalid("not a page: no rows")
    rows = lists.chunk(0).values  # of one row that is not null: all values are its own
    rows.validate(full=True)  # pyarrow's reader takes bytes that are not UTF-8 (performance study, pitfall 5)
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
