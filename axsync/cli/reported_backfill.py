"""`axsync backfill` with the command at its end."""

import time
from dataclasses import replace
from typing import Any

from axsync.cli.reported_run import warner
from axsync.console.backfill import backfill_summary, fill
from axsync.console.invocation import Invocation
from axsync.console.run import write_index_of
from axsync.console.run_result import Ended, SummaryCollector, summary_of, summary_of_failure
from axsync.runs.backfill import backfill as fill_in
from axsync.runs.backfill import pace_of
from axsync.settings import RunSettings, Settings
from axsync.telemetry import watch_over


def backfill(given: Invocation, first: str, last: str, share: int, **overrides: object) -> int:
    """Fill in days of history, tell the command at the end, and return the exit code.

    Metrics, traces and lineage are about the run of a night: days of long ago are no news there.
    """
    began, warn = time.monotonic(), warner(given.output_options)
    asked = given.settings(**overrides)
    own = replace(asked.run, metrics_file="", lineage_file="", otel=False)
    watch = watch_over(RunSettings() if own.dry_run else own, warn)
    try:
        ended = fill(
            lambda observers: given.service(fill_in)(asked, first, last, share=share, observers=observers),
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
