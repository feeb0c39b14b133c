"""Everything that happens, as frozen values; observers are callables that take one and return quickly."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from axsync.model import Lane, Outcome, Part


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run has its id and its logical date; lanes follow."""

    run_id: str
    logical_date: str
    lanes: tuple[Lane, ...]


@dataclass(frozen=True, slots=True)
class LaneOpened:
    """A lane knows how much there is; `total` in rows, None where the server does not say."""

    lane: Lane
    total: int | None


@dataclass(frozen=True, slots=True)
class PageRead:
    """One page has arrived: `rows` is known once it is converted, `size` in bytes as decoded, `seconds` on the wire."""

    lane: Lane
    number: int
    rows: int
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Answered:
    """A request is over after `seconds`; `status` is None where no answer came.

    `in_flight` requests were under way at the host, this one included; `limit` at once and `rate` per second are what
    the pace allows now.
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
    """A request is asked again after `seconds`; `reason` is one short phrase."""

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
    """Something a person should know; `lane` is None where it concerns the whole run."""

    lane: Lane | None
    text: str


@dataclass(frozen=True, slots=True)
class LaneClosed:
    """A lane has ended, well or not; the outcome says which."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class SnapshotPublished:
    """`latest.json` names this run now."""

    run_id: str
    verdict: str
    manifest: str


Event: TypeAlias = (
    RunStarted
    | LaneOpened
    | PageRead
    | Answered
    | Retried
    | Drifted
    | PartSealed
    | Notice
    | LaneClosed
    | SnapshotPublished
)
Observer: TypeAlias = Callable[[Event], None]
