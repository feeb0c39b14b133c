"""`axsync run` and `axsync backfill` with their reporters: metrics file, traces, lineage, the command at the end."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from axsync.console.backfill import backfill_summary, fill
from axsync.console.invocation import Invocation
from axsync.console.output import OutputOptions, say
from axsync.console.run import dump, write_index_of
from axsync.console.run_result import Ended, SummaryCollector, summary_of, summary_of_failure
from axsync.console.services import Sync, services_of
from axsync.console.shards import read_shard_plan
from axsync.console.text import clean, redact
from axsync.errors import UsageError
from axsync.events import Observer
from axsync.runs import Report
from axsync.runs.backfill import pace_of
from axsync.runs.cluster import sync_on
from axsync.runs.shards import publish as publish_shards
from axsync.settings import RunSettings, Settings
from axsync.telemetry import Reporters, SafeReporter, Warn, watch_over


def run(given: Invocation, *, cluster: str | None = None, **overrides: object) -> int:
    """Run, report the end to every reporter even if the run never started, and return the exit code.

    A run of yesterday that was resumed and has published is followed by that of today, unless `--resume` asked for no
    more: else a night would be missing for every one that was interrupted.
    """
    sync = partial(sync_on, cluster) if cluster else services_of(given).sync
    first = _reported(given, overrides, sync)
    report, only = first.report, overrides.get("fresh") is False
    if report is None or report.manifest is None or report.still_due is None or only:
        return first.exit_code
    if given.output_options.verbosity >= 0:
        say(f"that was {report.logical_date}; now {report.still_due} is read", given.output_options)
    return _reported(given, overrides, sync).exit_code or first.exit_code


def backfill(given: Invocation, first: str, last: str, share: int, **overrides: object) -> int:
    """Fill in days of history, tell the command at the end, and return the exit code.

    Metrics, traces and lineage are about the run of a night: days of long ago are no news there.
    """
    began, warn = time.monotonic(), _warner(given.output_options)
    asked = given.settings(**overrides)
    own = replace(asked.run, metrics_file="", lineage_file="", otel=False)
    watch = watch_over(RunSettings() if own.dry_run else own, warn)
    try:
        ended = fill(
            lambda observers: services_of(given).backfill(asked, first, last, share=share, observers=observers),
            pace_of(asked, share),
            given.output_options,
        )
    except Exception as error:
        watch.close(_of_backfill(summary_of_failure(error, _collector(asked), seconds=time.monotonic() - began)))
        raise
    if ended.done is not None:
        if not asked.run.dry_run:
            write_index_of(asked, given.output_options)
        watch.close(backfill_summary(ended.done))
    else:
        stopped = summary_of(Ended(ended.exit_code), _collector(asked), seconds=time.monotonic() - began, dry_run=False)
        watch.close(_of_backfill(stopped))
    return ended.exit_code


def _collector(asked: Settings) -> SummaryCollector:
    return SummaryCollector(asked.lake.uri)


def _of_backfill(summary: dict[str, Any]) -> dict[str, Any]:
    return summary | {"text": summary["text"].replace("axsync run", "axsync backfill", 1), "days": []}


def _reported(given: Invocation, overrides: Mapping[str, object], sync: Sync) -> Ended:
    began, warn = time.monotonic(), _warner(given.output_options)
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
    return _run(given, asked, watch, began, sync)


def _run(given: Invocation, asked: Settings, watch: Reporters, began: float, sync: Sync) -> Ended:
    collector = SummaryCollector(asked.lake.uri)
    try:
        ended = dump(sync, asked, given.output_options, (collector, *watch.observers))
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


def _warner(options: OutputOptions) -> Warn:
    return lambda text: say(f"warning: {clean(redact(text, os.environ))}", options)


def publish(given: Invocation, *, plan: Path, what_is_whole: bool, lake: str | None, **overrides: object) -> int:
    """Publish what shards have read, report the end to every reporter, return the exit code.

    Reporters are those that the plan names, and the command that is given: a plan holds none.
    """
    found, own = read_shard_plan(plan, lake), {key: value for key, value in overrides.items() if value is not None}
    run = replace(found.settings.run, **own)  # type: ignore[arg-type]  # by the names of its options
    found = replace(found, settings=replace(found.settings, run=run))

    async def sync(settings: Settings, *, observers: Sequence[Observer] = ()) -> Report:
        del settings  # the plan has them
        return await publish_shards(found, what_is_whole=what_is_whole, observers=observers)

    began, asked = time.monotonic(), found.run_settings
    watch = watch_over(asked.run, _warner(given.output_options), lake=asked.lake.uri, instances=asked.chosen())
    return _run(given, asked, watch, began, sync).exit_code
