import io
import time
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from axsync.console.live_display import Piece, Progress, RedrawBudget, picture
from axsync.console.progress import ClosedLane, LaneProgress, ProgressState
from axsync.events import LaneClosed, LaneOpened, Notice, PageRead, RunStarted
from axsync.model import Lane, Outcome


def state(*, active: int, waiting: int = 0) -> ProgressState:
    lanes = tuple(LaneProgress(f"entity_type_{i}", 3, 6000, 40_000_000, 9000) for i in range(active))
    return ProgressState(
        seconds=61.0,
        lanes=60,
        closed=60 - active - waiting,
        skipped=2,
        retries=1,
        pages=3 * active,
        rows=6000 * active,
        size=40_000_000 * active,
        total=9000 * active,
        rows_per_second=1000.0,
        bytes_per_second=6_000_000.0,
        seconds_left=3.0 * active,
        active=lanes,
        waiting=waiting,
        in_flight=3,
        limit=4,
        requests_per_second=9.5,
    )


def drawn(lines: list[list[Piece]]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


def terminal(stream: io.StringIO, width: int = 100) -> Console:
    return Console(file=stream, force_terminal=True, width=width, height=40, markup=False, highlight=False)


def test_the_picture_has_a_total_and_the_active_entity_types() -> None:
    """A bar and two lines tell of the whole run, one line of each active entity type."""
    lines = drawn(picture(state(active=2), width=100, most_lanes=10, ascii_only=False))

    assert len(lines) == 5
    assert lines[0].startswith(" 66% ━")
    assert lines[0].endswith("0:00:06 left · 0:01:01")
    assert lines[1].startswith(
        "  58 of 60 entity types · 12,000 rows · 80.0 MB · 6.0 MB/s · 1,000 rows/s · 6 pages · 2 active"
    )
    assert lines[2] == "  3 of 4 in flight · pace 9.5/s · 1 retry · 2 skipped"
    assert lines[3].endswith("6,000 of 9,000 rows · 3 pages · 40.0 MB")


def test_sixty_entity_types_stay_calm() -> None:
    """At most ten are drawn; the others are summed up in one line."""
    lines = drawn(picture(state(active=40, waiting=15), width=100, most_lanes=10, ascii_only=False))

    assert len(lines) == 14
    assert lines[-1] == "  30 more active, 15 waiting"


def test_forty_columns_still_tell_what_matters() -> None:
    """On a narrow terminal the sums take more lines, and no phrase is cut in the middle."""
    lines = drawn(picture(state(active=2), width=37, most_lanes=10, ascii_only=False))

    assert lines[1:6] == [
        "  58 of 60 entity types · 12,000 rows",
        "  80.0 MB · 6.0 MB/s · 1,000 rows/s",
        "  6 pages · 2 active",
        "  3 of 4 in flight · pace 9.5/s",
        "  1 retry · 2 skipped",
    ]
    assert lines[6] == "  entity_type_0  6,000 rows · 66%"


def test_a_name_that_is_cut_says_so() -> None:
    """Two entity types that begin alike do not look the same."""
    lane = LaneProgress("vulnerabilities_repository", 1, 10, 10, None)
    lines = drawn(picture(_with(state(active=0), lane), width=37, most_lanes=1, ascii_only=False))

    assert lines[-1].startswith("  vulnerabilitie…  10 rows")


def test_lanes_whose_rows_are_all_there_stand_last() -> None:
    """What still moves is worth the lines; apart from that nothing changes places."""
    done, moving = LaneProgress("done", 1, 5, 10, 5), LaneProgress("moving", 1, 5, 10, 6)
    lines = drawn(picture(_with(state(active=0), done, moving), width=100, most_lanes=1, ascii_only=True))

    assert lines[3].startswith("  moving")
    assert lines[4] == "  1 more active"


def test_a_lane_tells_its_rate_its_time_left_and_its_retries() -> None:
    """Where there is room for them."""
    lane = LaneProgress("users", 1, 1000, 1_000_000, 5000, 250.0, 16.0, 2)
    lines = drawn(picture(_with(state(active=0), lane), width=120, most_lanes=10, ascii_only=True))

    assert lines[3].endswith("1,000 of 5,000 rows, 1 page, 1.0 MB, 250 rows/s, 0:00:16 left, 2 retries")


@pytest.mark.parametrize("width", [1, 8, 20, 33, 40, 60, 79, 120])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_no_line_is_wider_than_the_terminal(width: int, ascii_only: bool) -> None:
    """Narrow terminals get less, never broken lines."""
    lines = drawn(picture(state(active=12, waiting=3), width=width, most_lanes=10, ascii_only=ascii_only))

    assert max(map(cell_len, lines)) <= width
    assert not ascii_only or all(line.isascii() for line in lines)


def test_a_lane_without_a_known_size_has_an_empty_bar() -> None:
    """Nobody knows how far it is, so no share is drawn."""
    now = state(active=0)
    lane = LaneProgress("users", 1, 10, 10, None)
    lines = drawn(picture(_with(now, lane), width=100, most_lanes=10, ascii_only=True))

    assert lines[3] == "  users  ------------  10 rows, 1 page, 0.0 MB"


def test_the_first_picture_says_what_is_asked() -> None:
    """Before there are lanes there is no bar, and no line about nothing."""
    now = replace(state(active=0), lanes=0, closed=0, retries=0, asking=("asking prod at acme what it offers",))

    assert drawn(picture(now, width=100, most_lanes=10, ascii_only=False)) == [
        "asking prod at acme what it offers",
        "  0:01:01 · 3 of 4 in flight · pace 9.5/s",
    ]


def test_until_rows_come_it_tells_how_many_catalogues_are_read() -> None:
    """They take as many requests as there are entity types."""
    now = replace(state(active=0), closed=0, asked=7, pages=0, total=None)

    assert drawn(picture(now, width=100, most_lanes=10, ascii_only=False))[-1] == (
        "  reading field catalogues: 7 of 60 entity types"
    )


def test_rows_that_are_all_there_are_checked_and_lanes_that_are_done_have_a_tick() -> None:
    """A full bar says what it waits for; below it is what has ended, with its verdict."""
    whole = LaneProgress("devices", 1, 5, 10, 5)
    done = (
        ClosedLane("users", "complete", 600, 2, 900_000, 2.5),
        ClosedLane("groups", "skipped", 0, 0, 0, 0.1),
        ClosedLane("disks", "partial", 7, 1, 900_000, 1.0),
    )
    now = replace(state(active=0), active=(whole,), rows=5, total=5, done=done, closed=59)
    lines = drawn(picture(now, width=100, most_lanes=3, ascii_only=False))

    assert lines[0].startswith(" 99% ━")
    assert lines[0].endswith("checking ids · 0:01:01")
    assert lines[3].endswith("5 of 5 rows · 1 page · 0.0 MB · checking ids")
    assert lines[4:] == ["✓ users    600 rows · 2 pages · 0.9 MB · 2.5 s", "– groups   skipped"]
    assert drawn(picture(now, width=100, most_lanes=9, ascii_only=True))[6].startswith("x disks    partial, 7 rows")


def _with(now: ProgressState, *lanes: LaneProgress) -> ProgressState:
    return ProgressState(
        **{name: getattr(now, name) for name in ProgressState.__slots__ if name not in ("active", "total")},
        active=lanes,
        total=None,
    )


def test_a_progress_shows_warnings_above_and_leaves_nothing_behind() -> None:
    """The bars go away at the end; what a person must know stays, free of what a terminal would obey."""
    stream, lane = io.StringIO(), Lane("prod", "devices")
    with Progress(terminal(stream), verbosity=0, seconds=time.monotonic) as progress:
        progress(RunStarted("r1", "2026-11-23", (lane,)))
        progress(LaneOpened(lane, 10))
        progress(PageRead(lane, 0, 10, 100, 0.1))
        progress(Notice(lane, "bell\x07 and \x1b]0;title\x07this"))
        progress(LaneClosed(Outcome(lane, "complete", rows=10)))

    shown = stream.getvalue()
    assert "devices: bell and this" in shown
    assert "\x07" not in shown
    assert "\x1b]" not in shown


def test_no_color_leaves_only_movement() -> None:
    """With NO_COLOR no colour is set."""
    stream, lane = io.StringIO(), Lane("prod", "devices")
    console = Console(file=stream, force_terminal=True, width=80, height=20, no_color=True)
    with Progress(console, verbosity=0, seconds=time.monotonic) as progress:
        progress(LaneOpened(lane, 10))
        progress(PageRead(lane, 0, 10, 100, 0.1))

    assert "\x1b[32m" not in stream.getvalue()


def test_pictures_stay_below_their_share_of_the_cpu() -> None:
    """Eight looks per second: as long as pictures cost little all are drawn, then only one per second."""
    thrift = RedrawBudget(share=0.01, slowest_seconds=1.0)
    thrift.may(0.0, cpu=10.0)
    thrift.spend(0.09)
    cheap = [thrift.may(1 + n / 8, cpu=10.0) for n in range(8)]
    thrift.spend(0.02)
    dear = [thrift.may(2 + n / 8, cpu=10.0) for n in range(16)]

    assert (sum(cheap), sum(dear)) == (8, 2)
