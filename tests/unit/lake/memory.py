"""A lake in memory: the store of objects over a bucket that is in this process; processes that die or pause."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore

from axsync.lake.objects import ObjectStore

CHANGES = ("put", "copy", "delete")
"""What obstore changes a bucket by."""


def store_in_memory(drafts: Path, bucket: MemoryStore | None = None) -> ObjectStore:
    """Its drafts are below this folder. Two with the same bucket are two processes that share it."""
    return ObjectStore(bucket or MemoryStore(), "lakes/one", "memory://lakes/one", drafts=drafts / "drafts")


class Killed(BaseException):
    """The process is gone."""


@contextmanager
def watched(before: Callable[[int], None]) -> Iterator[list[object]]:
    """Call this before each change of a bucket, with its number from 0 on; gives what is changed."""
    seen = list[object]()

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def change(bucket: MemoryStore, paths: object, *args: Any, **named: Any) -> Any:  # noqa: ANN401  as obstore
            seen.append(paths)
            before(len(seen) - 1)
            return real(bucket, paths, *args, **named)

        return change

    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGES:
            patch.setattr(obstore, name, counted(getattr(obstore, name)))
        yield seen


@contextmanager
def killed(at: int) -> Iterator[list[object]]:
    """From its n-th change of a bucket on, a process does nothing any more."""

    def die(number: int) -> None:
        if number >= at:
            raise Killed

    with watched(die) as seen:
        yield seen


@contextmanager
def paused(at: int, meanwhile: Callable[[], None]) -> Iterator[list[object]]:
    """Before its n-th change, a process is paused until others have done this. Then its request is still sent."""
    at_work = [False]

    def pause(number: int) -> None:
        if number == at and not at_work[0]:
            at_work[0] = True
            meanwhile()

    with watched(pause) as seen:
        yield seen
