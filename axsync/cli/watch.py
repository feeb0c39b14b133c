"""A run with its reporters: metrics file, traces, lineage, the command at the end."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields

import click

from axsync.cli.options import output_options, services, settings
from axsync.console.session import dump, say
from axsync.console.summary import SummaryCollector, summary_of, summary_of_failure
from axsync.console.words import clean, redact
from axsync.errors import UsageError
from axsync.settings import RunSettings, Settings
from axsync.telemetry import Reporters, SafeReporter, Warn, watch_over


def watched_run(context: click.Context, overrides: Mapping[str, object]) -> int:
    """Run, report the end to every reporter even if the run never started, and return the exit code."""
    began, warn = time.monotonic(), _warner(context)
    try:
        asked = settings(context, **overrides)
        # A dry run leaves no trace, and must not overwrite the metrics of the nightly run.
        run = RunSettings() if asked.run.dry_run else asked.run
        watch = watch_over(run, warn, lake=asked.lake.uri, instances=asked.chosen())
    except UsageError as error:
        failed = summary_of_failure(
            error, SummaryCollector(str(overrides.get("lake") or "")), seconds=time.monotonic() - began
        )
        _watch_of_flags(overrides, warn).close(failed)
        raise
    return _run(context, asked, watch, began)


def _run(context: click.Context, asked: Settings, watch: Reporters, began: float) -> int:
    collector = SummaryCollector(asked.lake.uri)
    try:
        ended = dump(services(context).sync, asked, output_options(context), (collector, *watch.observers))
    except Exception as error:
        watch.close(summary_of_failure(error, collector, seconds=time.monotonic() - began))
        raise
    watch.close(summary_of(ended, collector, seconds=time.monotonic() - began, dry_run=asked.run.dry_run))
    return ended.exit_code


def _watch_of_flags(overrides: Mapping[str, object], warn: Warn) -> Reporters:
    """The reporters given on the command line, so that unreadable settings are reported as well."""
    reporters: list[SafeReporter] = []
    for name in ("metrics_file", "on_finish"):
        given = {name: overrides.get(name), "on_finish_seconds": overrides.get("on_finish_seconds")}
        with suppress(UsageError):
            reporters += watch_over(_run_settings(given), warn).reporters
    return Reporters(reporters)


def _run_settings(given: Mapping[str, object]) -> RunSettings:
    known = {field.name for field in fields(RunSettings)}
    return RunSettings(**{k: v for k, v in given.items() if k in known and v is not None})  # type: ignore[arg-type]


def _warner(context: click.Context) -> Warn:
    how = output_options(context)
    return lambda text: say(f"warning: {clean(redact(text, os.environ))}", how)
