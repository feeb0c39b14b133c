"""What past runs left in a lake: their snapshots, read and checked. Nothing is written.

A manifest may be as old as the lake and may have been touched since, so that nothing in it is taken on trust: what
does not have the promised form is refused with one sentence, here and nowhere later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import orjson

from axsync.errors import ManifestError, NoLake, UnknownRun
from axsync.model import Lane
from axsync.publish.lake import CONTROL, Lake
from axsync.publish.manifest import FORMAT_VERSION

LATEST = "latest"
"""What a person calls the run that `latest.json` names."""

MOST_NAMED = 5
"""So many runs are named where an abbreviation fits several."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
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
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRecord:
    """One lane as a manifest has it, without its columns."""

    instance: str
    entity: str
    verdict: str
    reason: str | None
    api: str | None
    server_version: str | None
    discovery: Mapping[str, str | None]
    count_before: int | None
    count_after: int | None
    rows: int
    distinct_ids: int
    duplicates: int
    repaired: int
    missing: int = 0
    rescued_values: int
    dead_letters: int
    pages: int
    requests: int
    retries: int
    bytes: int
    seconds: float = 0.0
    drift: Mapping[str, DriftRecord]
    notices: tuple[str, ...] = ()
    files: tuple[FileRecord, ...]
    from_run: str | None = None

    @property
    def lane(self) -> Lane:
        return Lane(self.instance, self.entity)


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

    @property
    def rows(self) -> int:
        """Rows that the run brought; those of an older run that stand in for a lane do not count."""
        return sum(lane.rows for lane in self.lanes)

    @property
    def seconds(self) -> float:
        """How long the run took; a clock that was set back makes it 0."""
        return max((self.finished_at - self.started_at).total_seconds(), 0.0)


@dataclass(frozen=True, slots=True)
class FoundRun:
    """One run that was asked for: its snapshot, the whole manifest, and whether it is the latest."""

    snapshot: Snapshot
    document: Mapping[str, Any]
    latest: bool


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run in the list of runs; times are ISO, UTC."""

    run_id: str
    logical_date: str
    as_of: str | None
    started_at: str
    finished_at: str
    verdict: str
    lanes: int
    rows: int
    seconds: float
    latest: bool


@dataclass(frozen=True, slots=True)
class History:
    """The runs of a lake, newest first, and why others are not among them."""

    runs: tuple[PastRun, ...]
    errors: tuple[ManifestError, ...] = field(default=())


def past_runs(lake: Lake) -> History:
    """The runs that have a snapshot. What cannot be read is in `errors` and hides no other run. Raises: NoLake."""
    ids = _run_ids(lake)
    errors: list[ManifestError] = []
    latest, found = None, []
    try:
        latest = _latest(lake, ids)
    except ManifestError as error:
        errors.append(error)
    for run_id in ids:
        try:
            found.append(_snapshot(_manifest(lake, run_id), run_id))
        except ManifestError as error:
            errors.append(error)
    found.sort(key=lambda snapshot: (snapshot.started_at, snapshot.run_id), reverse=True)
    return History(tuple(_listed(snapshot, latest) for snapshot in found), tuple(errors))


def find_run(lake: Lake, asked: str) -> FoundRun:
    """The run of this id, of the one id that begins so, or the latest. Raises: NoLake, UnknownRun, ManifestError."""
    ids = _run_ids(lake)
    run_id = _latest_of(lake, ids) if asked == LATEST else _named(lake, ids, asked)
    raw = _manifest(lake, run_id)
    snapshot = _snapshot(raw, run_id)
    try:
        document = orjson.loads(raw)
    except ValueError as error:
        raise _damaged(run_id) from error
    return FoundRun(snapshot, document, asked == LATEST or _is_latest(lake, ids, run_id))


def _run_ids(lake: Lake) -> tuple[str, ...]:
    """The ids that have a manifest. Only they are ever looked up, so that no name leads out of the folder."""
    try:
        _check(lake.root)
        folder = lake.root / CONTROL / "snapshots"
        paths = list(folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise NoLake(f"the lake {str(lake.root)!r} cannot be read") from error
    # A draft that a killed run left has a dot in front.
    return tuple(sorted(p.stem for p in paths if p.suffix == ".json" and not p.name.startswith(".")))


def _check(root: Path) -> None:
    if not root.exists():
        raise NoLake(f"there is no lake {str(root)!r}")
    if not root.is_dir():
        raise NoLake(f"{str(root)!r} is not a lake, because it is not a folder")
    if not (root / CONTROL).is_dir():
        raise NoLake(f"{str(root)!r} is not a lake, because it has no folder {CONTROL}")


@dataclass(frozen=True, slots=True)
class _Pointer:
    run_id: str


@dataclass(frozen=True, slots=True)
class _Version:
    format_version: int


def _latest(lake: Lake, ids: Sequence[str]) -> str | None:
    words = f"latest.json of the lake {str(lake.root)!r}"
    try:
        named = _decoded((lake.root / CONTROL / "latest.json").read_bytes(), _Pointer).run_id
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ManifestError(f"{words} cannot be read") from error
    except ValueError as error:
        raise ManifestError(f"{words} is damaged") from error
    if named not in ids:
        raise ManifestError(f"{words} names run {named!r}, which has no manifest")
    return named


def _latest_of(lake: Lake, ids: Sequence[str]) -> str:
    if run_id := _latest(lake, ids):
        return run_id
    raise UnknownRun(f"no run has published a snapshot in the lake {str(lake.root)!r}", asked=LATEST)


def _is_latest(lake: Lake, ids: Sequence[str], run_id: str) -> bool:
    try:
        return _latest(lake, ids) == run_id
    except ManifestError:
        return False  # a pointer that is damaged does not hide a run that was asked for by its id


def _named(lake: Lake, ids: Sequence[str], asked: str) -> str:
    found = [run_id for run_id in ids if asked and run_id.startswith(asked)]
    if asked in ids or len(found) == 1:
        return asked if asked in ids else found[0]
    if not found:
        raise UnknownRun(f"the lake {str(lake.root)!r} has no run {asked!r}", asked=asked)
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    names = ", ".join(found[:MOST_NAMED])
    raise UnknownRun(f"{asked!r} is the beginning of {len(found)} runs: {names}{more}", asked=asked)


def _manifest(lake: Lake, run_id: str) -> bytes:
    try:
        return (lake.root / lake.manifest_name(run_id)).read_bytes()
    except OSError as error:
        raise ManifestError(f"the manifest of run {run_id!r} cannot be read") from error


def _snapshot(raw: bytes, run_id: str) -> Snapshot:
    try:
        # First and alone: of a newer version nothing else is known.
        version = _decoded(raw, _Version).format_version
        snapshot = _decoded(raw, Snapshot) if version == FORMAT_VERSION else None
    except ValueError as error:
        raise _damaged(run_id) from error
    if version > FORMAT_VERSION:
        told = f"format version {version}, and this axsync reads no newer one than {FORMAT_VERSION}"
        raise ManifestError(f"the manifest of run {run_id!r} has {told}")
    if snapshot is None or snapshot.run_id != run_id:
        raise _damaged(run_id)
    return snapshot


def _damaged(run_id: str) -> ManifestError:
    return ManifestError(f"the manifest of run {run_id!r} is damaged")


def _decoded(raw: bytes, form: type[Form]) -> Form:
    """Raises: ValueError, whatever is wrong with the bytes."""
    try:
        return msgspec.json.decode(raw, type=form)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _listed(snapshot: Snapshot, latest: str | None) -> PastRun:
    return PastRun(
        run_id=snapshot.run_id,
        logical_date=snapshot.logical_date,
        as_of=snapshot.as_of,
        started_at=iso(snapshot.started_at),
        finished_at=iso(snapshot.finished_at),
        verdict=snapshot.verdict,
        lanes=len(snapshot.lanes),
        rows=snapshot.rows,
        seconds=snapshot.seconds,
        latest=snapshot.run_id == latest,
    )


def iso(moment: datetime) -> str:
    """The moment as manifests write it."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
