"""What reading would cost, from counts and from what earlier runs took."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.lake.history import LaneRecord, Snapshot
from axsync.model import Lane
from axsync.runs.plan import GUESSED_BYTES, Bounds, Experience, LaneForecast, Speed, forecast, learn, seconds_for

DEVICES, USERS = Lane("prod", "devices"), Lane("prod", "users")
BOUNDS = Bounds(requests_per_second=10, in_flight=4)
NOTHING = Experience()
BEGIN = datetime(2026, 11, 23, 2, tzinfo=UTC)


def lane(entity: str = "devices", instance: str = "prod", **facts: Any) -> LaneRecord:
    usual: dict[str, Any] = {
        "verdict": "complete", "reason": None, "api": "v2", "server_version": None, "discovery": {},
        "count_before": None, "count_after": None, "rows": 1000, "distinct_ids": 1000, "duplicates": 0, "repaired": 0,
        "rescued_values": 0, "dead_letters": 0, "pages": 1, "requests": 5, "retries": 0, "bytes": 6_000_000,
        "seconds": 10.0, "drift": {}, "files": (),
    }  # fmt: skip
    return LaneRecord(instance=instance, entity=entity, **(usual | facts))


def snapshot(name: str, *lanes: LaneRecord) -> Snapshot:
    return Snapshot(name, "2026-11-23", None, BEGIN, BEGIN + timedelta(minutes=9), "0.1.0", "complete", lanes)


def test_without_earlier_runs_bytes_and_seconds_are_guessed() -> None:
    """A request for each page, of rows and of the listing, three besides; never faster than is allowed."""
    row = forecast(LaneForecast(DEVICES, "readable", 41_873, 2000), NOTHING, BOUNDS)

    assert (row.pages, row.requests, row.bytes) == (21, 21 + 23 + 3, 41_873 * GUESSED_BYTES)
    assert row.guessed
    assert row.seconds == pytest.approx(47 / 4)
    assert seconds_for(24, 0, None, Bounds(1, 100)) == pytest.approx(24 / 0.95)


def test_earlier_runs_tell_bytes_requests_and_pace() -> None:
    """Each lane by the newest run that read it; the slowest lane took as long as all together."""
    learned = learn(
        [
            snapshot("r2", lane("users", rows=100, bytes=50_000, requests=4, seconds=20.0)),
            snapshot("r1", lane(requests=12, seconds=40.0), lane("users", rows=1, bytes=9, seconds=1.0)),
        ]
    )

    assert learned.bytes_per_row == {USERS: 500, DEVICES: 6000}
    assert learned.extra == {USERS: 3, DEVICES: 11}
    assert learned.speeds == {"prod": Speed("r2", 0.2, 2500)}
    row = forecast(LaneForecast(DEVICES, "readable", 3000, 1000), learned, BOUNDS)
    assert (row.pages, row.requests, row.bytes, row.guessed) == (3, 15, 18_000_000, False)
    assert row.seconds == pytest.approx(18_000_000 / 2500)
    assert forecast(LaneForecast(DEVICES, "readable", 999, 1000), learned, BOUNDS).requests == 2


def test_what_did_not_come_tells_nothing() -> None:
    """Skipped lanes, and files of an older run that stand in."""
    learned = learn([snapshot("r", lane(pages=0, requests=1, rows=0), lane("users", from_run="q"))])

    assert learned == NOTHING


def test_a_run_that_took_no_time_tells_no_pace() -> None:
    """An older manifest has no seconds."""
    assert learn([snapshot("r", lane(seconds=0.0))]).speeds == {}


@pytest.mark.parametrize(
    ("question", "pages", "requests"),
    [
        (LaneForecast(DEVICES, "empty", 0, 2000), 1, 2),
        (LaneForecast(DEVICES, "readable", None, 2000), 1, 2),
        (LaneForecast(DEVICES, "readable", 1999, 2000), 1, 2),
        (LaneForecast(DEVICES, "readable", 2000, 2000), 1, 3),
        (LaneForecast(DEVICES, "readable", 2001, 2000), 2, 7),
        (LaneForecast(DEVICES, "readable", 2001, 2000, is_listed=False), 2, 5),
        (LaneForecast(DEVICES, "readable", 4001, 2000, state="goes on", durable=2001), 1, 8),
        (LaneForecast(DEVICES, "readable", 4001, 2000, state="goes on", durable=9000), 1, 7),
        (LaneForecast(DEVICES, "readable", 4001, 2000, state="done", durable=4001), 0, 0),
        (LaneForecast(DEVICES, "forbidden", None, 2000), 0, 0),
        (LaneForecast(DEVICES, "not offered", None, 2000), 0, 0),
    ],
)
def test_only_what_is_left_is_asked(question: LaneForecast, pages: int, requests: int) -> None:
    """What is durable is not asked again; what may not be read is not asked at all."""
    row = forecast(question, NOTHING, BOUNDS)

    assert (row.pages, row.requests) == (pages, requests)


def test_pages_of_large_rows_have_fewer() -> None:
    """As many as fit into what a page may have, where an earlier run tells."""
    learned = Experience({DEVICES: 10_000.0}, {}, {})
    row = forecast(LaneForecast(DEVICES, "readable", 4000, 2000, page_bytes=10_000_000), learned, BOUNDS)

    assert (row.pages, row.requests) == (4, 4 + 1 + 3 + 3)


@given(st.integers(0, 10**7), st.integers(1, 2000), st.floats(0.01, 1000), st.floats(0.001, 1e9))
def test_no_plan_is_faster_than_allowed(count: int, size: int, rate: float, speed: float) -> None:
    """Whatever an earlier run bore, when more was allowed."""
    learned = Experience({DEVICES: 100.0}, {}, {"prod": Speed("r", speed, speed)})
    row = forecast(LaneForecast(DEVICES, "readable", count, size), learned, Bounds(rate, 4))

    assert row.pages * size >= count
    assert row.seconds >= row.requests / rate
