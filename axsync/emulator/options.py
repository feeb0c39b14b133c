"""What an emulated instance is like: chosen once, before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from axsync.emulator.likeness import Likeness
from axsync.emulator.mishaps.model import Mishap

DEMO_KEY = "demo-key-of-the-emulator"
DEMO_SECRET = "demo-secret-of-the-emulator"  # noqa: S105  well known on purpose: it opens nothing but the emulator
DEMO_CLIENT = "demo-client-of-the-emulator"
DEMO_CLIENT_SECRET = "demo-client-secret-of-the-emulator"  # noqa: S105  the same
MAX_LIMIT = 2000  # rows per page, the server's own bound

_LIKE_SIZE = 100  # rows of a recorded entity type that has none by default

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


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of one emulated instance; every default makes a small, calm one."""

    profile: str = "p70"
    seed: int = 7
    sizes: Mapping[str, int] = field(default_factory=dict)  # rows per entity type, over the defaults
    types: tuple[str, ...] | None = None  # offered entity types; None: the default ones plus those in sizes
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    api_key: str = DEMO_KEY
    api_secret: str = DEMO_SECRET
    client_id: str = DEMO_CLIENT  # of the OAuth client
    client_secret: str = DEMO_CLIENT_SECRET
    bearer_seconds: float = 3600.0  # life of a bearer token
    bearer_requests: int | None = None  # after so many requests a bearer token is revoked; None: never
    latency_ms: float = 0.0  # per page
    requests_per_second: float | None = None
    window_seconds: float = 1.0  # over which requests_per_second is held against the client
    at_once: int | None = None
    retry_after: str = "seconds"  # seconds | date | none
    drift_percent: float = 0.0
    churn_percent: float = 0.0
    gzip: bool = False
    iso_dates: bool = False
    merged_dates: str = "newest"  # newest: one bare date, distinct lists; list: lists of all dates, duplicates kept
    odd_ids: bool = False  # some ids with letters beyond f
    reject_big_limit: bool = False  # False: a limit above 2000 is clamped
    unlicensed_status: int = 404
    count_nulls: int = 1  # v1: answers of null before a count is known
    token_seconds: float | None = None  # life of a next_page token; None: for ever
    other_generation: bool = False  # v2 profiles: serve v1 beside v2
    bulk: float = 1.0  # how many times as long tables are: installed software, weaknesses, interfaces …
    more_fields: int = 0  # added to each entity type, adapters' own ones
    shapes: int | None = None  # a seed that draws every field's wire shape; None: the usual shapes
    like: Likeness | None = None  # its entity types, with the shapes of a real server, in place of the default ones
    unknown_fields: str = "drop"  # names that no record has: drop | refuse, with a 400 that names the first
    twin_labels: bool = False  # adds specific_data.data.labels, whose short key collides with labels
    mishaps: tuple[Mishap, ...] = ()  # from the start; more may be added while it runs
    today: date | None = None  # newest history day; None: the current UTC day
    history_days: int = 7
    log: Path | None = None  # JSON lines of requests

    def offered(self) -> tuple[str, ...]:
        """The entity types of this instance, in the order they are listed."""
        if self.types is not None:
            return self.types
        usual = DEFAULT_SIZES if self.like is None else self.like.entities
        return tuple(dict.fromkeys((*usual, *self.sizes)))

    def size(self, entity: str) -> int:
        """Rows that *entity* starts with."""
        usual = DEFAULT_SIZES.get(entity, 0)
        if self.like is not None and entity in self.like.entities:
            usual = usual or _LIKE_SIZE
        return self.sizes.get(entity, usual)

    def newest_day(self) -> date:
        """The last day with a history snapshot."""
        return self.today or datetime.now(UTC).date()
