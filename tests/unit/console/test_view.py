from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from axsync.console.report.charts import HEIGHT, WIDTH, ceiling, charts_of, sparkline
from axsync.console.report.facts import Facts
from axsync.console.report.view import LaneRow, View, view_of
from axsync.runs.timeline import Bucket, Timeline
from tests.unit.console.stories import lane, snapshot, timeline

COUNTS = st.integers(0, 10**9)


def row(view: View, name: str) -> LaneRow:
    return next(one for one in view.lanes if one.name == name)


def test_rows_stand_beside_those_of_the_snapshots_before() -> None:
    """The change is against the newest one; the line goes from the oldest to this run."""
    earlier = (snapshot(lane(rows=1900), day=22), snapshot(lane(rows=1000), day=21))
    devices = row(view_of(Facts(snapshot(lane(rows=2000)), earlier=earlier)), "devices")

    assert (devices.rows, devices.change, devices.trend_title) == ("2,000", "+100 (+5.3%)", "1,000 → 1,900 → 2,000")
    assert devices.trend.count("L") == 2


@pytest.mark.parametrize(
    ("before", "now", "change", "tone"),
    [
        (10, 10, "±0", ""),
        (0, 7, "+7", "moved"),
        (10, 25, "+15 (+150%)", "moved"),
        (1000, 400, "\N{MINUS SIGN}600 (\N{MINUS SIGN}60.0%)", "bad"),
        (7, 0, "\N{MINUS SIGN}7 (\N{MINUS SIGN}100%)", "bad"),
    ],
)
def test_a_change_is_told_in_rows_and_in_parts(before: int, now: int, change: str, tone: str) -> None:
    """A loss of more than half stands out."""
    devices = row(view_of(Facts(snapshot(lane(rows=now)), earlier=(snapshot(lane(rows=before), day=22),))), "devices")

    assert (devices.change, devices.change_tone) == (change, tone)


def test_files_that_stand_in_count_as_rows_of_the_snapshot() -> None:
    """The run brought none of them, so its sums do not count them."""
    stood_in = lane(rows=0, verdict="partial", reason="the host went away", from_run="r0", files=lane(rows=70).files)
    view = view_of(Facts(snapshot(stood_in, lane("users", 600), verdict="partial")))

    assert row(view, "devices").rows == "70"
    assert view.headline == "600 rows of 1 entity type, 1 failed and carried over"
    assert [one.note for one in view.tiles if one.title == "Stored"] == ["1 file"]
    assert [(one.name, one.remark) for one in view.attention] == [
        ("devices", "the host went away; carried over from run r0")
    ]


def test_several_instances_are_told_apart() -> None:
    """Otherwise the name of the one instance is said once."""
    view = view_of(Facts(snapshot(lane(), lane(instance="lab"))))

    assert [one.name for one in view.lanes] == ["lab / devices", "prod / devices"]
    assert ("Instances", "lab, prod") in view.facts


def test_the_timeline_becomes_four_charts_on_one_scale() -> None:
    """Throughput, in flight, pace, and what was refused; also when the run was taken up again."""
    charts = view_of(Facts(snapshot(lane()), timeline=timeline())).charts

    assert charts is not None
    assert [one.title for one in charts.charts] == [
        "Rows per second",
        "Requests in flight",
        "Requests per second",
        "Refused and failed",
    ]
    assert charts.ticks == ("0:00", "0:15", "0:30", "0:45", "1:00")
    assert charts.resumed == (333.33,)
    assert charts.charts[3].note == "9 responses with 429"
    assert {(bar.width, bar.height) for bar in charts.charts[3].bars} == {(4.0, HEIGHT)}
    assert len(charts.charts[3].bars) == 9
    assert [dict(one.legend) for one in charts.charts] == [
        {},
        {"area": "average", "line": "peak"},
        {"area": "requests", "line": "limit"},
        {"refused": "429"},
    ]


def test_refusals_that_did_not_happen_take_no_room() -> None:
    """The strip is there for a reason only."""
    calm = replace(timeline(), buckets=tuple(structs.replace(one, refused=0) for one in timeline().buckets))
    charts = charts_of(calm)

    assert charts is not None
    assert [one.title for one in charts.charts] == ["Rows per second", "Requests in flight", "Requests per second"]


def test_what_keeps_to_the_limit_is_drawn_below_it() -> None:
    """Ten requests leave in the first tenth of each second, and the limit is ten; also when it is lowered later."""
    second = (Bucket(answers=10, rate=10.0), *(Bucket(),) * 7)
    charts = charts_of(Timeline(4.0, 0.125, (*second * 3, Bucket(answers=10, rate=10.0), Bucket(rate=5.0))))

    assert charts is not None
    [pace] = [one for one in charts.charts if one.title == "Requests per second"]
    assert pace.labels[0] == "10"
    assert pace.area.startswith("M0 0L125 0L375 0L625 0L875 0L")
    assert pace.line.startswith("M0 0L125 0L375 0L625 0L875 0L")


SKIPPED: dict[str, Any] = {"rows": 0, "verdict": "skipped", "reason": "forbidden", "files": ()}


@pytest.mark.parametrize(
    ("changed", "verdict", "tone"),
    [
        ({}, "complete", "good"),
        (SKIPPED, "partial", "warn"),
        ({"verdict": "drifted", "missing": 1}, "drifted", "warn"),
        ({"verdict": "partial", "reason": "500"}, "partial", "bad"),
        ({"verdict": "drifted", "dead_letters": 3}, "drifted", "bad"),
    ],
)
def test_red_is_for_rows_that_did_not_come(changed: dict[str, Any], verdict: str, tone: str) -> None:
    """A type that was skipped is a reason to look, and no loss."""
    view = view_of(Facts(snapshot(lane(), lane("users", **{"rows": 600, **changed}), verdict=verdict)))

    assert view.tone == tone
    assert [row.name for row in view.attention] == ([] if tone == "good" else ["users"])


def test_nothing_is_called_whole_beside_an_id_that_could_not_be_read() -> None:
    """What is listed and gone a moment later was never there to be read."""
    view = view_of(Facts(snapshot(lane(verdict="drifted", missing=1), lane("users", **SKIPPED), verdict="partial")))

    assert view.meaning == "Nothing that could be read is missing. What was not read, and why, is listed below."


def test_retries_are_those_of_the_whole_run() -> None:
    """The reasons, which are listed below, include the requests before any type is read; lanes know only their own."""
    told = view_of(Facts(snapshot(lane(retries=6)), timeline=timeline()))
    killed = view_of(Facts(snapshot(lane(retries=12)), timeline=timeline()))

    assert [tile.value for view in (told, killed) for tile in view.tiles if tile.title == "Retries"] == ["9", "12"]
    assert [one.cells for one in told.retries] == [("9",)]


def test_a_skipped_type_says_nothing_about_the_discovery_cycle() -> None:
    """It was not asked about."""
    view = view_of(Facts(snapshot(lane(), lane("users", discovery={}, **SKIPPED), verdict="partial")))

    assert view.servers == (("prod", "API v2, version 7_0_1, discovery done → done"),)


def test_trouble_comes_first_and_then_the_largest() -> None:
    """The order in which people look."""
    lanes = [
        lane("a", 5),
        lane("b", 900),
        lane("c", **SKIPPED),
        lane("d", 70, verdict="partial"),
        lane("e", 7, from_run="r0", reason="not part of this run"),
    ]
    view = view_of(Facts(snapshot(*lanes, verdict="partial")))

    assert [row.name for row in view.lanes] == ["d", "c", "b", "a", "e"]
    assert view.headline == "975 rows of 3 entity types, 1 skipped, 1 not part of this run"


def test_lanes_are_counted_where_instances_have_the_same_types() -> None:
    """Two instances with devices have one entity type."""
    view = view_of(Facts(snapshot(lane(rows=5), lane(rows=7, instance="test"))))

    assert view.headline == "12 rows of 2 lanes"


def test_what_is_empty_takes_no_room() -> None:
    """Columns without a value, and numbers that are 0; they are said in one sentence."""
    view = view_of(Facts(snapshot(lane())))

    assert view.filled == {"seconds", "read"}
    assert [tile.title for tile in view.tiles] == ["Rows", "Read", "Stored"]
    assert view.zeroes == "No retries, nothing rescued, nothing repaired, no missing ids, no dead letters"


def test_it_names_lake_host_and_what_to_type_next() -> None:
    """A name with a blank can be typed as it stands."""
    over_time = replace(timeline(), hosts={"acme.example": 240})
    facts = Facts(snapshot(lane()), earlier=(snapshot(lane(), day=22),), timeline=over_time, lake="my lake")
    view = view_of(facts)

    assert {("Host", "acme.example"), ("Lake", "my lake")} <= set(view.facts)
    assert [one.line for one in view.commands] == [
        "axsync head devices --run 20261123T020000Z-7f3a --lake 'my lake'",
        "axsync diff 20261122T020000Z-7f3a 20261123T020000Z-7f3a --lake 'my lake'",
        "axsync show 20261123T020000Z-7f3a --lake 'my lake'",
    ]


def test_a_timeline_in_which_nothing_happened_is_none() -> None:
    """Empty axes would say nothing."""
    assert charts_of(Timeline(5.0, 0.125, (Bucket(),) * 40)) is None


@given(
    st.lists(st.builds(Bucket, rows=COUNTS, bytes=COUNTS, answers=COUNTS, refused=COUNTS, peak=COUNTS), max_size=600),
    st.floats(0, 1e6),
)
def test_everything_is_drawn_inside_its_box(buckets: list[Bucket], seconds: float) -> None:
    """However large the numbers are; the line of the pace alone may leave at the top."""
    charts = charts_of(Timeline(seconds, 0.125, (*buckets, Bucket(answers=1, pages=1))))

    assert charts is not None
    for chart in charts.charts:
        numbers = [float(n) for n in chart.area.replace("M", " ").replace("L", " ").split("V")[0].split()]
        assert all(0 <= x <= WIDTH for x in numbers[::2])
        assert all(-0.01 <= y <= HEIGHT for y in numbers[1::2])
        assert all(bar.top >= -0.01 and bar.top + bar.height <= HEIGHT + 0.02 for bar in chart.bars)


@given(st.floats(1e-9, 1e15))
def test_a_ceiling_is_near_and_not_below(value: float) -> None:
    """A round number."""
    assert value <= ceiling(value) <= value * 2.0001


@given(st.lists(st.integers(0, 10**12), max_size=20))
def test_a_sparkline_has_a_point_per_value(values: list[int]) -> None:
    """Inside its box; none where there is nothing to compare."""
    line = sparkline([float(value) for value in values])
    points = [tuple(map(float, point.split())) for point in line.replace("M", "").split("L") if point]

    assert len(points) == (len(values) if len(values) > 1 else 0)
    assert all(0 <= x <= 100 and 0 <= y <= 24 for x, y in points)


def test_long_lists_are_cut_and_counted() -> None:
    """The manifest has the rest."""
    many = tuple(replace(lane().files[0], path=f"f{n}") for n in range(1000))
    view = view_of(Facts(snapshot(lane(files=many))))

    assert (len(view.files), view.more_files) == (300, 700)
