import os
import sys
from pathlib import Path
from typing import Any

import pytest

from axsync.errors import ConfigError
from axsync.events import Event
from axsync.settings import RunSettings
from axsync.telemetry import Reporters, SafeReporter, Summary, watch_over
from tests.unit.telemetry.story import EVENTS, summary


class Failing:
    """A reporter that cannot do anything."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, event: Event) -> None:
        raise self.error

    def close(self, summary: Summary) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device", "/m.prom"), "metrics: No space left on device (/m.prom)"),
        (ValueError("https://user:hunter2@collector"), "metrics: failed with ValueError"),
    ],
)
def test_a_reporter_that_fails_is_one_warning(error: Exception, words: str) -> None:
    """However often it fails; what a library says is not repeated."""
    warnings: list[str] = []
    watch = Reporters([SafeReporter("metrics", Failing(error), warnings.append)])
    for event in EVENTS:
        for observer in watch.observers:
            observer(event)
    watch.close(summary())

    assert warnings == [words]


def test_one_that_fails_does_not_keep_the_others_from_their_end() -> None:
    """Each is told how the run ended."""
    closed: list[str] = []

    class Good:
        def __call__(self, event: Event) -> None:
            pass

        def close(self, summary: Summary) -> None:
            closed.append(summary["verdict"])

    watch = Reporters(
        [SafeReporter("a", Failing(RuntimeError()), closed.append), SafeReporter("b", Good(), closed.append)]
    )
    watch.close(summary())

    assert closed == ["a: failed with RuntimeError", "partial"]


def test_nothing_is_asked_for_by_default() -> None:
    """A run has no reporters unless it is told to."""
    assert watch_over(RunSettings(), print).reporters == []


def test_each_setting_adds_its_reporter_and_the_command_comes_last(tmp_path: Path) -> None:
    """So that it finds what the others have written."""
    run = RunSettings(on_finish="true", metrics_file=str(tmp_path / "m.prom"), lineage_file=str(tmp_path / "l.jsonl"))

    assert [one.name for one in watch_over(run, print).reporters] == ["metrics_file", "lineage_file", "on_finish"]


@pytest.mark.parametrize(
    ("name", "where", "words"),
    [
        ("metrics_file", ".", "must be a file"),
        ("metrics_file", "nowhere/m.prom", "does not exist"),
        ("lineage_file", "nowhere/l.jsonl", "does not exist"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, where: str, words: str
) -> None:
    """One sentence that names the setting."""
    monkeypatch.chdir(tmp_path)
    settings: Any = {name: where}
    with pytest.raises(ConfigError, match=f"{name} .*{words}"):
        watch_over(RunSettings(**settings), print)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_refused(tmp_path: Path) -> None:
    """Before the run, not after it."""
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="no permission to write"):
        watch_over(RunSettings(metrics_file=str(tmp_path / "m.prom")), print)


def test_a_variable_that_opentelemetry_does_not_accept_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the run, and without the library's own words."""
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "-5")
    with pytest.raises(ConfigError, match=r"OTEL_\* variables$"):
        watch_over(RunSettings(otel=True), print)


@pytest.mark.parametrize(
    ("setting", "module", "packages"),
    [
        ({"otel": True}, "axsync.telemetry.otel", "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"),
        ({"lineage_file": "l.jsonl"}, "axsync.telemetry.lineage", "openlineage-python"),
    ],
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, setting: dict[str, Any], module: str, packages: str
) -> None:
    """With the line that installs it."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=f"pip install {packages}$"):
        watch_over(RunSettings(**setting), print)
