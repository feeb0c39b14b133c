"""`axsync work`: one part of a run that several processes share, as a person sees it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from axsync.console.invocation import Invocation, unlock
from axsync.console.run import dump
from axsync.errors import ConfigError
from axsync.events import Observer
from axsync.runs.run import Report
from axsync.runs.shard_plan import ShardPlan, read_plan
from axsync.runs.shards import work as read_shard
from axsync.settings import Settings

MOST_BYTES = 1 << 30
"""Of a plan; 10,000 instances take a few MB."""


def work(given: Invocation, *, plan: Path, shard: int, lake: str | None) -> int:
    """Read the hosts of one shard, show progress and the result, return the exit code."""
    found = read_shard_plan(plan, lake)
    found.shard(shard)
    asked = found.settings_of(shard)
    unlock(asked)

    async def sync(settings: Settings, *, observers: Sequence[Observer] = ()) -> Report:
        del settings  # the plan has them
        return await read_shard(found, shard, observers=observers)

    return dump(sync, asked, given.output_options).exit_code


def read_shard_plan(path: Path, lake: str | None = None) -> ShardPlan:
    """The plan in this file, for this lake where one is named. Raises: ConfigError."""
    try:
        with path.open("rb") as file:
            found = read_plan(file.read(MOST_BYTES))
    except FileNotFoundError:
        raise ConfigError(f"there is no plan {str(path)!r}; make one with `axsync plan --shards`") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    if lake is None:
        return found
    return replace(found, settings=replace(found.settings, lake=replace(found.settings.lake, uri=lake)))
