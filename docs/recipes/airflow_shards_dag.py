"""Airflow: one night read by four mapped tasks. Only exit code 75 is tried again; every other one fails its task."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pendulum
from airflow.exceptions import AirflowException, AirflowFailException
from airflow.sdk import dag, get_current_context, task

TRY_LATER = 75
SHARDS = 4
PLANS = Path("/srv/lake-plans")  # a folder that all workers share, as they share the lake
OFTEN = {"retries": 12, "retry_delay": timedelta(minutes=5), "execution_timeout": timedelta(hours=6)}


def plan_path() -> Path:
    """One plan for each run of the DAG, however often a task is tried."""
    return PLANS / f"{get_current_context()['run_id']}.json"


def axsync(*arguments: str) -> bytes:
    ended = subprocess.run(["axsync", *arguments], stdout=subprocess.PIPE, check=False)
    if ended.returncode == TRY_LATER:
        raise AirflowException("a host is down, a shard is not done, or another run holds the lake")
    if ended.returncode:
        raise AirflowFailException(f"axsync ended with exit code {ended.returncode}; its log says why")
    return ended.stdout


@dag(
    schedule="0 2 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["axsync"],
)
def axsync_shards():
    @task(**OFTEN)
    def plan() -> list[int]:
        if not plan_path().exists():
            text = axsync("plan", "--shards", str(SHARDS), "--config", "/etc/axsync/axsync.toml")
            draft = plan_path().with_suffix(".new")
            draft.write_bytes(text)
            draft.replace(plan_path())
        return list(range(SHARDS))

    @task(**OFTEN)
    def work(number: int) -> None:
        axsync("work", str(plan_path()), str(number))

    @task(**OFTEN, trigger_rule="all_done")  # where a shard failed, the others are published
    def publish() -> None:
        axsync("publish", "--what-is-whole", str(plan_path()))

    work.expand(number=plan()) >> publish()


axsync_shards()
