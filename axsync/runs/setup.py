"""What stands before a run: its lake, its name, the locks that keep others away."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
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
from axsync.runs.resume import name_run
from axsync.settings import Settings


def fit_lake(settings: Settings) -> Lake:
    """The lake of these settings, to which a run can publish. Raises: ConfigError, LakeError, ManifestError."""
    check_lake(settings.lake.uri)
    lake = open_lake(settings.lake)
    if lake is None:
        raise ConfigError("this version writes to local folders only; give lake.uri or --lake a folder")
    day = settings.run.logical_date or datetime.now(UTC).date().isoformat()
    lake.preflight(RunTargets(settings.run.entities, [instance.name for instance in settings.chosen()], day))
    return lake


def refuse_future(settings: Settings) -> None:
    """Raises: ConfigError for a day of history that has not come yet, by UTC."""
    day = settings.run.as_of
    if day not in (None, "latest") and day > datetime.now(UTC).date().isoformat():
        raise ConfigError(f"as_of is {day}, a day that has not come yet; history ends today (UTC)")


def facts_of(settings: Settings, lake: Lake) -> RunFacts:
    """Id, logical date and beginning of a run that begins now."""
    now = datetime.now(UTC)
    run_id = name_run(now, secrets.randbelow(1 << 16), lake.runs())
    day = settings.run.logical_date or now.date().isoformat()
    return RunFacts(run_id, day, settings.run.as_of, iso(now), version("axsync"))


def all_of(observers: Sequence[Observer]) -> Observer:
    """One observer that tells all of these."""

    def observe(event: Event) -> None:
        for observer in observers:
            observer(event)

    return observe


@contextmanager
def alone(settings: Settings, lake: Lake, run_id: str) -> Iterator[None]:
    """Nobody else writes to the lake, nor, where a state folder is shared, asks the same hosts.

    Raises: Busy, StorageError.
    """
    lake.prepare()
    with ExitStack() as locks:
        locks.enter_context(lake.store.hold(layout.LOCK, what=f"the lake {settings.lake.uri}", run=run_id))
        if settings.run.state_folder:
            folder = Path(settings.run.state_folder) / "locks"
            # In one order, so that two runs over the same hosts never hold one each.
            for host in sorted({urlsplit(instance.url).netloc for instance in settings.chosen()}):
                place = folder / f"{quote(host, safe='')}.lock"
                locks.enter_context(hold(place, what=f"the host {host}", run=run_id))
        yield
