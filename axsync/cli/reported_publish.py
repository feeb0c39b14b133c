"""`axsync publish` with the reporters of a run."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from axsync.cli.reported_run import run_reported, warner
from axsync.console.invocation import Invocation
from axsync.console.shards import read_shard_plan
from axsync.events import Observer
from axsync.runs.run import Report
from axsync.runs.shards import publish as publish_shards
from axsync.settings import Settings
from axsync.telemetry import watch_over


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
    watch = watch_over(asked.run, warner(given.output_options), lake=asked.lake.uri, instances=asked.chosen())
    return run_reported(given, asked, watch, began, sync).exit_code
