"""`axsync gc`: what of a lake nobody needs any more, and its removal.

Needed is what a kept manifest names, and all of a run that can still be resumed (`runs.resume.resumable`). Kept are
the manifests of the latest snapshot, of those that the retention keeps (`runs.retention`), and of runs whose files
stand in for a lane of a kept one. What a later run of the same day has replaced is not needed for its own snapshot's
sake. Only what axsync itself has written is ever removed, and nothing at all while a manifest or journal cannot be
read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from axsync.errors import ManifestError, Unsure
from axsync.lake import layout
from axsync.lake.history import Snapshot, half_published, latest_snapshot, snapshots, unreadable
from axsync.lake.journal import ABANDONED
from axsync.lake.publish import Lake
from axsync.lake.store import storage_errors
from axsync.lake.table_days import TableDays
from axsync.lake.tables import is_in_table
from axsync.lake.uploads import UPLOAD
from axsync.model import Lane
from axsync.runs.recovery import recover, roll_forward
from axsync.runs.resume import FRESH_ENOUGH, resumable
from axsync.runs.retention import kept as by_rules
from axsync.runs.state import RunMemory, memories_of, record
from axsync.settings import LakeSettings

Kind = Literal["snapshot", "schema", "part", "run", "staging", "draft"]
NEVER_FINISHED = "its run was never finished and is too old to resume"


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that nobody needs; `path` is relative to the lake."""

    kind: Kind
    path: str
    run_id: str | None
    bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot, and why its manifest is kept; no reason where it goes."""

    run_id: str
    logical_date: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is left over, whether it was removed, and all snapshots, newest first."""

    leftovers: tuple[Leftover, ...]
    kept: tuple[str, ...]  # runs whose snapshots stay readable
    removed: bool
    snapshots: tuple[Kept, ...] = ()

    @property
    def bytes(self) -> int:
        """Of all that is left over."""
        return sum(leftover.bytes for leftover in self.leftovers)


def look(lake: Lake, settings: LakeSettings, now: datetime) -> Sweep:
    """What would be removed; nothing is written, no lock is needed. Raises: NoLake, NewestDamaged, Unsure."""
    inventory = _take_stock(lake, settings, now)
    return _sweep(inventory, tuple(_leftovers(inventory)), removed=False)


def sweep(lake: Lake, settings: LakeSettings, now: datetime) -> Sweep:
    """Remove what is left over, alone with the lake. Can be repeated. Raises: as `look`; Busy, StorageError."""
    look(lake, settings, now)  # so that what is no lake stays none
    lake.store.preflight()
    with lake.store.hold(layout.LOCK, what=f"the lake {lake.name}", run="gc"):
        return sweep_held(lake, settings, now)


def sweep_held(lake: Lake, settings: LakeSettings, now: datetime, *, just_published: str = "") -> Sweep:
    """The same for one who holds the lock. A snapshot that was just published stays, whatever day it is of."""
    roll_forward(lake)
    inventory = _take_stock(lake, settings, now, just_published)
    found = tuple(_leftovers(inventory))
    recover(lake, inventory.alive)
    with storage_errors("remove old snapshots"):
        tables = _table_days(inventory)
        tables.take_out(_needed(inventory), why="gc")
        _remove(lake, found, inventory)
        tables.expire()
    return _sweep(inventory, found, removed=True)


def _sweep(inventory: "_Inventory", found: tuple[Leftover, ...], *, removed: bool) -> Sweep:
    told = tuple(Kept(s.run_id, s.logical_date, inventory.reasons.get(s.run_id, ())) for s in inventory.snapshots)
    return Sweep(found, inventory.kept, removed, told)


@dataclass(frozen=True, slots=True)
class _Inventory:
    """All that is in a lake, and what of it is needed."""

    lake: Lake
    snapshots: tuple[Snapshot, ...]  # newest first
    memories: dict[str, RunMemory]  # run → what its journal says
    alive: frozenset[str]  # runs that can be resumed
    kept: tuple[str, ...]  # runs whose snapshots are kept
    stand_ins: frozenset[str]  # runs whose files stand in for a lane of a kept snapshot
    reasons: Mapping[str, tuple[str, ...]]  # run → why its manifest is kept
    oldest: datetime  # what began later is young


def _take_stock(lake: Lake, settings: LakeSettings, now: datetime, just_published: str = "") -> _Inventory:
    found, memories = _read_all(lake)
    resumed = {run_id: memory for run_id, memory in memories.items() if resumable(memory, now)}
    held = {run_id for run_id, memory in resumed.items() if not memory.published or _fresh(memory, now)}
    held |= {run_id for run_id, memory in memories.items() if memory.publishing is not None}
    rules = settings.retention
    there = {one.key for pattern in layout.EVERY_PART for one in lake.store.list(pattern)}
    whole = [
        s for s in found if there.issuperset(f.path for lane in s.lanes for f in lane.files)
    ]  # what a later run of the day has replaced is no candidate
    why = {run_id: list(words) for run_id, words in by_rules(found, whole, rules, now).items()}
    for word, runs in (
        ("latest", {latest_snapshot(lake) or ""}),
        ("just published", {just_published}),
        ("can be resumed", held),
    ):
        for run_id in runs & {s.run_id for s in found}:
            why.setdefault(run_id, []).append(word)
    kept = [s for s in found if s.run_id in why]
    stand_ins = frozenset(lane.from_run for s in kept for lane in s.lanes if lane.from_run)
    for run_id in stand_ins:
        why.setdefault(run_id, []).append("a kept snapshot has files of it")
    # One that has published goes with its snapshot: a night with one type skipped is not kept for ever.
    alive = frozenset(held | (resumed.keys() & {s.run_id for s in kept}))
    reasons = {run_id: tuple(words) for run_id, words in why.items()}
    ids, oldest = tuple(s.run_id for s in kept), now - timedelta(days=rules.days)
    return _Inventory(lake, found, memories, alive, ids, stand_ins, reasons, oldest)


def _read_all(lake: Lake) -> tuple[tuple[Snapshot, ...], dict[str, RunMemory]]:
    """All manifests, and what all journals say. Raises: NoLake; Unsure, with the files that cannot be read."""
    found, errors = snapshots(lake)
    memories, wrong = dict[str, RunMemory](), list(errors)
    for run_id, memory in memories_of(lake, lake.store.folders(layout.RUNS)):
        if isinstance(memory, ManifestError):
            wrong.append(memory)
        else:
            memories[run_id] = memory
    if wrong:
        why = unreadable(wrong)
        raise Unsure(f"nothing is removed, because it is unclear what is still needed: {why}") from why
    return found, memories


def _fresh(memory: RunMemory, now: datetime) -> bool:
    return _began(memory, now) > now - FRESH_ENOUGH


def _began(memory: RunMemory, otherwise: datetime) -> datetime:
    return datetime.fromisoformat(memory.facts.started_at).astimezone(UTC) if memory.facts else otherwise


def _needed(inventory: _Inventory) -> set[str]:
    """Paths of part files that a kept manifest or a run that can be resumed names."""
    kept = [s for s in inventory.snapshots if s.run_id in inventory.kept]
    replaced = _replaced(kept)
    named = {f.path for s in kept for one in s.lanes if (s.run_id, one.lane) not in replaced for f in one.files}
    lanes = [lane for run_id in inventory.alive for lane in inventory.memories[run_id].lanes.values()]
    return named | {part.path for lane in lanes for part in lane.parts}


def _replaced(kept: Sequence[Snapshot]) -> set[tuple[str, Lane]]:
    """Run and lane where another run of the day has brought the lane since: both by its id and by the clock."""
    own = [(s, lane.lane) for s in kept for lane in s.lanes if lane.columns and lane.from_run is None]
    of_day: dict[tuple[str, Lane], list[Snapshot]] = {}
    for snapshot, lane in own:
        of_day.setdefault((snapshot.logical_date, lane), []).append(snapshot)
    return {
        (one.run_id, lane)
        for (_, lane), many in of_day.items()
        for one in many
        if one.is_for_globs  # what others replace stays as long as their manifests do
        and any(other.run_id > one.run_id and other.finished_at > one.finished_at for other in many)
    }


def _leftovers(inventory: _Inventory) -> Iterator[Leftover]:
    """In the order in which they are to be removed: a manifest goes before its files, so that none lacks any."""
    yield from _old_snapshots(inventory)
    yield from _loose_schemas(inventory)
    yield from _loose_parts(inventory)
    folders = list(_run_folders(inventory))
    yield from folders
    yield from _drafts(inventory.lake, [leftover.path for leftover in folders])


def _old_snapshots(inventory: _Inventory) -> Iterator[Leftover]:
    for snapshot in inventory.snapshots:
        run_id = snapshot.run_id
        if run_id not in inventory.kept and run_id not in inventory.stand_ins:
            key = layout.manifest(run_id)
            yield Leftover("snapshot", key, run_id, inventory.lake.store.size(key) or 0, "beyond the retention")
    for run_id in half_published(inventory.lake):
        if run_id not in inventory.alive:
            key = layout.manifest(run_id)
            yield Leftover("snapshot", key, run_id, inventory.lake.store.size(key) or 0, "its run never published it")


def _loose_schemas(inventory: _Inventory) -> Iterator[Leftover]:
    """Columns that no manifest names any more; a run that publishes again writes its own anew."""
    store, stay = inventory.lake.store, {*inventory.kept, *inventory.stand_ins}
    named = {lane.schema for s in inventory.snapshots if s.run_id in stay for lane in s.lanes}
    for name in store.names(layout.BY_HASH):
        digest = layout.digest_of_schema(name)
        if digest is not None and digest not in named:
            yield Leftover(
                "schema", layout.schema(digest), None, store.size(layout.schema(digest)) or 0, "no manifest names it"
            )


def _loose_parts(inventory: _Inventory) -> Iterator[Leftover]:
    store, needed = inventory.lake.store, _needed(inventory)
    owners = {f.path: s.run_id for s in inventory.snapshots for lane in s.lanes for f in lane.files}
    there = [one for pattern in layout.EVERY_PART for one in store.list(pattern)]
    loose = [one for one in there if one.key not in needed and (one.key in owners or _is_own(one.key))]
    pinned = _table_days(inventory).needed(needed, [one.key for one in loose])
    for one in loose:
        if one.key not in pinned:
            named_by, writer = owners.get(one.key), layout.run_of_part(one.key)
            if named_by is None and _is_hopeless(inventory, writer):
                yield Leftover("part", one.key, writer, one.size, NEVER_FINISHED)
            else:
                yield Leftover("part", one.key, named_by, one.size, _why_loose(inventory, named_by))


def _is_hopeless(inventory: _Inventory, run_id: str) -> bool:
    """Whether a run has come to no end, and never will: parts of it may be in their places all the same."""
    memory = inventory.memories.get(run_id)
    return memory is not None and not memory.over and run_id not in inventory.alive


def _is_own(key: str) -> bool:
    return layout.is_own_part(key) or not is_in_table(key)


def _table_days(inventory: _Inventory) -> TableDays:
    stay = {*inventory.kept, *inventory.stand_ins}
    gone = [one for one in inventory.snapshots if one.run_id not in stay]
    return TableDays(inventory.lake.store, gone, [one for one in inventory.snapshots if one.run_id in inventory.kept])


def _why_loose(inventory: _Inventory, owner: str | None) -> str:
    if owner is None:
        return "no manifest names it"
    return "a later run of the day replaced it" if owner in inventory.kept else "beyond the retention"


def _run_folders(inventory: _Inventory) -> Iterator[Leftover]:
    lake, kept = inventory.lake, {*inventory.kept, *inventory.stand_ins, *inventory.alive}
    runs = list(inventory.memories)
    staged = dict(zip(runs, lake.each(lambda run_id: lake.store.has(layout.staging(run_id)), runs), strict=True))
    for run_id, memory in inventory.memories.items():
        old = _began(memory, inventory.oldest) <= inventory.oldest
        if run_id not in kept and old:
            yield _folder_left(lake, "run", run_id, "beyond the retention")
        elif run_id not in inventory.alive and staged[run_id]:
            why = "its run is over" if memory.over else NEVER_FINISHED
            yield _folder_left(lake, "staging", run_id, why)


def _folder_left(lake: Lake, kind: Literal["run", "staging"], run_id: str, why: str) -> Leftover:
    prefix = layout.run(run_id) if kind == "run" else layout.staging(run_id)
    size = sum(one.size for one in lake.store.list(layout.below(prefix)))
    return Leftover(kind, prefix, run_id, size, why)


def _drafts(lake: Lake, gone: Sequence[str]) -> Iterator[Leftover]:
    counted = {one.key for folder in gone for one in lake.store.list(layout.below(folder))}
    for one in lake.store.unfinished(layout.CONTROL if lake.is_folder else ""):  # parts have no drafts in a folder
        is_own = one.key.startswith(f"{layout.CONTROL}/") or layout.is_own_part(one.key.partition(UPLOAD)[0])
        if is_own and one.key not in counted:
            yield Leftover("draft", one.key, None, one.size, "an interrupted write")


def _remove(lake: Lake, leftovers: Iterable[Leftover], inventory: _Inventory) -> None:
    """What cannot be removed keeps nothing else, but for a manifest, which would lack its files. Raises: OSError."""
    failed = list[OSError]()
    for leftover in leftovers:
        try:
            _remove_one(lake, leftover, inventory)
        except OSError as error:
            if leftover.kind == "snapshot":
                raise
            failed.append(error)
    if failed:
        raise failed[0]


def _remove_one(lake: Lake, leftover: Leftover, inventory: _Inventory) -> None:
    if leftover.kind in ("staging", "part") and _is_hopeless(inventory, leftover.run_id or ""):
        _give_up(lake, leftover.run_id or "", inventory.memories)
    if leftover.kind in ("staging", "run"):
        lake.store.delete_all(leftover.path)
        return
    if leftover.kind == "snapshot" and leftover.run_id is not None:
        lake.store.delete(layout.lanes(leftover.run_id))
    lake.store.delete(leftover.path)
    if leftover.kind == "part" and not lake.store.names(partition := layout.folder_of(leftover.path)):
        lake.store.delete_all(partition)


def _give_up(lake: Lake, run_id: str, memories: Mapping[str, RunMemory]) -> None:
    """A run without what it has read can never be resumed, and its journal has to say so first."""
    if memories[run_id].facts is not None:
        lake.journal(run_id).begin().append(record(ABANDONED))
    memories[run_id].over = True
