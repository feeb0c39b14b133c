"""Prefect: one flow a night. Only exit code 75 is tried again; every other one fails the flow at once."""

import subprocess

from prefect import flow, task

TRY_LATER = 75


class TryLaterError(Exception):
    """The host is down, or another run holds the lake."""


def worth_it(_task, _run, state) -> bool:
    return isinstance(state.result(raise_on_failure=False), TryLaterError)


@task(retries=6, retry_delay_seconds=600, retry_condition_fn=worth_it, timeout_seconds=6 * 3600)
def run() -> None:
    code = subprocess.run(["axsync", "run", "--config", "/etc/axsync/axsync.toml"], check=False).returncode
    if code == TRY_LATER:
        raise TryLaterError
    if code:
        raise RuntimeError(f"axsync ended with exit code {code}; its log says why")


@flow
def axsync() -> None:
    run()


if __name__ == "__main__":
    axsync.serve(name="every-night", cron="0 2 * * *", limit=1)
