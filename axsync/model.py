"""The vocabulary of axsync as frozen values: lane, request, reply, page, part, outcome."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Generation: TypeAlias = Literal["v1", "v2"]
Verdict: TypeAlias = Literal["complete", "drifted", "partial", "failed", "skipped"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ID_FIELD = "internal_axon_id"
"""The key of a row; 32 characters of [0-9a-z], always served (docs/axonius-api.md, "Records")."""

MAX_LIMIT = 2000
"""Most rows per page requested from any server (docs/axonius-api.md, "Paging")."""


def iso(moment: datetime, timespec: str = "seconds") -> str:
    """The moment in UTC, such as 2026-11-23T02:00:00Z."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, order=True)
class Lane:
    """One ordered read of one entity type of one instance: the unit of resume, failure and progress."""

    instance: str
    entity: str

    def __str__(self) -> str:
        """Format as `prod/devices`."""
        return f"{self.instance}/{self.entity}"


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the server. It holds no header and hence no secret."""

    method: Literal["GET", "POST"]
    path: str
    body: bytes | None = None
    params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """One page to request: the rows `offset … offset + limit`, or what follows `token` (v2 token, v1 cursor)."""

    number: int  # page number in its lane, in the order of requests
    offset: int  # rows
    limit: int  # rows
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; all that `api` sees of the transport. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """One answered window, its rows still bytes; `fetched_at` is when the answer came.

    `rows` is None if counting them would mean parsing the page twice; conversion counts them later.
    """

    window: Window
    body: bytes
    rows: int | None
    total: int | None
    token: str | None
    fetched_at: datetime = EPOCH
    seconds: float = 0.0  # between the request and its answer, retries included


@dataclass(frozen=True, slots=True)
class PageSpan:
    """Which rows of a part came from which window.

    `served` counts what the server sent, dead letters included. `mark` is the token that follows the page, if there was
    one; journals have it under this name. `fetched` is `axsync_fetched_at` of these rows, which no other page of the
    lane has; 0 in journals of older versions, where the rows are in the order of the spans.
    """

    number: int
    offset: int
    rows: int
    served: int = 0
    mark: str | None = None
    size: int = 0  # bytes of JSON
    fetched: int = 0  # microseconds since 1970


@dataclass(frozen=True, slots=True)
class Part:
    """One sealed Parquet file. `path` is where it will be published, relative to the lake."""

    path: str
    rows: int
    size: int  # bytes
    sha256: str
    pages: tuple[PageSpan, ...] = ()
    drift: Mapping[str, tuple[int, str]] = field(
        default_factory=dict
    )  # field → rescued values, JSON type of an example
    letters: int = 0  # dead letters of its pages
    empty: tuple[str, ...] = ()  # columns without a value


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be read, with the bytes as served."""

    page: int
    position: int
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What a lane asked for: the day of history (None: live data), at most how many rows, which rows, which fields.

    `fields` are the words of the settings, such as `generic`, and names. Two lanes that asked for different things are
    not of one kind, however complete they are.
    """

    as_of: str | None = None
    limit: int | None = None
    query: str = ""
    saved_query: str = ""
    fields: tuple[str, ...] = ()

    @property
    def queries(self) -> tuple[str, str]:
        """What rows were chosen by, the query and the saved one; both empty: all rows."""
        return (self.query, self.saved_query)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a lane; its entry in the manifest is derived from this (docs/lake.md)."""

    lane: Lane
    verdict: Verdict
    reason: str | None = None
    api: Generation | None = None
    server_version: str | None = None
    discovery: Mapping[str, str | None] = field(default_factory=dict)
    count_before: int | None = None
    count_after: int | None = None
    rows: int = 0
    distinct_ids: int = 0
    duplicates: int = 0
    repaired: int = 0
    missing: int = 0
    rescued_values: int = 0
    dead_letters: int = 0
    pages: int = 0
    requests: int = 0
    retries: int = 0
    bytes: int = 0
    seconds: float = 0.0
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    empty_columns: tuple[str, ...] = ()  # those columns without a value in any row
    drift: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    from_run: str | None = None
    asked: Asked | None = None  # None: nothing was, or journals of earlier versions did not tell
    excused: bool = False  # skipped, and the lake never had rows of it: the run misses nothing

    def held_back(self, reason: str) -> "Outcome":
        """The same without files, so that those of an earlier snapshot stand in."""
        return replace(self, verdict="partial", reason=reason, columns={}, empty_columns=(), parts=(), rows=0)
