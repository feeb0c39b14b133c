"""Dagster: one night read by four mapped ops. Only exit code 75 is tried again; every other one fails its op."""

import json
import subprocess
from pathlib import Path

import dagster as dg

TRY_LATER = 75
SHARDS = 4
PLANS = Path("/srv/lake-plans")  # a folder that all workers share, as they share the lake


def axsync(*arguments: str) -> bytes:
    ended = subprocess.run(["axsync", *arguments], stdout=subprocess.PIPE, check=False)
    if ended.returncode == TRY_LATER:
        raise dg.RetryRequested(max_retries=12, seconds_to_wait=300)
    if ended.returncode:
        raise dg.Failure(f"axsync ended with exit code {ended.returncode}; its log says why", allow_retries=False)
    return ended.stdout


def plan_path(context: dg.OpExecutionContext) -> str:
    """One plan for each run of the job, however often an op is tried."""
    return str(PLANS / f"{context.run_id}.json")


@dg.op(out=dg.DynamicOut(int))
def plan(context: dg.OpExecutionContext):
    text = axsync("plan", "--shards", str(SHARDS), "--config", "/etc/axsync/axsync.toml")
    Path(plan_path(context)).write_bytes(text)
    for number in range(SHARDS):
        yield dg.DynamicOutput(number, mapping_key=str(number))


@dg.op
def work(context: dg.OpExecutionContext, number: int) -> int:
    axsync("work", plan_path(context), str(number))
    return number


@dg.op
def publish(context: dg.OpExecutionContext, numbers: list[int]) -> None:
    report = json.loads(axsync("publish", "--output", "json", plan_path(context)))
    context.log.info("%d shards: run %s, %s", len(numbers), report["run_id"], report["verdict"])


@dg.job
def axonius_shards():
    publish(plan().map(work).collect())


every_night = dg.ScheduleDefinition("axsync_shards_every_night", job=axonius_shards, cron_schedule="0 2 * * *")
definitions = dg.Definitions(jobs=[axonius_shards], schedules=[every_night])
