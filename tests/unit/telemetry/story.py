"""A run as its reporters hear of it: the events in order, and the summary at the end."""

from typing import Any

from axsync.events import (
    Answered,
    Event,
    LaneClosed,
    LaneOpened,
    Notice,
    PageRead,
    Retried,
    RunStarted,
    SnapshotPublished,
)
from axsync.model import Lane, Outcome, Part

RUN, HOST = "20261123T020000Z-7f3a", "acme.example"
DEVICES, USERS = Lane("prod", "devices"), Lane("prod", "users")
COLUMNS = {"os_type": {"field": "specific_data.data.os.type", "type": "list<string>"}}
DONE = Outcome(
    DEVICES,
    "complete",
    rows=3000,
    pages=2,
    requests=6,
    retries=1,
    bytes=15_000_000,
    rescued_values=4,
    seconds=2.5,
    columns=COLUMNS,
    parts=(Part("entity=devices/instance=prod/dt=2026-11-23/part-x.parquet", 3000, 900_000, "ab"),),
)
LOST = Outcome(USERS, "partial", "the host went away", missing=7)
EVENTS: tuple[Event, ...] = (
    RunStarted(RUN, "2026-11-23", (DEVICES, USERS)),
    LaneOpened(DEVICES, 3000),
    LaneOpened(USERS, None),
    Answered(DEVICES, HOST, 200, 0.5, 2, 4, 9.5),
    PageRead(DEVICES, 0, 2000, 10_000_000, 0.5),
    Answered(DEVICES, HOST, 429, 0.1, 1, 2, 5.0),
    Retried(DEVICES, HOST, 2, 1.5, "429"),
    Answered(None, HOST, None, 3.0, 1, 2, 5.0),
    PageRead(DEVICES, 1, 1000, 5_000_000, 0.5),
    Notice(None, "something"),
    LaneClosed(DONE),
    LaneClosed(LOST),
    SnapshotPublished(RUN, "partial", "_axsync/snapshots/x.json"),
)


def lane_fields(outcome: Outcome, **changed: Any) -> dict[str, Any]:
    names = ("verdict", "rows", "pages", "requests", "retries", "bytes", "rescued_values", "dead_letters", "missing")
    place = {"instance": outcome.lane.instance, "entity": outcome.lane.entity}
    own = {name: getattr(outcome, name) for name in (*names, "seconds", "from_run")}
    return place | own | changed


def summary(**changed: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "text": "axsync run",
        "run_id": RUN,
        "logical_date": "2026-11-23",
        "verdict": "partial",
        "exit_code": 3,
        "lake": "lake",
        "manifest": "_axsync/snapshots/x.json",
        "seconds": 3.0,
        "lanes": [lane_fields(DONE), lane_fields(LOST)],
        "errors": [],
    }
    return whole | changed


FAILED = summary(
    run_id=None,
    logical_date=None,
    verdict="failed",
    exit_code=75,
    manifest=None,
    lanes=[],
    errors=[{"message": "acme.example does not answer"}],
)
"""How a run ends that could ask nobody."""
