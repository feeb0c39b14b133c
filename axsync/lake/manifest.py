"""A snapshot's manifest: the evidence of what was copied (docs/lake.md), as it is written and as it is read.

Key names are a promise. A manifest may be as old as the lake and may have been touched since, so that nothing in it is
taken on trust: what does not have the promised form is refused with one sentence, here and nowhere later.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, TypeVar

import msgspec
import orjson

from axsync.errors import ManifestError, ManifestNewer, NewestDamaged
from axsync.lake import layout
from axsync.lake.schemas import schema, with_columns
from axsync.lake.store import Store, each
from axsync.model import Asked, Lane, Outcome
from axsync.schema.columns import Column, columns_of
from axsync.settings import BY_COPY, PARQUET, is_iso_day

FORMAT_VERSION = 2
"""Version 1 had the columns of each lane in its entry, in place of their hash."""
NOT_ASKED = "not part of this run"
"""The reason of a lane that another run read, and that this one was not to read."""

_BEGINNING = re.compile(
    rb'\{\s*"format_version":\s*[1-%d],\s*"run_id":\s*"[^"\\]*",\s*"logical_date":\s*"([0-9-]+)"' % FORMAT_VERSION
)
_BEGINNING_BYTES = 512
"""How manifests are written; one that begins otherwise is read whole."""

_ORDER = ("complete", "drifted", "partial")  # from good to bad
_NOTHING_READ = frozenset({"skipped", "failed"})


def worst(verdicts: Sequence[str]) -> str:
    """The verdict of a run: the worst of its lanes. Where one was read, those that were not make it `partial`."""
    if verdicts and _NOTHING_READ.issuperset(verdicts):
        return "failed" if "failed" in verdicts else "skipped"
    return max((v if v not in _NOTHING_READ else "partial" for v in verdicts), key=_ORDER.index, default="complete")


def verdict_of(outcomes: Sequence[Outcome]) -> str:
    """The verdict of a run with these outcomes. A lane that is excused counts only where there is no other."""
    return worst([o.verdict for o in outcomes if not o.excused] or [o.verdict for o in outcomes])


def lane_entry(outcome: Outcome, stand_in: Mapping[str, Any] | None) -> dict[str, Any]:
    """One lane as the manifest lists it. `stand_in` is the entry of an older snapshot whose files stay in place."""
    entry: dict[str, Any] = {
        "instance": outcome.lane.instance,
        "entity": outcome.lane.entity,
        "verdict": outcome.verdict,
        "reason": outcome.reason,
        "asked": None if outcome.asked is None else msgspec.to_builtins(outcome.asked),
        "api": outcome.api,
        "server_version": outcome.server_version,
        "discovery": dict(outcome.discovery),
        "count_before": outcome.count_before,
        "count_after": outcome.count_after,
        "rows": outcome.rows,
        "distinct_ids": outcome.distinct_ids,
        "duplicates": outcome.duplicates,
        "repaired": outcome.repaired,
        "missing": outcome.missing,
        "rescued_values": outcome.rescued_values,
        "dead_letters": outcome.dead_letters,
        "pages": outcome.pages,
        "requests": outcome.requests,
        "retries": outcome.retries,
        "bytes": outcome.bytes,
        "seconds": round(outcome.seconds, 3),
        "columns": outcome.columns,
        "empty_columns": list(outcome.empty_columns),
        "drift": outcome.drift,
        "notices": list(outcome.notices),
        "files": [{"path": p.path, "rows": p.rows, "bytes": p.size, "sha256": p.sha256} for p in outcome.parts],
    }
    return entry if stand_in is None else entry | _from_before(stand_in)


def _from_before(older: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: older[key] for key in ("columns", "empty_columns", "files") if key in older}
    return kept | {"asked": older.get("asked"), "from_run": older["from_run"]}


Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
"""How many there are: what is below zero would be paged for without end, and no file of ours has more."""
Form = TypeVar("Form")


@dataclass(frozen=True, slots=True)
class DriftRecord:
    """How many values of a field were rescued, and the type of one of them."""

    rescued: int
    example: str


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of a lane; `path` is relative to the lake."""

    path: str
    rows: Count
    bytes: Count
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRecord:
    """One lane as a manifest has it."""

    instance: str
    entity: str
    verdict: str
    reason: str | None
    api: str | None
    server_version: str | None
    discovery: Mapping[str, str | None]
    count_before: int | None
    count_after: int | None
    rows: Count
    distinct_ids: Count
    duplicates: int
    repaired: int
    missing: int = 0
    rescued_values: Count
    dead_letters: int
    pages: int
    requests: int
    retries: int
    bytes: Count
    seconds: float = 0.0
    schema: str | None = None  # the SHA-256 of the columns; version 1 did not tell
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # as `axsync.schema.columns` reads them
    empty_columns: tuple[str, ...] | None = None  # 0.1.0 did not tell
    drift: Mapping[str, DriftRecord]
    notices: tuple[str, ...] = ()
    files: tuple[FileRecord, ...]
    from_run: str | None = None
    asked: Asked | None = None  # 0.1.0 did not tell

    @property
    def lane(self) -> Lane:
        return Lane(self.instance, self.entity)

    @property
    def rows_chosen(self) -> str | None:
        """Which rows of the type its files have, in words: those of a query, or up to a limit; empty: all that came.

        A limit that is not reached cuts nothing, nor one that a complete lane just reaches. None where 0.1.0 read it.
        """
        if self.asked is None:
            return None
        asked, rows = self.asked, sum(file.rows for file in self.files)
        is_cut = asked.limit is not None and rows >= asked.limit and self.verdict != "complete"
        chosen = [
            asked.query and f"query {asked.query}",
            asked.saved_query and f"saved query {asked.saved_query!r}",
            f"limit {asked.limit}" if is_cut else "",
        ]
        return ", ".join(one for one in chosen if one)

    @property
    def elsewhere(self) -> bool:
        """Whether another run read it, which this one was not to do; its numbers are those of that run."""
        return self.from_run is not None and self.reason == NOT_ASKED


@dataclass(frozen=True, slots=True)
class TablePin:
    """The version of a table that belongs to a snapshot; `path` is its root, relative to the lake.

    Delta Lake has a `version`, Iceberg a `snapshot_id` and a `metadata` file, relative to the lake as well, and perhaps
    a `catalog` that is not the lake's own.
    """

    format: str
    path: str
    version: int | None = None
    snapshot_id: int | None = None
    metadata: str | None = None
    catalog: str | None = None

    @property
    def entry(self) -> dict[str, Any]:
        """As the manifest has it."""
        return {key: value for key, value in msgspec.to_builtins(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One published run as its manifest has it."""

    run_id: str
    logical_date: str
    as_of: str | None
    started_at: Moment
    finished_at: Moment
    axsync_version: str
    verdict: str
    lanes: tuple[LaneRecord, ...]
    formats: tuple[str, ...] = (PARQUET,)  # lakes without tables do not tell
    visible: str = BY_COPY  # nor those whose parts are copied or moved into place
    tables: Mapping[str, tuple[TablePin, ...]] = field(default_factory=dict)  # by entity type

    @property
    def is_for_globs(self) -> bool:
        """Whether globs may read its parts, so that what took their place goes when another run replaces them."""
        return PARQUET in self.formats and self.visible == BY_COPY

    @property
    def rows(self) -> int:
        """Rows that the run brought; those of an older run that stand in for a lane do not count."""
        return sum(lane.rows for lane in self.lanes if not lane.elsewhere)

    @property
    def seconds(self) -> float:
        """How long the run took; a clock that was set back makes it 0."""
        return max((self.finished_at - self.started_at).total_seconds(), 0.0)


@dataclass(frozen=True)
class FoundRun:
    """One run that was asked for: its snapshot, the manifest as it is written, and whether it is the latest."""

    snapshot: Snapshot
    raw: bytes
    latest: bool

    @cached_property
    def document(self) -> dict[str, Any]:
        """The whole manifest with the columns of each lane, and with what a later version may have added."""
        document: dict[str, Any] = orjson.loads(self.raw)
        known = {lane.schema: lane.columns for lane in self.snapshot.lanes}
        lanes = document["lanes"]
        document["lanes"] = [with_columns(lane, known[lane["schema"]]) if "schema" in lane else lane for lane in lanes]
        return document


@dataclass(frozen=True, slots=True)
class _Pointer:
    run_id: str
    manifest: str


@dataclass(frozen=True, slots=True)
class _Version:
    format_version: int


@dataclass(frozen=True, slots=True)
class _Dated:
    logical_date: str


def read_pointer(store: Store) -> str | None:
    """The run that `latest.json` names; None where there is no such file. Raises: NewestDamaged."""
    try:
        pointer = decoded(store.read(layout.POINTER), _Pointer)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise newest_damaged(store, layout.POINTER) from error
    if not layout.is_safe_run_id(pointer.run_id) or pointer.manifest != layout.manifest_in_pointer(pointer.run_id):
        raise newest_damaged(store, layout.POINTER)
    return pointer.run_id


def read_newest(store: Store, known: FoundRun | None = None) -> FoundRun | None:
    """The newest snapshot; None where there is none. `known` was it a moment ago.

    Raises: NewestDamaged, ManifestNewer.
    """
    run_id = read_pointer(store)
    if run_id is None:
        return None
    try:
        return read_run(store, run_id, latest=True, known=known)
    except ManifestNewer:
        raise
    except ManifestError as error:
        raise newest_damaged(store, error.file) from error


def read_run(store: Store, run_id: str, *, latest: bool = False, known: FoundRun | None = None) -> FoundRun:
    """The snapshot of a run, `known` where its manifest is that one's. Raises: ManifestError."""
    raw = _read(store, run_id)
    if known is not None and known.raw == raw:
        return known
    return FoundRun(_with_columns(store, read_snapshot(raw, run_id)), raw, latest)


def _with_columns(store: Store, snapshot: Snapshot) -> Snapshot:
    """The snapshot with the columns of its lanes; those that have the same ones share them. Raises: ManifestError."""
    digests = [digest for digest in {lane.schema for lane in snapshot.lanes} if digest]
    if not digests:
        return snapshot
    known = dict(zip(digests, each(store, lambda digest: schema(store, digest), digests), strict=True))
    lanes = (replace(lane, columns=known[lane.schema]) if lane.schema else lane for lane in snapshot.lanes)
    return replace(snapshot, lanes=tuple(lanes))


def read_day(store: Store, run_id: str) -> str:
    """The logical date of a run's snapshot, without the rest of its manifest, which may be damaged.

    A manifest has megabytes, and whoever looks for a date asks all of them. Raises: ManifestError.
    """
    begun = _BEGINNING.match(_read(store, run_id, _BEGINNING_BYTES))
    if begun and is_iso_day(day := begun[1].decode()):
        return day
    raw = _read(store, run_id)
    try:
        is_known = 0 < decoded(raw, _Version).format_version <= FORMAT_VERSION
        day = decoded(raw, _Dated).logical_date if is_known else ""
    except ValueError as error:
        raise damaged(run_id) from error
    return day if is_iso_day(day) else read_snapshot(raw, run_id).logical_date  # which says what is wrong


def _read(store: Store, run_id: str, most: int | None = None) -> bytes:
    try:
        return store.read(layout.manifest(run_id), most)
    except OSError as error:
        raise ManifestError(f"the manifest of run {run_id!r} cannot be read", file=layout.manifest(run_id)) from error


def newest_damaged(store: Store, file: str) -> NewestDamaged:
    """The newest snapshot cannot be read, because of this file."""
    return NewestDamaged(f"the newest snapshot of the lake {store.name()!r} cannot be read", file=file)


def read_snapshot(raw: bytes, run_id: str) -> Snapshot:
    """The snapshot that these bytes tell of, its lanes without columns that are kept by hash. Raises: ManifestError."""
    try:
        # First and alone: of a newer version nothing else is known.
        version = decoded(raw, _Version).format_version
        snapshot = decoded(raw, Snapshot) if 0 < version <= FORMAT_VERSION else None
    except ValueError as error:
        raise damaged(run_id) from error
    if version > FORMAT_VERSION:
        told = f"format version {version}, and this axsync reads no newer one than {FORMAT_VERSION}"
        raise ManifestNewer(f"the manifest of run {run_id!r} has {told}", file=layout.manifest(run_id))
    if snapshot is None or snapshot.run_id != run_id or not _inside(snapshot):
        raise damaged(run_id)
    return snapshot


def _inside(snapshot: Snapshot) -> bool:
    """Whether all of its files and tables are in the lake, its schemas are named by hashes, and its days are days."""
    named = all(lane.schema is None or layout.is_digest(lane.schema) for lane in snapshot.lanes)
    pins = [pin for pins in snapshot.tables.values() for pin in pins]
    there = all(layout.is_table(pin.path) and layout.is_key(pin.metadata or pin.path) for pin in pins)
    paths = [file.path for lane in snapshot.lanes for file in lane.files]
    days = {snapshot.logical_date, *filter(None, map(layout.day_of, paths))}
    return named and there and all(map(layout.is_key, paths)) and all(map(is_iso_day, days))


def refuse_odd_columns(store: Store, newest: FoundRun) -> None:
    """Raises: NewestDamaged where a column, whose name and type the next run keeps, is not described as one."""
    try:
        lane_columns(newest.snapshot)
    except ManifestError as error:
        raise newest_damaged(store, layout.manifest(newest.snapshot.run_id)) from error


def lane_columns(snapshot: Snapshot) -> list[tuple[LaneRecord, tuple[Column, ...]]]:
    """Each of its lanes with its columns, understood once for all that share them. Raises: ManifestError."""
    known: dict[int, tuple[Column, ...]] = {}
    for lane in snapshot.lanes:
        if id(lane.columns) not in known:
            known[id(lane.columns)] = columns_in(snapshot, lane)
    return [(lane, known[id(lane.columns)]) for lane in snapshot.lanes]


def columns_in(snapshot: Snapshot, lane: LaneRecord) -> tuple[Column, ...]:
    """The columns of one of its lanes. Raises: ManifestError."""
    try:
        return columns_of({"columns": lane.columns})
    except ValueError as error:
        raise damaged(snapshot.run_id) from error


def damaged(run_id: str) -> ManifestError:
    """A manifest that does not have the promised form."""
    return ManifestError(f"the manifest of run {run_id!r} is damaged", file=layout.manifest(run_id))


def decoded(raw: bytes, form: type[Form]) -> Form:
    """Raises: ValueError, whatever is wrong with the bytes."""
    try:
        return msgspec.json.decode(raw, type=form)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error
