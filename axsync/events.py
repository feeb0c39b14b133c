"""Everything that happens, as frozen values. Observers are callables that take one and return quickly."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from axsync.model import Lane, Outcome, Part


@dataclass(frozen=True, slots=True)
class Asking:
    """An instance is asked what it offers, before there are lanes; `done` of `total` entity types are counted.

    `total` is None when the first question leaves: nothing is known then.
    """

    instance: str
    host: str
    done: int = 0
    total: int | None = None


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run has its id and its logical date; lanes follow."""

    run_id: str
    logical_date: str
    lanes: tuple[Lane, ...]


@dataclass(frozen=True, slots=True)
class LanesAdded:
    """An instance answered after the run had begun, and brings these lanes."""

    lanes: tuple[Lane, ...]


@dataclass(frozen=True, slots=True)
class LaneOpened:
    """A lane knows its size; `total` in rows, None if the server does not report it."""

    lane: Lane
    total: int | None


@dataclass(frozen=True, slots=True)
class PageRead:
    """One page is stored: `rows` as converted, `size` in bytes as decoded, `seconds` of transfer."""

    lane: Lane
    number: int
    rows: int
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Answered:
    """A request is over after `seconds`; `status` is None if no answer came.

    `in_flight` requests were in flight at the host, this one included. `limit` (concurrent requests) and `rate` (per
    second) are the current limits of the host.
    """

    lane: Lane | None
    host: str
    status: int | None
    seconds: float
    in_flight: int
    limit: int
    rate: float


@dataclass(frozen=True, slots=True)
class Retried:
    """A request is retried after `seconds`; `reason` is one short phrase."""

    lane: Lane | None
    host: str
    attempt: int
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Drifted:
    """`count` values of `field` did not fit their column and were rescued."""

    lane: Lane
    field: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class PartSealed:
    """A part is durable in the staging folder."""

    lane: Lane
    part: Part


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know; `lane` is None if it concerns the whole run."""

    lane: Lane | None
    text: str


@dataclass(frozen=True, slots=True)
class Crashed:
    """A defect of axsync stopped what was under way. `lane` is None while an instance is probed.

    `traceback` belongs into a bug report; messages of exceptions in it are redacted and cut.
    """

    lane: Lane | None
    traceback: str


@dataclass(frozen=True, slots=True)
class LaneClosed:
    """A lane has ended, successfully or not; the outcome says which."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class SnapshotPublished:
    """`latest.json` names this run now."""

    run_id: str
    verdict: str
    manifest: str


Event: TypeAlias = (
    Asking
    | RunStarted
    | LanesAdded
    | LaneOpened
    | PageRead
    | Answered
    | Retried
    | Drifted
    | PartSealed
    | Notice
    | Crashed
    | LaneClosed
    | SnapshotPublished
)
Observer: TypeAlias = Callable[[Event], None]
