"""Ends work cleanly on a signal: SIGTERM cancels it as Ctrl-C does, and a second signal does not wait."""

import asyncio
import atexit
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import TypeVar

import click

from axsync.console.explain import INTERRUPTED, TERMINATED

T = TypeVar("T")


class Stopped(Exception):
    """A signal ended the work after a clean shutdown; `exit_code` says which."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("stopped")
        self.exit_code = exit_code


def until_done_or_interrupted(work: Callable[[], Awaitable[T]]) -> T:
    """`until_done` for commands that write nothing, and so have nothing to tell of a signal but that it came."""
    try:
        return until_done(work)
    except Stopped as stopped:
        click.echo("interrupted", err=True)
        raise click.exceptions.Exit(stopped.exit_code) from None


def until_done(work: Callable[[], Awaitable[T]]) -> T:
    """`asyncio.run`, with SIGTERM cancelling the work as SIGINT does.

    Raises: Stopped, after a clean shutdown; a second signal does not wait for it. After the first signal the handler
    stays until the process ends, so that a second one cannot kill it while it exits.
    """
    end = _Terminator()
    # Not loop.add_signal_handler: it would restore the default handler instead of the previous one.
    before = signal.signal(signal.SIGTERM, end)
    try:
        return asyncio.run(_cancellable(work, end))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Stopped(TERMINATED if end.called else INTERRUPTED) from None
    finally:
        if end.called:
            # Python removes its handlers before it exits; an ignored signal stays ignored.
            atexit.register(signal.signal, signal.SIGTERM, signal.SIG_IGN)
        else:
            signal.signal(signal.SIGTERM, before)


@dataclass(slots=True)
class _Terminator:
    """SIGTERM handler: the first signal cancels the work, the second ends the process."""

    called: bool = False
    cancel: Callable[[], object] | None = None

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self.called:
            os._exit(TERMINATED)  # at once: what is journaled is durable, the rest is read again
        self.called = True
        if self.cancel is not None:
            with suppress(RuntimeError):  # the loop is closed, the work done
                self.cancel()


async def _cancellable(work: Callable[[], Awaitable[T]], end: _Terminator) -> T:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if task is not None:
        end.cancel = partial(loop.call_soon_threadsafe, task.cancel)
    if end.called:  # before the task existed
        raise asyncio.CancelledError
    return await work()
