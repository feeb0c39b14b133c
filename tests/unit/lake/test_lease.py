"""Who may write to a lake in an object store: two processes are two stores with one bucket."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import orjson
import pytest

from axsync.errors import Busy, Overtaken, StorageError
from axsync.lake.lease import Lease, Mark, ObjectState


@dataclass
class Clocks:
    """The store's own, and one of each process."""

    store: float = 0.0
    process: float = 0.0

    def both(self, seconds: float) -> None:
        self.store += seconds
        self.process += seconds

    def read(self) -> float:
        return self.process


@dataclass
class LockObject:
    """An object in memory. `lose` is how many answers get lost behind a change that is made."""

    clocks: Clocks
    seen: ObjectState | None = None
    lose: int = 0
    changes: int = field(default=0, init=False)

    def look(self) -> ObjectState | None:
        return self.seen

    def swap(self, mark: Mark | None, content: bytes) -> Mark | None:
        if self.seen is None or self.seen.content != content:
            if (self.seen.mark if self.seen else None) != mark:
                return None
            self.changes += 1
            self.seen = ObjectState(content, {"e_tag": str(self.changes)}, self.now())
        if self.lose:
            self.lose -= 1
            raise OSError(5, "the store does not answer")
        return self.seen.mark

    def now(self) -> datetime:
        return datetime(2026, 11, 25, tzinfo=UTC) + timedelta(seconds=self.clocks.store)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def lock(clocks: Clocks) -> LockObject:
    return LockObject(clocks)


@pytest.fixture
def take(lock: LockObject, clocks: Clocks) -> Callable[[str], Lease]:
    return lambda run: Lease.take(lock, uuid4(), what="the lake", run=run, ttl=60, clock=clocks.read)


Take = Callable[[str], Lease]


def test_the_second_one_is_told_who_has_it(take: Take, clocks: Clocks) -> None:
    """Until it has not been renewed for its time, by the store's clock."""
    first = take("a")
    clocks.store += 59
    with pytest.raises(Busy, match=rf"another run is using the lake: process {os.getpid()} on .*, run a"):
        take("b")
    clocks.store += 1

    assert take("b").epoch == first.epoch + 1


def test_what_was_released_is_free_and_its_epoch_is_never_used_again(take: Take) -> None:
    """Whoever comes next has a higher one."""
    for epoch in (1, 2, 3):
        lease = take("a")
        assert lease.epoch == epoch
        lease.release()


def test_who_has_been_overtaken_does_nothing_more(take: Take, clocks: Clocks) -> None:
    """Not even where its own clock stood still meanwhile and it only meets the lock when it renews."""
    paused = take("a")
    clocks.store += 60
    other = take("b")

    with pytest.raises(Overtaken, match="another process has taken over the lake"):
        paused.renew()
    for refused in (paused.check, paused.renew):
        with pytest.raises(Overtaken):
            refused()
    paused.release()
    other.check()


def test_the_holder_believes_itself_for_a_part_of_the_time_only(take: Take, lock: LockObject, clocks: Clocks) -> None:
    """Then it proves that nobody has taken over, which may be so after an hour of sleep."""
    lease = take("a")
    clocks.both(42)
    lease.check()
    assert lock.changes == 1
    clocks.both(3_600)
    lease.check()
    assert lock.changes == 2

    clocks.both(3_600)
    take("b")
    with pytest.raises(Overtaken):
        lease.check()


def test_a_lost_answer_is_no_lost_lease(take: Take, lock: LockObject) -> None:
    """The same renewal is sent again and found to be there."""
    lease = take("a")
    lock.lose = 1
    with pytest.raises(OSError, match="does not answer"):
        lease.renew()

    lease.renew()
    lease.check()
    assert lock.changes == 2


def test_a_process_that_has_ended_on_this_machine_is_not_waited_for(take: Take, lock: LockObject) -> None:
    """One on another machine is: its numbers mean nothing here."""
    take("a")
    assert lock.seen is not None
    ended = subprocess.Popen(["true"])
    ended.wait()
    told = orjson.loads(lock.seen.content) | {"pid": ended.pid}
    lock.swap(lock.seen.mark, orjson.dumps(told | {"machine": "another/1"}))
    with pytest.raises(Busy):
        take("b")
    lock.swap(lock.seen.mark, orjson.dumps(told))

    assert take("b").epoch == 2


def test_what_is_no_lock_is_not_overwritten(take: Take, lock: LockObject) -> None:
    """Somebody else's object, say."""
    lock.swap(None, b"{}")
    with pytest.raises(StorageError, match="cannot lock the lake: its lock is not one that axsync wrote"):
        take("a")
