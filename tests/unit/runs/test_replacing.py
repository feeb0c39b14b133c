"""Which lane takes the place of which: the rules alone, and over sequences of lanes."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.errors import ReplacesBetter
from axsync.lake.history import DayLane
from axsync.lake.manifest import FileRecord, LaneRecord
from axsync.model import Asked, Lane, Outcome, Part, Verdict
from axsync.runs.replacing import Day, hold_worse, less_asked, refuse_worse
from axsync.settings import CredentialReference, EntitySettings, InstanceSettings, LakeSettings, RunSettings, Settings

LANE, NOON = Lane("prod", "devices"), datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY, LATER = (Day("2026-11-23", NOON + timedelta(days=days)) for days in (0, 6))
COLUMNS = {name: {"field": name, "type": "string", "dates": None} for name in ("a", "b")}
LIVE, HISTORY = Asked(fields=("generic",)), Asked("2026-11-23", fields=("generic",))
CUT, FILTERED = replace(LIVE, limit=10), replace(LIVE, query="q")


def outcome(asked: Asked | None = LIVE, rows: int = 100, verdict: Verdict = "complete", **more: Any) -> Outcome:
    parts = (Part("p", rows, 1, "x"),) if rows else ()
    return replace(Outcome(LANE, verdict, rows=rows, columns=COLUMNS, parts=parts, asked=asked), **more)


def held(of: Outcome, run_id: str = "r1", began: datetime = NOON) -> DayLane:
    """What the date has after this one was published."""
    counts: dict[str, Any] = dict.fromkeys(
        [
            "distinct_ids",
            "duplicates",
            "repaired",
            "rescued_values",
            "dead_letters",
            "pages",
            "requests",
            "retries",
            "bytes",
        ],
        0,
    )
    told: dict[str, Any] = dict.fromkeys(("reason", "api", "server_version", "count_before", "count_after"))
    files = tuple(FileRecord(part.path, part.rows, 1, "x") for part in of.parts)
    record = LaneRecord(
        **counts, **told, instance="prod", entity="devices", verdict=of.verdict, rows=of.rows, discovery={}, drift={},
        columns=of.columns, empty_columns=of.empty_columns, files=files, asked=of.asked,
    )  # fmt: skip
    return DayLane(run_id, record, of.asked or Asked(), began)


def stays(there: Outcome, came: Outcome, day: Day = TODAY) -> str:
    """Why what is there stays; empty where it is replaced."""
    kept, refused = hold_worse([came], {LANE: held(there)}, day)
    assert kept[0].columns == ({} if refused else came.columns)
    return str(refused[0]) if refused else ""


@pytest.mark.parametrize(
    ("there", "came", "words"),
    [
        (outcome(), outcome(rows=60), ""),
        (outcome(), outcome(CUT, 10, "partial"), "a limit of 10 rows would cut them"),
        (outcome(rows=5), outcome(CUT, 6), ""),
        (outcome(rows=9), outcome(CUT, 10, "partial"), "a lane cut by a limit never replaces a complete lane"),
        (outcome(), outcome(verdict="partial"), "a partial lane never replaces a complete lane"),
        (outcome(), outcome(verdict="drifted"), "a drifted lane never replaces a complete lane"),
        (outcome(verdict="drifted"), outcome(verdict="partial"), "a partial lane never replaces a drifted lane"),
        (outcome(verdict="partial"), outcome(verdict="partial"), ""),
        (outcome(CUT, 10, "partial"), outcome(verdict="partial"), ""),
        (outcome(rows=0), outcome(verdict="partial"), "a partial lane never replaces a complete lane"),
        (outcome(), outcome(HISTORY), "history never replaces live data"),
        (outcome(HISTORY), outcome(), ""),
        (outcome(HISTORY), outcome(HISTORY), ""),
        (outcome(HISTORY), outcome(replace(HISTORY, as_of="2026-11-22")), "history of 2026-11-22 never"),
        (outcome(), outcome(FILTERED), "rows of one query never replace others"),
        (outcome(asked=None), outcome(FILTERED), "version 0.1.0 did not write down whether"),
        (outcome(asked=None), outcome(), ""),
        (outcome(FILTERED), outcome(replace(LIVE, saved_query="s")), "rows of one query never replace others"),
        (outcome(FILTERED), outcome(FILTERED), ""),
        (outcome(FILTERED), outcome(), ""),
        (outcome(), outcome(replace(LIVE, fields=("b",)), columns={"b": COLUMNS["b"]}), "1 of its columns with"),
        (outcome(), outcome(columns={"b": COLUMNS["b"]}), ""),
        (outcome(empty_columns=("a",)), outcome(replace(LIVE, fields=("b",)), columns={"b": COLUMNS["b"]}), ""),
        (outcome(), outcome(columns={}), ""),
    ],
)  # fmt: skip
def test_what_a_date_has_is_replaced_by_nothing_less(there: Outcome, came: Outcome, words: str) -> None:
    """More rows or fewer is the business of the drop guard."""
    why = stays(there, came)

    assert words in why
    assert bool(why) is bool(words)


def test_live_data_of_another_day_is_no_better_than_history() -> None:
    """The history of 23 November stays, where somebody files what is there now under that date."""
    assert "live data of another day" in stays(outcome(HISTORY), outcome(), LATER)


@pytest.mark.parametrize(
    ("there", "came", "stay"),
    [
        (2, 33, True),  # the next morning, when it is still the 23rd in Honolulu
        (2, 200, True),
        (18, 28, False),  # 10:00 and 20:00 in Los Angeles
        (-8, 12, False),  # from 02:00 in Auckland
        (28, 40, True),  # both are late, the second one everywhere
        (40, 60, False),  # both are of the 24th
        (-30, 12, False),
    ],
)
def test_live_data_of_the_day_itself_stay(there: int, came: int, *, stay: bool) -> None:
    """Hours since midnight, UTC, of the date at which the two runs began; refused before anything is sent."""
    old, new = (datetime(2026, 11, 23, tzinfo=UTC) + timedelta(hours=hours) for hours in (there, came))
    why = less_asked(LIVE, held(outcome(), began=old), Day("2026-11-23", new))
    assert (why == "live data of another day never replaces what was read on the day itself") is stay


def test_what_earlier_versions_read_is_live_and_whole() -> None:
    """Their manifests do not tell what was asked."""
    assert "history never" in stays(outcome(asked=Asked()), outcome(HISTORY))
    assert stays(outcome(asked=Asked()), outcome(replace(LIVE, fields=("b",)), columns={"b": COLUMNS["b"]})) == ""


def test_a_run_that_is_sure_to_bring_less_is_refused() -> None:
    """With all that it would replace; with as many rows as there are it may be whole."""
    keys = CredentialReference("env:K", "env:S")
    there = {LANE: held(outcome()), Lane("prod", "users"): held(outcome(rows=20))}

    def refuse(entities: Mapping[str, EntitySettings], **run: Any) -> None:
        instance = InstanceSettings("prod", "https://a.example", keys)
        refuse_worse(Settings(LakeSettings(), (instance,), entities, RunSettings(**run)), TODAY, there)

    refuse({}, limit=100)
    with pytest.raises(ReplacesBetter, match=r"^prod/devices: 2026-11-23 has 100 rows, read by run r1; a limit of 99 "):
        refuse({}, limit=99)
    with pytest.raises(ReplacesBetter, match=r"^prod/devices \(and 1 more\): "):
        refuse({"default": EntitySettings(query="q")})


ASKED = st.builds(
    Asked,
    st.sampled_from([None, None, "2026-11-22", "2026-11-23"]),
    st.sampled_from([None, None, 1, 3]),
    st.sampled_from(["", "", "q"]),
)
CAME = st.builds(outcome, ASKED, st.integers(0, 4), st.sampled_from(["complete", "drifted", "partial"]))


def is_as_good(there: Asked, came: Asked, day: Day) -> bool:
    """Of the same kind, or of a wider one."""
    rows = came.query in ("", there.query)
    return rows and (day.is_own if came.as_of is None else came.as_of == there.as_of)


@given(st.lists(CAME, max_size=8), st.booleans())
def test_a_complete_lane_is_only_ever_replaced_by_a_complete_one_of_its_kind(came: list[Outcome], own: bool) -> None:
    """Over any sequence of lanes; and what was refused before anything was read would have been refused then, too."""
    day, there = TODAY if own else LATER, None
    for one in came:
        kept, refused = hold_worse([one], {} if there is None else {LANE: held(there)}, day)
        if there is not None:
            limited = one.asked is not None and one.asked.limit is not None and one.rows > one.asked.limit
            assert limited or not less_asked(one.asked or Asked(), held(there), day) or refused
        if refused:
            continue
        if there is not None and there.verdict == "complete":
            assert one.verdict == "complete"
            assert is_as_good(there.asked or Asked(), one.asked or Asked(), day)
        there = kept[0]
