"""What stands before a run: its lake, its name, the locks that keep others away."""

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote, urlsplit

from axsync.config import check_lake
from axsync.errors import Busy, LakeUnfit
from axsync.events import Event, Observer
from axsync.lake import layout
from axsync.lake.local import hold
from axsync.lake.publish import Lake, RunFacts, RunTargets, open_lake
from axsync.model import iso
from axsync.runs.days import logical_date
from axsync.settings import LakeSettings, Settings

_SECOND = "%Y%m%dT%H%M%SZ"
_RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}")
_LAST = 0xFFFF


def is_run_id(text: str) -> bool:
    """Whether `name_run` makes such names."""
    return _RUN_ID.fullmatch(text) is not None


def fit_lake(settings: Settings) -> Lake:
    """The lake of these settings, to which a run can publish. Raises: ConfigError, LakeError, ManifestError."""
    check_lake(settings.lake.uri)
    lake = open_lake(settings.lake)
    _refuse_inside(settings.lake, lake)
    day = logical_date(settings, datetime.now(UTC))
    lake.preflight(RunTargets(settings.run.wanted, [instance.name for instance in settings.chosen()], day))
    return lake


def _refuse_inside(settings: LakeSettings, lake: Lake) -> None:
    """Raises: LakeUnfit, where a lake would begin inside another one, whose readers would come upon its files."""
    if _has_lake(lake):
        return
    for outer in settings.parents:
        if _has_lake(open_lake(replace(settings, uri=outer))):
            raise LakeUnfit(f"the lake {settings.uri!r} would be inside another lake, {outer!r}; choose another place")


def _has_lake(lake: Lake) -> bool:
    try:
        return lake.store.has(layout.CONTROL)
    except OSError:  # no right to look there
        return False


def facts_of(settings: Settings, lake: Lake) -> RunFacts:
    """Id, logical date and beginning of a run that begins now."""
    now = datetime.now(UTC)
    run_id = name_run(now, secrets.randbelow(1 << 16), lake.runs())
    day, began = logical_date(settings, now), iso(now)
    return RunFacts(run_id, day, settings.run.as_of, began, version("axsync"), lake.visible)


def name_run(now: datetime, chance: int, runs: Sequence[str]) -> str:
    """An id that sorts behind those of all earlier runs, newest first in `runs`; `chance` has 16 bits.

    Two runs may begin within one second, and a clock may have been set back: what was newest then stays older.
    """
    name = f"{now:{_SECOND}}-{chance:04x}"
    newest = next((run_id for run_id in runs if is_run_id(run_id)), "")
    if newest < name:
        return name
    second, _, number = newest.partition("-")
    if int(number, 16) < _LAST:
        return f"{second}-{int(number, 16) + 1:04x}"
    return f"{datetime.strptime(second, _SECOND).replace(tzinfo=UTC) + timedelta(seconds=1):{_SECOND}}-{chance:04x}"


def host_of(url: str) -> str:
    """The host that an instance with this address is asked at: those on one host share its limits."""
    return urlsplit(url).netloc


def all_of(observers: Sequence[Observer]) -> Observer:
    """One observer that tells all of these."""

    def observe(event: Event) -> None:
        for observer in observers:
            observer(event)

    return observe


@contextmanager
def mark_backfill(lake: Lake) -> Iterator[None]:
    """Show runs of this lake that a backfill is under way, which makes way for them; one at a time.

    Raises: Busy, also where a run holds the lake just now; StorageError.
    """
    lake.prepare()
    with ExitStack() as locks:
        with lake.store.hold(layout.LOCK, what=f"the lake {lake.name}", run="backfill"):
            locks.enter_context(lake.store.hold(layout.BACKFILL, what=f"the lake {lake.name}", run="backfill"))
        yield


def is_awaited(lake: Lake) -> bool:
    """Whether a run waits for a backfill to make way. Blocks."""
    return _is_held(lake, layout.WAITING)


def is_in_use(lake: Lake) -> bool:
    """Whether a run holds the lake, or waits for it. Blocks."""
    return is_awaited(lake) or _is_held(lake, layout.LOCK)


def wait_behind_backfill(lake: Lake, run_id: str, stack: ExitStack) -> bool:
    """Ask the backfill that is under way to make way, as long as the stack lasts; False where there is none. Blocks."""
    if not _is_held(lake, layout.BACKFILL):
        return False
    with suppress(Busy):  # another run waits as well
        stack.enter_context(lake.store.hold(layout.WAITING, what="the turn behind a backfill", run=run_id))
    return True


def _is_held(lake: Lake, key: str) -> bool:
    try:
        with lake.store.hold(key, what=key, run="nobody"):
            return False
    except Busy:
        return True


@dataclass(slots=True)
class Relay:
    """An observer that passes on to another one, which may change while what it observes stays open."""

    to: Observer

    def __call__(self, event: Event) -> None:
        self.to(event)


@contextmanager
def alone(settings: Settings, lake: Lake, run_id: str, *, shared: bool = False) -> Iterator[None]:
    """Nobody else writes to the lake, nor, where a state folder is shared, asks the same hosts.

    `shared`: others of this run may write to the lake, but not ask these hosts.

    Raises: Busy, StorageError.
    """
    lake.prepare()
    with ExitStack() as locks:
        what = f"the lake {settings.lake.uri}"
        locks.enter_context(lake.store.hold(layout.LOCK, what=what, run=run_id, shared=shared))
        if settings.run.state_folder:
            folder = Path(settings.run.state_folder) / "locks"
            # In one order, so that two runs over the same hosts never hold one each.
            for host in sorted({host_of(instance.url) for instance in settings.chosen()}):
                place = folder / f"{quote(host, safe='')}.lock"
                locks.enter_context(hold(place, what=f"the host {host}", run=run_id))
        yield
