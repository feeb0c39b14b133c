"""`axsync run` with its reporters: metrics file, traces, lineage, the command at the end."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from functools import partial

from axsync.cli.lazy_import import load
from axsync.console.invocation import Invocation
from axsync.console.output import OutputOptions, say
from axsync.console.run import Sync, dump
from axsync.console.run_result import Ended, SummaryCollector, summary_of, summary_of_failure
from axsync.console.text import clean, redact
from axsync.errors import UsageError
from axsync.runs.run import sync
from axsync.settings import RunSettings, Settings
from axsync.telemetry import Reporters, SafeReporter, Warn, watch_over


def run(given: Invocation, *, cluster: str | None = None, **overrides: object) -> int:
    """Run, report the end to every reporter even if the run never started, and return the exit code.

    A run of yesterday that was resumed and has published is followed by that of today, unless `--resume` asked for no
    more: else a night would be missing for every one that was interrupted.
    """
    work: Sync = partial(load("axsync.runs.cluster:sync_on"), cluster) if cluster else given.service(sync)
    first = _reported(given, overrides, work)
    report, only = first.report, overrides.get("fresh") is False
    if report is None or report.manifest is None or report.still_due is None or only:
        return first.exit_code
    if given.output_options.verbosity >= 0:
        say(f"that was {report.logical_date}; now {report.still_due} is read", given.output_options)
    return _reported(given, overrides, work).exit_code or first.exit_code


def _reported(given: Invocation, overrides: Mapping[str, object], work: Sync) -> Ended:
    began, warn = time.monotonic(), warner(given.output_options)
    try:
        asked = given.settings(**overrides)
        # A dry run leaves no trace, and must not overwrite the metrics of the nightly run.
        reported = RunSettings() if asked.run.dry_run else asked.run
        watch = watch_over(reported, warn, lake=asked.lake.uri, instances=asked.chosen())
    except UsageError as error:
        failed = summary_of_failure(
            error, SummaryCollector(str(overrides.get("lake") or "")), seconds=time.monotonic() - began
        )
        _reporters_of_flags(overrides, warn).close(failed)
        raise
    return run_reported(given, asked, watch, began, work)


def run_reported(given: Invocation, asked: Settings, watch: Reporters, began: float, work: Sync) -> Ended:
    """Do the work, watched by these reporters, and tell them how it ended, whichever way."""
    collector = SummaryCollector(asked.lake.uri)
    try:
        ended = dump(work, asked, given.output_options, (collector, *watch.observers))
    except Exception as error:
        watch.close(summary_of_failure(error, collector, seconds=time.monotonic() - began))
        raise
    watch.close(summary_of(ended, collector, seconds=time.monotonic() - began, dry_run=asked.run.dry_run))
    return ended


def _reporters_of_flags(overrides: Mapping[str, object], warn: Warn) -> Reporters:
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


def warner(options: OutputOptions) -> Warn:
    """How a reporter says that it failed."""
    return lambda text: say(f"warning: {clean(redact(text, os.environ))}", options)
