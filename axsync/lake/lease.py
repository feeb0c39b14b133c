"""The lease of a lake in an object store: who may write, and for how long he may believe it.

The lock is one object that only changes under conditions. Whoever takes it writes an epoch that is one higher; whoever
has it renews it. It is free when its holder says so, when the holder's process has ended on this machine, or when it
has not been renewed for its `ttl` by the store's own clock. The holder in turn acts for a part of that time only, by a
clock that goes on while a machine sleeps, and then proves first that the lock is still his. So of two that believe they
hold it, one is about to find out.

Processes of one run may have a lock together, each by a lock of its own besides. The lock then has nobody's name in it,
but that of the run, and is written when the first of them joins. Who wants it for himself writes that first, and looks
at their locks behind it; who joins has his own lock first, and looks at the other one behind it. So one of two sees the
other. What is left of those whose time is over is taken away from them (their epoch is raised): whoever of them wakes
finds out before his next change.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid4

import msgspec

from axsync.errors import Busy, Overtaken, StorageError

TTL = 60.0
"""Seconds after which a lease that nobody renews is free; stores tell their time in whole seconds."""
TRUSTED = 0.7
"""The part of it for which a holder acts without another proof."""
RENEWALS = 4
"""So often it is renewed meanwhile."""
JOIN_TRIES, JOIN_PAUSE = 20, 0.05
"""How often, and how many seconds apart, it is tried to join others of a run, one of which is alone for a moment."""

_QUICKER = "a process that was quicker"
_ASLEEP = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps
_BOOT, _NAMESPACE = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")

Mark = Mapping[str, str]
"""One state of an object, as the store tells it: its ETag, and on GCS its generation."""


def _awake_or_asleep() -> float:
    return time.clock_gettime(_ASLEEP)


@dataclass(frozen=True, slots=True)
class ObjectState:
    """An object as it was read, and when it was written by the store's clock."""

    content: bytes
    mark: Mark
    modified: datetime


class LockObject(Protocol):
    """One object that changes only where it is what it was."""

    def look(self) -> ObjectState | None:
        """What there is. Raises: OSError."""
        ...

    def swap(self, mark: Mark | None, content: bytes) -> Mark | None:
        """Put this in the place of what has the mark (None: nothing); None where something else is there.

        Where this very content is there already, an answer was lost, and it counts. Raises: OSError.
        """
        ...

    def now(self) -> datetime:
        """The store's own time. Raises: OSError."""
        ...

    def sharers(self, run: str) -> "Sequence[tuple[LockObject, ObjectState]]":
        """The locks of those that have this one together, as processes of a run, and how each is now. Raises: OSError.

        Also of one that has come a moment before.
        """
        ...


class _Lock(msgspec.Struct, frozen=True):
    epoch: int
    run: str
    who: str | None  # None: nobody
    pid: int
    host: str
    ttl: float
    n: int  # renewals
    machine: str = ""  # what `pid` is the number of a process on
    shared: str = ""  # the run whose processes may have it together; only their own locks tell whether one does


@dataclass(slots=True)
class Lease:
    """A lease that is held. Its methods block and may be called by any thread."""

    place: LockObject
    what: str
    clock: Callable[[], float]
    _lock: _Lock
    _mark: Mark
    _at: float  # when the last renewal that is known of was begun
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False)
    _lost: bool = field(default=False, init=False)

    @classmethod
    def take(
        cls,
        place: LockObject,
        who: UUID,
        *,
        what: str,
        run: str,
        ttl: float = TTL,
        clock: Callable[[], float] = _awake_or_asleep,
    ) -> "Lease":
        """Hold it alone. Raises: Busy; StorageError where the lock is not one; OSError."""
        seen, at = place.look(), clock()
        held = _lock_in(seen, what)
        if seen is not None and held is not None:
            _refuse_held(place, seen, held, what)
            for one, state in place.sharers(held.shared) if held.shared else ():
                _refuse_held(one, state, _lock_in(state, what), what)
        own = _Lock(
            epoch=_next(held),
            run=run,
            who=who.hex,
            pid=os.getpid(),
            host=socket.gethostname(),
            ttl=ttl,
            n=0,
            machine=_machine(),
            shared=held.shared if held else "",  # until they are fenced, also for who comes after a kill
        )
        mark = place.swap(seen.mark if seen else None, msgspec.json.encode(own))
        if mark is None:
            raise _busy(what, _QUICKER)
        lease = cls(place, what, clock, own, mark, at)
        lease._fence()
        return lease

    def _fence(self) -> None:
        """Take their locks from those that had this one together. Raises: Busy where one is at work; OSError."""
        if not self._lock.shared:
            return
        try:
            for one, state in self.place.sharers(self._lock.shared):
                _fence(one, state, self.what)
        except BaseException:
            with suppress(OSError):
                self.release()  # to them
            raise
        self._lock = msgspec.structs.replace(self._lock, shared="")  # the next renewal writes it

    @property
    def epoch(self) -> int:
        """A number that no other holder has had or will have."""
        return self._lock.epoch

    @property
    def is_sure(self) -> bool:
        """Whether nobody else can have it, as was proved a moment ago."""
        return not self._lost and self.clock() - self._at <= TRUSTED * self._lock.ttl

    def check(self) -> None:
        """Return where nobody else can have it: proved a moment ago, or now. Raises: Overtaken, OSError."""
        if not self.is_sure:
            self.renew()

    def renew(self) -> None:
        """Prove to the store, and be told by it, that this process has the lease. Raises: Overtaken, OSError."""
        with self._turn:
            at = self.clock()
            # Where an answer is lost, the very same is tried again, and found to be there.
            own = msgspec.structs.replace(self._lock, n=self._lock.n + 1)
            mark = None if self._lost else self.place.swap(self._mark, msgspec.json.encode(own))
            if mark is None:
                self._lost = True
                raise Overtaken(f"another process has taken over {self.what}; this one changes nothing more")
            self._lock, self._mark, self._at = own, mark, at

    def release(self) -> None:
        """Let others have it at once. Nothing where it is lost. Raises: OSError."""
        with self._turn:
            if not self._lost:
                free = msgspec.structs.replace(self._lock, n=self._lock.n + 1, who=None)
                self.place.swap(self._mark, msgspec.json.encode(free))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew it while the block runs, and release it behind it."""
        ended = threading.Event()
        renewer = threading.Thread(target=self._keep, args=(ended,), name="axsync-lease", daemon=True)
        renewer.start()
        try:
            yield
        finally:
            ended.set()
            renewer.join()
            with suppress(OSError):  # it is free after its time
                self.release()

    def _keep(self, ended: threading.Event) -> None:
        while not ended.wait(self._lock.ttl / RENEWALS):
            with suppress(OSError):  # `check` tells, if it lasts
                try:
                    self.renew()
                except Overtaken:
                    return


def join(place: LockObject, run: str, *, what: str, ttl: float = TTL) -> None:
    """Have a lock together with other processes of a run. Can be repeated.

    Each of them holds a lock of its own, which `LockObject.sharers` finds, and joins again behind it: only then it is
    sure that nobody has the common one alone. Raises: Busy; StorageError where the lock is not one; OSError.
    """
    for left in reversed(range(JOIN_TRIES)):
        seen = place.look()
        held = _lock_in(seen, what)
        if held is not None and held.who is None and held.shared == run:
            return
        try:
            if seen is None or held is None or held.shared in ("", run):
                if seen is not None and held is not None:
                    _refuse_held(place, seen, held, what)
                told = _Lock(_next(held), run, None, os.getpid(), socket.gethostname(), ttl, 0, shared=run)
                if place.swap(seen.mark if seen else None, msgspec.json.encode(told)) is not None:
                    return
            else:  # those of another run are fenced by who has it alone
                Lease.take(place, uuid4(), what=what, run=run, ttl=ttl).release()
        except Busy as busy:
            if not left or (held is not None and held.run != run and busy.holder != _QUICKER):
                raise
            time.sleep(JOIN_PAUSE)
    raise _busy(what, _QUICKER)


def _fence(place: LockObject, seen: ObjectState, what: str) -> None:
    """Take a lock away from a process whose time is over, so that it finds out when it wakes. Raises: Busy, OSError."""
    state: ObjectState | None = seen
    while state is not None and (lock := _lock_in(state, what)) is not None and lock.who is not None:
        _refuse_held(place, state, lock, what)
        fenced = msgspec.structs.replace(lock, epoch=lock.epoch + 1, who=None)
        if place.swap(state.mark, msgspec.json.encode(fenced)) is not None:
            return
        state = place.look()


def _refuse_held(place: LockObject, seen: ObjectState, lock: _Lock | None, what: str) -> None:
    """Raises: Busy, where somebody has it."""
    if lock is not None and not _is_free(place, seen, lock):
        raise _busy(what, _name(lock))


def _next(held: _Lock | None) -> int:
    return held.epoch + 1 if held else 1


def _busy(what: str, holder: str) -> Busy:
    return Busy(f"another run is using {what}: {holder}", holder=holder)


def _lock_in(seen: ObjectState | None, what: str) -> _Lock | None:
    try:
        return None if seen is None else msgspec.json.decode(seen.content, type=_Lock)
    except msgspec.MsgspecError as error:
        raise StorageError(f"cannot lock {what}: its lock is not one that axsync wrote") from error


def _is_free(place: LockObject, seen: ObjectState, lock: _Lock) -> bool:
    if lock.who is None or _has_ended(lock):
        return True
    return (place.now() - seen.modified).total_seconds() >= lock.ttl


def _name(lock: _Lock) -> str:
    return f"process {lock.pid} on {lock.host}, run {lock.run}"


def _machine() -> str:
    """Where a process number means the same: this boot of this machine, and its namespace; empty where not known."""
    try:
        return f"{_BOOT.read_text().strip()}/{_NAMESPACE.stat().st_ino}"
    except OSError:
        return ""


def _has_ended(lock: _Lock) -> bool:
    """Whether its process has ended, as far as this machine knows."""
    if not lock.machine or lock.machine != _machine():
        return False
    try:
        os.kill(lock.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # somebody else's
        return False
    return False
