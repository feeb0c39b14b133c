"""What stands before a run: its lake, its name, the locks that keep others away."""

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote, urlsplit

from axsync.config import check_lake
from axsync.errors import ConfigError
from axsync.events import Event, Observer
from axsync.lake import layout
from axsync.lake.local import hold
from axsync.lake.publish import Lake, RunFacts, RunTargets, open_lake
from axsync.model import iso
from axsync.runs.days import logical_date
from axsync.settings import Settings

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
    if lake is None:
        raise ConfigError("this version writes to local folders only; give lake.uri or --lake a folder")
    day = logical_date(settings, datetime.now(UTC))
    lake.preflight(RunTargets(settings.run.wanted, [instance.name for instance in settings.chosen()], day))
    return lake


def facts_of(settings: Settings, lake: Lake) -> RunFacts:
    """Id, logical date and beginning of a run that begins now."""
    now = datetime.now(UTC)
    run_id = name_run(now, secrets.randbelow(1 << 16), lake.runs())
    return RunFacts(run_id, logical_date(settings, now), settings.run.as_of, iso(now), version("axsync"))


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


def all_of(observers: Sequence[Observer]) -> Observer:
    """One observer that tells all of these."""

    def observe(event: Event) -> None:
        for observer in observers:
            observer(event)

    return observe


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
            for host in sorted({urlsplit(instance.url).netloc for instance in settings.chosen()}):
                place = folder / f"{quote(host, safe='')}.lock"
                locks.enter_context(hold(place, what=f"the host {host}", run=run_id))
        yield
