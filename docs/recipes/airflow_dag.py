"""Airflow: one task a night. Only exit code 75 is tried again; every other one fails the task at once."""

import subprocess
from datetime import timedelta

import pendulum
from airflow.exceptions import AirflowException, AirflowFailException
from airflow.sdk import dag, task

TRY_LATER = 75


@dag(
    schedule="0 2 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,  # Axonius serves today; for past days see --as-of
    max_active_runs=1,
    tags=["axsync"],
)
def axsync():
    @task(retries=6, retry_delay=timedelta(minutes=10), execution_timeout=timedelta(hours=6))
    def run() -> None:
        # The same command goes on with an unfinished run; on_kill of the worker sends SIGTERM, which is what it wants.
        code = subprocess.run(["axsync", "run", "--config", "/etc/axsync/axsync.toml"], check=False).returncode
        if code == TRY_LATER:
            raise AirflowException("the host is down, or another run holds the lake")
        if code:
            raise AirflowFailException(f"axsync ended with exit code {code}; its log says why")

    run()


axsync()
