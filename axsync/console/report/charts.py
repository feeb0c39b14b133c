"""Turns numbers over time into lines and bars, in a box of 1000 by 100."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from axsync.console.text import clock, counted, megabytes, number
from axsync.runs.timeline import Bucket, Timeline, coarser

WIDTH, HEIGHT = 1000.0, 100.0
MOST_POINTS = 90
LEAST_SECONDS = 1.0
"""No bucket is narrower: limits are per second, and what is within them in a second may not be in a part of one."""
TICK_WIDTH = 4.0
TICKS = 4
STEPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle, and its tooltip."""

    left: float
    top: float
    width: float
    height: float
    title: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart over the time of the run; its labels stand beside it, so that they keep their size on a phone.

    One without labels is a strip of ticks.
    """

    title: str
    note: str
    labels: tuple[str, ...]  # of the y axis, top first
    area: str = ""
    line: str = ""
    bars: tuple[Bar, ...] = ()
    spots: tuple[Bar, ...] = ()  # invisible; carry the tooltips
    legend: tuple[tuple[str, str], ...] = ()  # what is drawn how: class → words


@dataclass(frozen=True, slots=True)
class Charts:
    """All charts of a run, and their common time axis."""

    charts: tuple[Chart, ...]
    ticks: tuple[str, ...]
    resumed: tuple[float, ...]  # left edges


def charts_of(timeline: Timeline) -> Charts | None:
    """The charts; None if nothing happened."""
    width, buckets, limits = timeline.width, timeline.buckets, _limits(timeline.buckets)
    while len(buckets) > MOST_POINTS or width < LEAST_SECONDS:
        width, buckets = width * 2, coarser(buckets)
        limits = tuple(max(limits[place : place + 2]) for place in range(0, len(limits), 2))
    if not any(bucket.answers or bucket.pages for bucket in buckets):
        return None
    drawing = _Drawing(buckets, width, timeline.seconds, limits)
    charts = (drawing.throughput(), drawing.in_flight(), drawing.pace(), *drawing.trouble())
    ticks = tuple(span_text(timeline.seconds * n / TICKS, timeline.seconds) for n in range(TICKS + 1))
    return Charts(charts, ticks, tuple(drawing.left(at) for at in timeline.resumed_at))


def _limits(buckets: Sequence[Bucket]) -> tuple[float, ...]:
    """Requests per second that were allowed in each bucket; the last limit known where no response came.

    One that is lowered holds for what comes then, so that what left before is not above it.
    """
    first = next((bucket.rate for bucket in buckets if bucket.rate), 0.0)
    heard = [first]
    for bucket in buckets:
        heard.append(bucket.rate or heard[-1])
    return tuple(max(pair) for pair in itertools.pairwise(heard))


def span_text(seconds: float, whole: float) -> str:
    """A point in time of a run, formatted to suit the length of the run."""
    if whole < 20:
        return f"{seconds:.1f} s"
    return clock(seconds) if whole >= 3600 else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def ceiling(most: float) -> float:
    """The next round number at or above."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (*STEPS, 20.0) if step * power >= most)


def _label(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


@dataclass(frozen=True, slots=True)
class _Drawing:
    buckets: Sequence[Bucket]
    width: float  # seconds per bucket
    seconds: float
    limits: Sequence[float]  # requests per second

    def left(self, at: float) -> float:
        """The x position of a point in time."""
        return round(min(at / max(self.seconds, self.width), 1.0) * WIDTH, 2)

    def throughput(self) -> Chart:
        rates = [bucket.rows / self.width for bucket in self.buckets]
        rows = sum(bucket.rows for bucket in self.buckets)
        note = f"{rows / max(self.seconds, 1e-9):,.0f} on average"
        top = ceiling(max(rates))

        def told(bucket: Bucket) -> str:
            return f"{bucket.rows / self.width:,.0f} rows/s, {megabytes(int(bucket.bytes / self.width))} MB/s"

        return Chart("Rows per second", note, _scale(top), self._area(rates, top), spots=self._spots(told))

    def in_flight(self) -> Chart:
        busy = [bucket.busy / self.width for bucket in self.buckets]
        peaks = [self._peak(bucket) for bucket in self.buckets]
        top = ceiling(max(*busy, *peaks))
        average = sum(bucket.busy for bucket in self.buckets) / max(self.seconds, 1e-9)
        note = f"{average:.1f} on average, {max(peaks):.0f} at most"

        def told(bucket: Bucket) -> str:
            return f"{bucket.busy / self.width:.1f} on average, {self._peak(bucket):.0f} at most"

        spots = self._spots(told)
        legend = (("area", "average"), ("line", "peak"))
        area, line = self._area(busy, top), self._line(peaks, top)
        return Chart("Requests in flight", note, _scale(top), area, line, spots=spots, legend=legend)

    def _peak(self, bucket: Bucket) -> float:
        """The peak; at least the average, since peaks are only counted when a response arrives."""
        return max(float(bucket.peak), math.ceil(bucket.busy / self.width - 0.1))

    def pace(self) -> Chart:
        rates = [bucket.answers / self.width for bucket in self.buckets]
        # A limit far above the actual rate would flatten the area.
        top = ceiling(max(*rates, min(max(self.limits), max(rates) * 2)))
        answers = sum(bucket.answers for bucket in self.buckets)
        note = counted(answers, "request")

        def told(bucket: Bucket) -> str:
            return f"{bucket.answers / self.width:,.1f} requests/s, limit {bucket.rate:,.3g}"

        spots = self._spots(told)
        line = self._line([min(rate, top * 1.05) for rate in self.limits], top)
        legend = (("area", "requests"), ("line", "limit"))
        return Chart("Requests per second", note, _scale(top), self._area(rates, top), line, spots=spots, legend=legend)

    def trouble(self) -> tuple[Chart, ...]:
        """A strip with a tick where requests were refused or failed; none where there were none."""
        refused, failed = (sum(getattr(bucket, name) for bucket in self.buckets) for name in ("refused", "failed"))
        if not refused + failed:
            return ()
        legend = [("refused", "429")] * bool(refused) + [("failed", "5xx or no response")] * bool(failed)
        bars = tuple(bar for place, bucket in enumerate(self.buckets) for bar in self._ticks(place, bucket))
        return (Chart("Refused and failed", _refusals(refused, failed), (), bars=bars, legend=tuple(legend)),)

    def _ticks(self, place: int, bucket: Bucket) -> list[Bar]:
        """Thin, whatever the width of a bucket: a refusal or two are no reason to worry."""
        title = f"{self._when(place)}: {_refusals(bucket.refused, bucket.failed)}"
        left = min(self.left((place + 0.5) * self.width), WIDTH - 2 * TICK_WIDTH)
        kinds = [kind for kind, count in (("refused", bucket.refused), ("failed", bucket.failed)) if count]
        return [
            Bar(round(left + TICK_WIDTH * n, 2), 0.0, TICK_WIDTH, HEIGHT, title, kind) for n, kind in enumerate(kinds)
        ]

    def _when(self, place: int) -> str:
        return span_text(place * self.width, self.seconds)

    def _points(self, values: Sequence[float], top: float) -> list[tuple[float, float]]:
        middle = [self.left((place + 0.5) * self.width) for place in range(len(values))]
        heights = [round(HEIGHT - value / top * HEIGHT, 2) for value in values]
        points = list(zip(middle, heights, strict=True))
        return [(0.0, heights[0]), *points, (WIDTH, heights[-1])]

    def _line(self, values: Sequence[float], top: float) -> str:
        return "M" + "L".join(f"{x:g} {y:g}" for x, y in self._points(values, top))

    def _area(self, values: Sequence[float], top: float) -> str:
        return f"{self._line(values, top)}V{HEIGHT:g}H0Z"

    def _spots(self, told: Callable[[Bucket], str]) -> tuple[Bar, ...]:
        width = self.left(self.width)
        return tuple(
            Bar(self.left(place * self.width), 0.0, width, HEIGHT, f"{self._when(place)}: {told(bucket)}")
            for place, bucket in enumerate(self.buckets)
        )


def _refusals(refused: int, failed: int) -> str:
    told = [f"{counted(refused, 'response')} with 429"] if refused else []
    return ", ".join([*told, f"{number(failed)} with 5xx or none"] if failed else told)


def _scale(top: float) -> tuple[str, ...]:
    return (_label(top), _label(top / 2) if top > 1 else "", "0")


def sparkline(values: Sequence[float]) -> str:
    """A small line from the oldest value to the newest, in a box of 100 by 24; empty for fewer than two values."""
    if len(values) < 2:
        return ""
    least, most = min(values), max(values)
    reach = (most - least) or 1.0
    step = 96.0 / (len(values) - 1)
    places = [(2 + n * step, 21.0 - (value - least) / reach * 18.0) for n, value in enumerate(values)]
    if most == least:
        places = [(x, 12.0) for x, _ in places]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


@dataclass(frozen=True, slots=True)
class Trend:
    """Rows over days, in the box of a chart; empty where there is nothing to draw."""

    area: str = ""
    line: str = ""


def trend_of(series: Sequence[tuple[float, float]]) -> Trend:
    """A line through these places on the x axis, between 0 and `WIDTH`, and values, oldest first.

    The axis begins at 0 only if the values come near it: else nothing but a flat line would be seen.
    """
    if not series:
        return Trend()
    values = [value for _, value in series]
    least, most = min(values), max(values)
    floor = max(0.0, least - (most - least))
    reach = (most - floor) / 0.92 if most > least else 0.0
    points = [(x, HEIGHT - (value - floor) / reach * HEIGHT if reach else HEIGHT / 2) for x, value in series]
    if len(points) == 1:
        points = [(0.0, points[0][1]), (WIDTH, points[0][1])]
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return Trend(f"{line}V{HEIGHT:g}H{points[0][0]:.1f}Z", line)
