"""What an emulated instance is like: its options, and the product versions it can emulate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from axsync.emulator.faults import Fault
from axsync.emulator.recorded_shapes import RecordedShapes

DEMO_KEY = "demo-key-of-the-emulator"
DEMO_SECRET = "demo-secret-of-the-emulator"  # noqa: S105  well known on purpose: it opens nothing but the emulator
DEMO_CLIENT = "demo-client-of-the-emulator"
DEMO_CLIENT_SECRET = "demo-client-secret-of-the-emulator"  # noqa: S105  the same
MAX_LIMIT = 2000  # rows per page; the server allows no more

_LIKE_SIZE = 100  # rows of a recorded entity type without a default size

DEFAULT_SIZES: Mapping[str, int] = {
    "devices": 2000,
    "users": 600,
    "vulnerabilities": 400,
    "vulnerability_instances": 6000,
    "software": 500,
    "networks": 120,
    "incidents": 80,
    "certificates": 150,
    "groups": 60,
    "accounts": 20,
    "saas_applications": 45,
    "databases": 30,
    "disks": 200,
    "tickets": 70,
    "alert_findings": 110,
    "licenses": 1,
    "secrets": 0,
    "firewalls": 0,
    "configurations": 0,
}


_FIRST = frozenset(
    {
        "include_metadata",
        "query",
        "saved_query_id",
        "saved_query_name",
        "history",
        "page",
        "fields",
        "use_cache_entry",
        "include_details",
    }
)


@dataclass(frozen=True, slots=True)
class Profile:
    """How one product version differs from the others."""

    name: str
    generation: str  # v1 | v2
    version: str  # as the server writes it
    accepted: frozenset[str]  # keyword arguments of a v2 assets request
    short_keys: bool = False
    next_page: bool = False
    null_query: bool = False
    raw_tree: bool = True
    asset_types: bool = False
    field_formats: bool = False
    flat_queries: bool = False
    may_iso_dates: bool = False
    last_token: str | None = ""  # next_page on the empty page after the last one


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("p6164", "v2", "6_1_6_4", _FIRST | {"return_plain_data"}, null_query=True, raw_tree=False),
        Profile("p6167", "v2", "6_1_67_2", _FIRST | {"fields_to_exclude"}, short_keys=True, raw_tree=False),
        Profile("p70", "v2", "7_0_1", _FIRST | {"fields_to_exclude", "next_page"}, next_page=True),
        Profile(
            "p90",
            "v2",
            "9_0_4",
            _FIRST | {"fields_to_exclude", "next_page"},
            next_page=True,
            asset_types=True,
            field_formats=True,
            flat_queries=True,
            may_iso_dates=True,
            last_token=None,
        ),
        Profile("v1", "v1", "6_1_70_3", _FIRST),
    )
}


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of one emulated instance. By default it is small and without faults."""

    profile: str = "p70"
    seed: int = 7
    sizes: Mapping[str, int] = field(default_factory=dict)  # rows per entity type, overriding the defaults
    types: tuple[str, ...] | None = None  # offered entity types; None: the defaults and those in sizes
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    api_key: str = DEMO_KEY
    api_secret: str = DEMO_SECRET
    client_id: str = DEMO_CLIENT  # of the OAuth client
    client_secret: str = DEMO_CLIENT_SECRET
    bearer_seconds: float = 3600.0  # life of a bearer token
    bearer_requests: int | None = None  # revoke a bearer token after this many requests; None: never
    latency_ms: float = 0.0  # per page
    request_ms: float = 0.0  # per request of any kind
    rows_ms: float = 0.0  # per 1,000 rows of a page
    requests_per_second: float | None = None
    window_seconds: float = 1.0  # over which requests_per_second is measured
    at_once: int | None = None
    retry_after: str = "seconds"  # seconds | date | none
    drift_percent: float = 0.0
    churn_percent: float = 0.0
    gzip: bool = False
    iso_dates: bool = False
    merged_dates: str = "newest"  # newest: one date, lists without duplicates; list: all dates, with duplicates
    odd_ids: bool = False  # some ids with letters beyond f
    reject_big_limit: bool = False  # False: a limit above 2000 is clamped
    unlicensed_status: int = 404
    count_nulls: int = 1  # v1: how often a count is null before it is ready
    token_seconds: float | None = None  # life of a next_page token; None: unlimited
    other_generation: bool = False  # v2 profiles: also serve v1
    bulk: float = 1.0  # factor for the length of tables: installed software, weaknesses, interfaces …
    more_fields: int = 0  # adapter-specific fields added to each entity type
    shapes: int | None = None  # seed for the JSON shape of every field; None: the usual shapes
    like: RecordedShapes | None = None  # entity types and shapes of a real server, instead of the defaults
    unknown_fields: str = "drop"  # unknown field names: drop | refuse with a 400 that names the first
    twin_labels: bool = False  # add specific_data.data.labels, whose short key collides with labels
    faults: tuple[Fault, ...] = ()  # from the start; more can be added while it runs
    today: date | None = None  # newest history day; None: the current UTC day
    history_days: int = 7
    history_gaps: tuple[int, ...] = (2,)  # days without a snapshot, by how many days they are before the newest
    history_types: tuple[str, ...] | None = None  # with history; None: all in v2, three in v1
    log: Path | None = None  # requests as JSON lines
    mishaps: InitVar[tuple[Fault, ...]] = ()  # the former name of faults

    def __post_init__(self, mishaps: tuple[Fault, ...]) -> None:
        object.__setattr__(self, "faults", (*self.faults, *mishaps))

    def offered(self) -> tuple[str, ...]:
        """The entity types of this instance, in the order in which they are listed."""
        usual = self.offered_by_itself()
        return usual if self.types is not None else tuple(dict.fromkeys((*usual, *self.sizes)))

    def offered_by_itself(self) -> tuple[str, ...]:
        """The same without those that only have a size."""
        if self.types is not None:
            return self.types
        return tuple(DEFAULT_SIZES if self.like is None else self.like.entities)

    def size(self, entity: str) -> int:
        """The initial number of rows of *entity*."""
        usual = DEFAULT_SIZES.get(entity, 0)
        if self.like is not None and entity in self.like.entities:
            usual = usual or _LIKE_SIZE
        return self.sizes.get(entity, usual)

    def newest_day(self) -> date:
        """The last day with a history snapshot."""
        return self.today or datetime.now(UTC).date()
