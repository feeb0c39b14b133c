"""The command line with the library behind it replaced by what a test says; settings are loaded for real."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from axsync.cli import main
from axsync.events import LaneClosed, LaneOpened, Notice, Observer, PageRead, RunStarted, SnapshotPublished
from axsync.model import Lane, Outcome
from axsync.runs.check import InstanceCheck, Tell, ignore
from axsync.runs.inspect import EntityRow, FieldRow, QueryRow
from axsync.runs.run import Report
from axsync.settings import Settings

LANE = Lane("default", "devices")
DONE = Outcome(LANE, "complete", rows=2000, pages=1, bytes=12_300_000, seconds=2.0)
REPORT = Report("r1", "2026-11-23", "complete", (DONE,), "_axsync/snapshots/r1.json", "lake", 2.5)


@dataclass
class Fake:
    """Takes the place of the library: remembers its settings, then answers or fails as told."""

    error: BaseException | None = None
    report: Report = REPORT
    reports: list[Report] = field(default_factory=list)  # one by one, where there is more than one
    checks: tuple[InstanceCheck, ...] = ()
    notice: str = ""
    asked: list[Settings] = field(default_factory=list)
    entity: str = ""
    probe_to: Path | None = None

    def _answer(self, settings: Settings, observers: Sequence[Observer] = ()) -> None:
        self.asked.append(settings)
        for observer in observers if self.notice else ():
            observer(Notice(None, self.notice))
        if self.error is not None:
            raise self.error

    async def sync(self, settings: Settings, *, observers: Sequence[Observer] = ()) -> Report:
        self._answer(settings)
        for event in (
            RunStarted("r1", "2026-11-23", (LANE,)),
            LaneOpened(LANE, 2000),
            PageRead(LANE, 0, 2000, 12_300_000, 1.0),
            LaneClosed(DONE),
            SnapshotPublished("r1", "complete", "_axsync/snapshots/r1.json"),
        ):
            for observer in observers:
                observer(event)
        return self.reports.pop(0) if self.reports else self.report

    async def check(
        self,
        settings: Settings,
        *,
        observers: Sequence[Observer] = (),
        probe_to: Path | None = None,
        tell: Tell = ignore,
    ) -> tuple[InstanceCheck, ...]:
        self._answer(settings, observers)
        for one in self.checks:
            for step in one.steps:
                tell(one.name, step)
        self.probe_to = probe_to
        return self.checks

    async def entities(self, settings: Settings, *, observers: Sequence[Observer] = ()) -> tuple[EntityRow, ...]:
        self._answer(settings, observers)
        return (EntityRow("default", "devices", 2000, ""),)

    async def fields(
        self, settings: Settings, entity: str, *, observers: Sequence[Observer] = ()
    ) -> tuple[FieldRow, ...]:
        self._answer(settings, observers)
        self.entity = entity
        return (FieldRow("default", "specific_data.data.hostname", "hostname", "list<string>", "Host Name", None),)

    async def queries(
        self, settings: Settings, entity: str | None, *, observers: Sequence[Observer] = ()
    ) -> tuple[QueryRow, ...]:
        self._answer(settings, observers)
        self.entity = entity or ""
        columns = ("specific_data.data.hostname", "labels")
        return (QueryRow("default", "devices", "Tier\x1b[1m one", "5f", '("labels"  == "x")', columns),)

    def services(self) -> dict[str, Callable[..., Any]]:
        names = ("sync", "check", "entities", "fields", "queries")
        return {name: getattr(self, name) for name in names}


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def axsync(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command line in an empty folder, with the three variables set."""
    monkeypatch.chdir(tmp_path)
    runner = CliRunner(env={"AX_URL": "https://acme.example", "AX_KEY": "k", "AX_SECRET": "s"})

    def invoke(*arguments: str, env: Mapping[str, str | None] | None = None) -> Result:
        return runner.invoke(main, arguments, obj=fake.services(), env=env)

    return invoke
