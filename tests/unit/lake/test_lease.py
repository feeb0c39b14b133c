"""Who may write to a lake in an object store: two processes are two stores with one bucket."""

import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import orjson
import pytest

from axsync.errors import Busy, Overtaken, StorageError
from axsync.lake import lease
from axsync.lake.lease import Lease, Mark, ObjectState, join


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
    """An object in memory. `lose` is how many answers get lost behind a change that is made.

    `shards` are the locks of those that share it. Before its n-th request, others come to do what `meanwhile` says.
    """

    clocks: Clocks
    seen: ObjectState | None = None
    lose: int = 0
    shards: "dict[str, list[LockObject]]" = field(default_factory=dict)
    meanwhile: Callable[[int], object] = lambda _: None
    changes: int = field(default=0, init=False)
    requests: int = field(default=0, init=False)

    def asked(self) -> None:
        self.requests += 1
        self.meanwhile(self.requests)

    def look(self) -> ObjectState | None:
        self.asked()
        return self.seen

    def sharers(self, run: str) -> list[tuple[lease.LockObject, ObjectState]]:
        self.asked()
        return [(one, one.seen) for one in self.shards.get(run, ()) if one.seen is not None]

    def swap(self, mark: Mark | None, content: bytes) -> Mark | None:
        self.asked()
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


# ------------------------------------------------------------------------------------------ several of one run share it


@pytest.fixture
def shard(lock: LockObject, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Lease]:
    """Begins a shard of a run, as one process after the other does: its own lock first, and then the common one."""
    monkeypatch.setattr(lease, "JOIN_PAUSE", 0.0)

    def begin(run: str) -> Lease:
        place = LockObject(clocks)
        lock.shards.setdefault(run, []).append(place)
        own = Lease.take(place, uuid4(), what="a shard", run=f"{run}/0", ttl=60, clock=clocks.read)
        try:
            join(lock, run, what="the lake", ttl=60)
        except Busy:
            own.release()
            raise
        return own

    return begin


def test_those_of_one_run_have_it_together(take: Take, shard: Take, lock: LockObject) -> None:
    """Others wait until the last one has released its own, whoever joined first; the common one is written once."""
    first, second = shard("a"), shard("a")
    assert lock.changes == 1
    for one in (first, second):
        for refused in (partial(take, "a"), partial(shard, "b")):
            with pytest.raises(Busy, match=r"another run is using the lake: process .*, run a/0"):
                refused()
        one.release()

    shard("b").release()
    alone = take("gc")
    with pytest.raises(Busy, match="run gc"):
        shard("a")
    alone.release()
    shard("a")


@pytest.mark.parametrize("next_run", ["a", "b"])
def test_one_of_them_that_slept_is_fenced_by_whoever_is_next(
    take: Take, shard: Take, clocks: Clocks, next_run: str
) -> None:
    """By one who has it alone, such as the publication, and by another run; it changes nothing when it wakes."""
    asleep = shard("a")
    clocks.store += 60
    (take if next_run == "a" else shard)(next_run)

    for refused in (asleep.renew, asleep.check):
        with pytest.raises(Overtaken, match="has taken over a shard"):
            refused()


def test_one_that_slept_and_whom_nobody_fenced_goes_on(take: Take, shard: Take, clocks: Clocks) -> None:
    """Another one has joined meanwhile, which is no harm."""
    asleep = shard("a")
    clocks.both(3600)
    shard("a")

    asleep.check()
    with pytest.raises(Busy):
        take("b")


@pytest.mark.parametrize("is_alone", [True, False])
@pytest.mark.parametrize("before", ["", "a", "b"])
def test_of_one_alone_and_one_that_joins_one_is_told(
    take: Take, shard: Take, lock: LockObject, before: str, is_alone: bool
) -> None:
    """At whatever request of one the other comes; both may be told. Whatever run had it together before."""
    wishes = [partial(take, "alone"), partial(shard, "a")]
    one, other = wishes if is_alone else wishes[::-1]
    met = set[int]()
    for at in range(1, 12):
        lock.seen, lock.requests, lock.meanwhile = None, 0, lambda _: None
        lock.shards.clear()
        if before:
            shard(before).release()
        got = list[Lease]()

        def come(number: int, at: int = at, got: list[Lease] = got) -> None:
            if number == at:
                met.add(at)
                with suppress(Busy):
                    got.append(other())

        lock.requests, lock.meanwhile = 0, come
        with suppress(Busy):
            got.append(one())
        assert len(got) <= 1, at
        lock.meanwhile = lambda _: None
        for held in got:
            held.check()
            held.release()
        take("next").release()
    assert 1 in met  # who finds that others of his run have it asks no more


def test_a_kill_before_the_others_were_looked_at_hides_none_of_them(
    take: Take, shard: Take, lock: LockObject, clocks: Clocks
) -> None:
    """Who comes next looks at them."""
    own = shard("a")
    lock.seen, held = None, lock.seen
    take("killed")
    assert lock.seen is not None
    assert held is not None
    told = orjson.loads(lock.seen.content) | {"shared": "a"}
    lock.swap(lock.seen.mark, orjson.dumps(told))
    clocks.store += 60
    own.renew()
    with pytest.raises(Busy, match="run a/0"):
        take("b")

    shard("a")
