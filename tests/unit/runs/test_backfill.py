"""What can be said of a backfill before anything is asked: its days, its share of the limits."""

from datetime import UTC, datetime

import pytest

from axsync.errors import ConfigError
from axsync.runs.backfill import days_between, of_day, pace_of, shared
from axsync.settings import CredentialReference, InstanceSettings, LakeSettings, RunSettings, Settings

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
KEYS = CredentialReference("env:K", "env:S")
PROD = InstanceSettings("prod", "https://acme.example", KEYS)


def test_days_are_newest_first() -> None:
    """Both ends are among them, also as words."""
    assert days_between("2026-02-27", "today", NOW) == ("2026-03-02", "2026-03-01", "2026-02-28", "2026-02-27")
    assert days_between("yesterday", "yesterday", NOW) == ("2026-03-01",)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2026-3-1", "today", "--from must be a day"),
        ("2026-03-01", "latest", "--to must be a day"),
        ("2026-03-01", "2026-03-03", "--to is 2026-03-03, a day that has not come yet"),
        ("2026-03-02", "2026-03-01", "--from is 2026-03-02, which is after --to"),
        ("1926-03-02", "2026-03-01", "at most 3,660"),
    ],
)
def test_what_are_no_days_is_refused(first: str, last: str, words: str) -> None:
    """In words about the option."""
    with pytest.raises(ConfigError, match=words):
        days_between(first, last, NOW)


def test_a_share_leaves_one_request_at_least() -> None:
    """In flight; the rate may be as small as it is asked for."""
    half, least = shared(PROD, 50), shared(PROD, 1)

    assert (half.requests_per_second, half.in_flight) == (5.0, 2)
    assert (least.requests_per_second, least.in_flight) == (0.1, 1)
    assert pace_of(Settings(LakeSettings(), (PROD,)), 50) == [
        "instance prod: at most 5 requests per second, 2 in flight"
    ]
    with pytest.raises(ConfigError, match="between 1 and 100"):
        shared(PROD, 0)


def test_a_day_is_asked_for_as_a_run_asks_for_it() -> None:
    """Whatever day, date and freshness the settings name; nothing is cleared away in between."""
    run = RunSettings(("devices",), as_of="latest", logical_date="2026-01-01", fresh=True)
    asked = of_day(Settings(LakeSettings(gc=True), (PROD,), {}, run), "2026-02-01")

    assert asked.run == RunSettings(("devices",), as_of="2026-02-01")
    assert not asked.lake.gc
