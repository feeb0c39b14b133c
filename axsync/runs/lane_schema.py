"""What a lane asks for, and the columns that its first page settles; shared by all who read for the lane.

Some fields are asked for though no catalogue lists them: a server may refuse them, and some never come.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec
import orjson

from axsync.api import Question
from axsync.api.catalogue import ROOTS, with_roots
from axsync.client.source import Source
from axsync.client.transport import RequestContext
from axsync.convert import Converted, Converter
from axsync.engine.lane_walk import Workers
from axsync.errors import BadAnswer, BadRequest, NotOffered, Unreachable
from axsync.lake.journal import Record
from axsync.model import ID_FIELD, Page
from axsync.runs.pin import LakeColumns, Pinned, is_detail, pin
from axsync.runs.registries import Registries
from axsync.schema.columns import OVERFLOW, Column, Field, columns_of, describe_column
from axsync.schema.kinds import Group, Many, drop_forms, kept_members
from axsync.schema.registry import Registry
from axsync.schema.selection import (
    GENERIC,
    RAW,
    Selection,
    closest_field,
    in_axonius_names,
    is_glob,
    select_all,
    select_fields,
)
from axsync.settings import EntitySettings, Fields

FIELD_BYTES, OBJECTS_BYTES, TREE_BYTES = 32, 40_000, 16_000
"""A guess at the JSON of one field in one row, of a row with lists of objects, and of a whole record, before the first
page tells. Lists have no bound: a row with a thousand programs is 250 kB, and 1,000 of them a page of 250 MB."""

_PART = r"[\w.]"  # of a field's name


@dataclass(slots=True)
class Unlisted:
    """What is known of these fields in one lane; shared by all that read for it.

    `asked` are all of them, `refused` those that the server does not take, `unserved` the operator's own ones that no
    page has shown, `looked` whether any page with rows was looked at.
    """

    asked: frozenset[str] = frozenset()
    refused: set[str] = field(default_factory=set)
    unserved: set[str] = field(default_factory=set)
    looked: bool = False

    def settle(self, selection: Selection) -> Selection:
        """Begin with these fields, but for those that were refused before."""
        self.asked = selection.unlisted | selection.optional
        self.unserved = set(selection.unlisted) - self.refused
        return selection.without(self.refused)

    def named_in(self, words: str, fields: Sequence[str]) -> list[str]:
        """Those of `fields` that may be left out and that a refusal names; from now on they are refused.

        Several pages may be under way with the same fields, so one that was refused before is named again.
        """
        named = [name for name in fields if name in self.asked and _is_named(name, words)]
        self.refused.update(named)
        self.unserved.difference_update(named)
        return named

    def look(self, body: bytes, keys: Mapping[str, str]) -> None:
        """Take note of fields that a page shows; `keys` are their keys in this server's records, by field.

        The bytes are searched as they are: a second reading of each page would cost more than it tells.
        """
        self.looked = True
        for name in list(self.unserved):
            if _has_key(body, {name, keys.get(name, name)}):
                self.unserved.discard(name)

    def never_served(self) -> list[str]:
        """The operator's own names that came in no page; none where there were no rows."""
        return sorted(self.unserved) if self.looked else []


@dataclass(slots=True)
class LaneSchema:
    """The fields of a lane and, once a page with rows has arrived, its columns.

    `table` is the entity type in the lake, `asked` that at Axonius, `earlier` the lane's entry in the previous
    snapshot, `registries` what the run knows of the columns of all instances; `notice` tells people. `blind`: the field
    catalogue cannot be read.
    """

    table: str
    asked: str
    entity: EntitySettings
    source: Source
    workers: Workers
    registries: Registries
    run_id: str
    notice: Callable[[str], None]
    earlier: Mapping[str, Any] | None = None
    blind: bool = False
    pinned: Pinned | None = field(default=None, init=False)
    _selection: Selection = field(default_factory=lambda: Selection(()), init=False)
    _unlisted: Unlisted = field(default_factory=Unlisted, init=False)
    _converter: Converter | None = field(default=None, init=False)
    _details: bool = field(default=False, init=False)  # some are wanted
    _hidden: set[str] = field(default_factory=set, init=False)  # keys of records that repeat a secret
    _once: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def select(
        self, question: Question, ask: RequestContext, *, readable: Callable[[], Awaitable[bool]]
    ) -> Question:
        """The question with its fields, by the catalogue. `readable`: whether the server counts the type.

        Raises: NotOffered where neither catalogue nor count can be read; other ServerErrors.
        """
        catalogue = await self._catalogue(ask, readable=readable)
        self.entity = in_axonius_names(self.entity, catalogue, self._names_before)
        selection = self._unlisted.settle(self._selected(catalogue, await self._saved_columns()))
        self._selection = selection
        self._tell(selection)
        self._details = bool(selection.details)
        return replace(question, fields=selection.names, details=selection.details)

    async def select_table(self) -> None:
        """All columns of an administrators' table."""
        self._selection = select_all(await self.source.fields(self.asked))

    def restore(self, pinned: Record) -> None:
        """Take up what an earlier process settled."""
        self.blind = pinned.get("blind", False)
        self._details = bool(pinned["question"].get("details"))
        # Which of them came before is not known here, so that none is called never served.
        self._unlisted = Unlisted(frozenset(pinned.get("unlisted", ())))
        columns = pinned_columns(pinned)
        json_keys = {name: key for name, key, _ in pinned["columns"]}
        self.pinned = Pinned(tuple(replace(c, json_key=json_keys[c.name]) for c in columns))
        self._converter = self._make_converter(self.pinned)

    def record(self) -> Record:
        """What `restore` takes up."""
        columns = self.pinned.columns if self.pinned else ()
        return {
            "blind": self.blind,
            "unlisted": sorted(self._unlisted.asked),
            "columns": [[c.name, c.json_key, describe_column(c)] for c in columns],
        }

    async def _catalogue(self, ask: RequestContext, *, readable: Callable[[], Awaitable[bool]]) -> tuple[Field, ...]:
        """The field catalogue; the fields of the previous snapshot where it cannot be read or lists nothing."""
        listed: tuple[Field, ...] = ()
        try:
            listed = await self.source.fields(self.asked, ask)
            why = "" if any(f.name not in ROOTS for f in listed) else "it is empty"
        except (BadRequest, BadAnswer, NotOffered) as error:
            if isinstance(error, NotOffered) and not await readable():
                raise
            why = str(error)
        except Unreachable as error:
            if error.status is None:  # the host is away, not its catalogue
                raise
            why = str(error)
        if not why:
            return listed
        self.blind = True
        self.notice(f"the field catalogue cannot be read ({why}); {self._instead()}")
        return with_roots(self._fields_before)

    @property
    def _names_before(self) -> dict[str, str]:
        """Axonius name → column of the previous snapshot."""
        return {c.field: c.name for c in columns_of({"columns": (self.earlier or {}).get("columns", {})})}

    @property
    def _fields_before(self) -> tuple[Field, ...]:
        """The fields of the previous snapshot; none where it holds whole records, which are then copied again."""
        columns = columns_of({"columns": (self.earlier or {}).get("columns", {})})
        named = tuple(Field(c.field, drop_forms(c.kind)) for c in columns if c.field not in (OVERFLOW, *ROOTS))
        return () if any(field.name == RAW.name for field in named) else named

    def _instead(self) -> str:
        if self.entity.fields == "saved-query":
            return "the columns of the saved query are requested"
        if self._fields_before:
            return "the fields of the previous snapshot are requested"
        return "whole records are copied" if self._wish == "raw" else "the named fields are requested as they are"

    @property
    def _wish(self) -> Fields:
        """The fields that are wanted, as far as they can be named without a catalogue where there is none."""
        wish = self.entity.fields
        if not self.blind or wish == "saved-query":
            return wish
        if self._fields_before:
            return "full" if wish == "generic" else wish
        plain = not isinstance(wish, str) and not any(is_glob(name) for name in wish)
        return wish if plain else "raw"

    async def _saved_columns(self) -> tuple[str, ...] | None:
        """The columns of the saved query where these are wanted; None where they are not, or are not known."""
        if self.entity.fields != "saved-query":
            return None
        found = await self.source.saved_queries.find(self.entity.saved_query, self.asked)
        return (found.fields or None) if found else None

    def _selected(self, catalogue: tuple[Field, ...], columns: tuple[str, ...] | None) -> Selection:
        wish, extra = self._wish, self.entity.extra_fields
        if self.blind and not self._fields_before and not isinstance(wish, str):
            wish, extra = (), (*wish, *extra)
        if wish == "saved-query" and columns is None and not self.source.api.NAMES_QUERIES:
            self.notice("the saved query lists no columns; the generic fields are copied")
            wish = "generic"
        return select_fields(
            catalogue, wish, entity=self.asked, extra=extra, columns=columns, details=self.entity.details
        )

    def _tell(self, selection: Selection) -> None:
        for name in selection.unmatched:
            near = closest_field(name, selection.listed)
            self.notice(f"no field of {self.asked} matches {name!r}" + (f"; did you mean {near!r}?" if near else ""))
        for text in selection.notices:
            self.notice(text)
        for name in selection.lacking:
            self.notice(f"{name!r} is not a selected field of {self.asked}; it gets no details column")
        if selection.open:
            without = "; extra_fields are not requested" if self.entity.extra_fields else ""
            self.notice(f"the columns of the saved query cannot be listed; the server chooses them{without}")

    def drop_refused(self, question: Question, words: str) -> frozenset[str]:
        """The fields of a question that a refusal names and that can be done without; they are dropped and told.

        Several pages may be under way with the same fields: the first refusal tells, the others ask again.
        """
        refused = frozenset(self._unlisted.named_in(words, question.fields))
        for name in sorted(refused & {f.name for f in self._selection.fields}):
            self.notice(f"the server does not know the field {name!r}; it is not requested")
        self._selection = self._selection.without(refused)
        return refused

    def tell_unserved(self) -> None:
        """Say which fields were asked for without a catalogue and came in no page, and what was served and left out."""
        if self._hidden:
            keys = "a key that contains" if len(self._hidden) == 1 else f"{len(self._hidden)} keys that contain"
            self.notice(f"records have {keys} a secret of this machine; dropped with all values")
        for name in self._unlisted.never_served():
            self.notice(f"the field {name!r} was requested but never served")

    @property
    def rows_before(self) -> int | None:
        """Rows of the previous snapshot: a first guess at how many pages to ask for at once."""
        return (self.earlier or {}).get("rows") or None

    def row_bytes(self, question: Question) -> float:
        """Of JSON per row, by the previous snapshot, or by what is asked for."""
        earlier = self.earlier or {}
        if earlier.get("rows") and earlier.get("bytes"):
            return float(earlier["bytes"] / earlier["rows"])
        if RAW.name in question.fields:
            return TREE_BYTES
        if not question.fields:
            return OBJECTS_BYTES
        guess = FIELD_BYTES * len(question.fields)
        objects = any(isinstance(f.kind, Many) and isinstance(f.kind.item, Group) for f in self._selection.fields)
        return max(guess, OBJECTS_BYTES) if objects else guess

    @property
    def known(self) -> Converter | None:
        """The converter, where the columns are settled."""
        return self._converter

    async def converter(self, page: Page, settled: Callable[[], None]) -> Converter:
        """The lane's converter; the first page that arrives settles its columns, and `settled` is told."""
        async with self._once:
            if self._converter is None:
                self._converter = await self._pin(page)
                settled()
        return self._converter

    async def _pin(self, first: Page) -> Converter:
        if self._is_detailed and not self._details:
            self.notice("the server sends each adapter's value of each field, which cannot be turned off; none is kept")
        self.pinned = await self.registries.settle(self.table, partial(self._settled, first))
        for text in self.pinned.notices:
            self.notice(text)
        return self._make_converter(self.pinned)

    async def _settled(self, first: Page, known: Registry) -> Pinned:
        registries, earlier = self.registries, (self.earlier or {}).get("columns", {})
        lake = LakeColumns(known, earlier, registries.fixed, registries.served.get(self.table, {}))
        work = partial(pin, lake=lake, max_columns=self.entity.max_columns, ignored=self._is_ignored)
        found = await self.workers.run(work, self.source.api, self._selection, first)
        hides = self.source.transport.hides
        kinds = [kept_members(c.kind, hides) for c in found.columns]
        pairs = zip(found.columns, kinds, strict=True)
        return replace(found, columns=tuple(c if c.kind is kind else replace(c, kind=kind) for c, kind in pairs))

    def _make_converter(self, pinned: Pinned) -> Converter:
        return Converter(
            pinned.columns, rows_key=self.source.api.ROWS_KEY, run_id=self.run_id, ignored=self._is_ignored
        )

    def _is_ignored(self, key: str) -> bool:
        """Whether a key without a column is left out: it is one of details, or its name would tell a secret."""
        if self.source.transport.hides(key):
            self._hidden.add(key)
            return True
        return self._is_detailed and is_detail(key)

    @property
    def _is_detailed(self) -> bool:
        """Whether records hold details, wanted or not: a server that refuses the key for them sends them all."""
        return self._details or "include_details" in self.source.dialect.refused

    def forget_columns(self) -> None:
        """Settle the columns anew by the next page."""
        self.pinned, self._converter = None, None

    def convert(self, converter: Converter, page: Page) -> Converted:
        """The page as a batch; for a writer thread."""
        if self._unlisted.unserved or not self._unlisted.looked:
            keys = {c.field: c.json_key for c in self.pinned.columns} if self.pinned else {}
            self._unlisted.look(page.body, keys)
        return converter.convert(page.body, page=page.window.number, fetched_at=page.fetched_at)

    @property
    def id_column(self) -> str:
        """The column that holds the ids."""
        columns = self.pinned.columns if self.pinned else ()
        return next((c.name for c in columns if c.field == ID_FIELD), ID_FIELD)

    def named(self, question: Question) -> Question:
        """The question with its fields named, for rows that are asked for without the saved query."""
        columns = self.pinned.columns if self.pinned else ()
        names = tuple(c.field for c in columns if c.field != OVERFLOW)
        return question if question.fields else replace(question, fields=names)


def pinned_columns(pinned: Record) -> tuple[Column, ...]:
    """The columns of a lane that an earlier process settled, with their full names as keys."""
    return columns_of({"columns": {name: entry for name, _, entry in pinned["columns"]}})


def question_of(pinned: Record) -> Question:
    """The question of a lane that an earlier process settled."""
    return msgspec.convert(pinned["question"], Question)


def _is_named(name: str, words: str) -> bool:
    """Whether the words name a field: by its full name, or in quotes without the generic prefix."""
    if re.search(rf"(?<!{_PART}){re.escape(name)}(?!\w|\.\w)", words):
        return True
    short = re.escape(name.removeprefix(GENERIC))
    return re.search(rf"""(["'`]){short}\1""", words) is not None


def _has_key(body: bytes, names: Collection[str]) -> bool:
    # A server may escape what is not ASCII.
    spelled = {orjson.dumps(name) for name in names} | {json.dumps(name).encode() for name in names}
    return any(re.search(re.escape(text) + rb"\s*:", body) for text in spelled)
