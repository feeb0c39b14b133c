"""The run over time, kept beside its journal. That it cannot be kept is no reason for a run to fail."""

from collections.abc import Callable
from dataclasses import dataclass

from axsync.lake import layout
from axsync.lake.publish import Lake
from axsync.runs.timeline import Sampler, Timeline, decode, encode, joined


@dataclass(frozen=True, slots=True)
class TimelineFile:
    """What one process sees of a run."""

    lake: Lake
    sampler: Sampler

    @classmethod
    def begin(cls, lake: Lake, now: Callable[[], float]) -> "TimelineFile":
        return cls(lake, Sampler(now))

    def keep(self, run_id: str, timeline: Timeline, *, resumes: bool) -> str:
        """Write it down, behind what earlier processes of the run saw; returns why it cannot be kept. Blocks."""
        earlier = read_timeline(self.lake, run_id) if resumes else None
        try:
            self.lake.store.write(layout.timeline(run_id), encode(joined(earlier, timeline) if earlier else timeline))
        except OSError as error:
            return f"the timeline of the run cannot be kept: {error.strerror or error}"
        return ""


def read_timeline(lake: Lake, run_id: str) -> Timeline | None:
    """The run over time; None where nothing is known, or nothing that can be read."""
    try:
        return decode(lake.store.read(layout.timeline(run_id)))
    except (OSError, ValueError):
        return None
