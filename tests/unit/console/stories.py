"""Snapshots and timelines as a report meets them, and names that a server might send to do harm."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from axsync.console.report.facts import Facts, Letter
from axsync.lake.history import DriftRecord, FileRecord, LaneRecord, Snapshot
from axsync.runs.timeline import Bucket, LanePeriod, SlowPage, Timeline

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></title><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "\x1b[31mred\x1b]0;title\x07",
    "\u202eevil\u2066\u200b\u2028",
    "javascript:alert(1)",
    "\ud800 lone",
    "]]><!-- &amp;",
    "W" * 5_000,
)
EVERYTHING = " ".join(HOSTILE[:-1])


def lane(entity: str = "devices", rows: int = 2000, **changed: object) -> LaneRecord:
    """A lane that came out complete."""
    path = f"entity={entity}/instance=prod/dt=2026-11-23/part-r-00000.parquet"
    plain = LaneRecord(
        instance="prod",
        entity=entity,
        verdict="complete",
        reason=None,
        api="v2",
        server_version="7_0_1",
        discovery={"before": "done", "after": "done"},
        count_before=rows,
        count_after=rows,
        rows=rows,
        distinct_ids=rows,
        duplicates=0,
        repaired=0,
        rescued_values=0,
        dead_letters=0,
        pages=1,
        requests=4,
        retries=0,
        bytes=11_000_000,
        seconds=2.5,
        drift={},
        files=(FileRecord(path, rows, 448_003, "c4245945" * 8),),
    )
    return replace(plain, **changed)  # type: ignore[arg-type]  # whatever a test says


def snapshot(*lanes: LaneRecord, day: int = 23, verdict: str = "complete") -> Snapshot:
    """A run of that day in November."""
    start = datetime(2026, 11, day, 2, tzinfo=UTC)
    run_id = f"202611{day}T020000Z-7f3a"
    end = start + timedelta(seconds=100)
    return Snapshot(run_id, f"2026-11-{day}", None, start, end, "0.1.0", verdict, lanes)


def timeline() -> Timeline:
    """A minute with a bit of everything."""
    buckets = tuple(
        Bucket(rows=200 * (n % 3), bytes=10**6, pages=1, answers=4, refused=n % 7 == 0, busy=1.2, peak=3, rate=10.0)
        for n in range(60)
    )
    return Timeline(
        60.0,
        1.0,
        buckets,
        (LanePeriod("prod", "devices", 1.0, 50.0), LanePeriod("prod", "users", 2.0, None)),
        (SlowPage(3.5, "prod", "devices", 7, 2000, 11_000_000), SlowPage(0.5, "prod", "users", 0, 600, 900_000)),
        {"200": 230, "429": 9, "none": 1},
        {"acme.example answered 429": 9},
        ("resuming run r",),
        (20.0,),
    )


def hostile() -> Facts:
    """Every text that a server can choose, chosen to do harm."""
    bad = lane(
        verdict="partial",
        reason=EVERYTHING,
        server_version=EVERYTHING,
        discovery={"before": EVERYTHING, "after": EVERYTHING},
        drift={name: DriftRecord(n + 1, EVERYTHING) for n, name in enumerate(HOSTILE)},
        rescued_values=66,
        dead_letters=2,
        notices=HOSTILE,
        instance=EVERYTHING,
        from_run=EVERYTHING,
    )
    lanes = [replace(bad, entity=name) for name in HOSTILE]
    over_time = replace(
        timeline(),
        lanes=tuple(LanePeriod(EVERYTHING, name, 1.0, 2.0) for name in HOSTILE),
        slowest=tuple(SlowPage(1.0, EVERYTHING, name, 1, 1, 1) for name in HOSTILE),
        retries=dict.fromkeys(HOSTILE, 1),
        statuses={"200": 1},
        hosts=dict.fromkeys(HOSTILE, 1),
        notices=HOSTILE,
    )
    letters = {one.lane: (Letter(0, 1, EVERYTHING),) for one in lanes}
    now, before = snapshot(*lanes, verdict="partial"), snapshot(*lanes, day=22)
    return Facts(now, latest=True, earlier=(before,), timeline=over_time, letters=letters, lake=EVERYTHING)
