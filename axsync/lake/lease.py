"""The lease of a lake in an object store: who may write, and for how long he may believe it.

The lock is one object that only changes under conditions. Whoever takes it writes an epoch that is one higher; whoever
has it renews it. It is free when its holder says so, when the holder's process has ended on this machine, or when it
has not been renewed for its `ttl` by the store's own clock. The holder in turn acts for a part of that time only, by a
clock that goes on while a machine sleeps, and then proves first that the lock is still his. So of two that believe they
hold it, one is about to find out.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

import msgspec

from axsync.errors import Busy, Overtaken, StorageError

TTL = 60.0
"""Seconds after which a lease that nobody renews is free; stores tell their time in whole seconds."""
TRUSTED = 0.7
"""The part of it for which a holder acts without another proof."""
RENEWALS = 4
"""So often it is renewed meanwhile."""

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


class _Lock(msgspec.Struct, frozen=True):
    epoch: int
    run: str
    who: str | None  # None: nobody
    pid: int
    host: str
    ttl: float
    n: int  # renewals
    machine: str = ""  # what `pid` is the number of a process on


@dataclass(slots=True)
class Lease:
    """A lease that is held. Its methods block and may be called by any thread."""

    place: LockObject
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
        """Hold it. Raises: Busy; StorageError where the lock is not one; OSError."""
        seen, at = place.look(), clock()
        held = _lock_in(seen, what)
        if seen is not None and held is not None and not _is_free(place, seen, held):
            raise Busy(f"another run is using {what}: {_name(held)}", holder=_name(held))
        epoch = held.epoch + 1 if held else 1
        own = _Lock(epoch, run, who.hex, os.getpid(), socket.gethostname(), ttl, 0, _machine())
        mark = place.swap(seen.mark if seen else None, msgspec.json.encode(own))
        if mark is None:
            holder = "a process that was quicker"
            raise Busy(f"another run is using {what}: {holder}", holder=holder)
        return cls(place, clock, own, mark, at)

    @property
    def epoch(self) -> int:
        """A number that no other holder has had or will have."""
        return self._lock.epoch

    def check(self) -> None:
        """Return where nobody else can have it: proved a moment ago, or now. Raises: Overtaken, OSError."""
        if self._lost or self.clock() - self._at > TRUSTED * self._lock.ttl:
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
                raise Overtaken("another process has taken over the lake; this one changes nothing more")
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
