"""The run over time, as it lies beside the journal."""

from collections.abc import Awaitable, Callable

from axsync.emulator import Emulator, Mishap
from axsync.events import Event, LaneClosed, Notice
from axsync.runs.timeline import Timeline, read_timeline
from tests.flow.harness import Lab
from tests.unit.lake.folders import FolderLake

Start = Callable[..., Awaitable[Emulator]]


def timeline(lab: Lab, run_id: str) -> Timeline:
    found = read_timeline(FolderLake(lab.lake), run_id)
    assert found is not None
    return found


async def test_a_run_leaves_its_timeline(lab: Lab, start: Start) -> None:
    """Every row, request and refusal is in it."""
    emulator = await start(mishaps=[Mishap("429", on="page", page=2, times=1)])
    ran = await lab.run(lab.settings(lab.instance(emulator)))
    found = timeline(lab, ran.report.run_id)

    assert sum(one.rows for one in found.buckets) == sum(outcome.rows for outcome in ran.report.outcomes)
    assert sum(one.answers for one in found.buckets) == sum(found.statuses.values()) == len(emulator.log)
    assert (sum(one.refused for one in found.buckets), found.statuses["429"]) == (1, 1)
    assert {(one.instance, one.entity) for one in found.lanes} == {("prod", "devices"), ("prod", "users")}
    assert sum(found.retries.values()) == 1


async def test_a_timeline_that_cannot_be_kept_is_a_notice(lab: Lab, start: Start) -> None:
    """The run is as complete as any other."""
    emulator = await start()

    def in_the_way(event: Event) -> None:
        if isinstance(event, LaneClosed):
            for folder in lab.lake.glob("_axsync/runs/*"):
                (folder / ".timeline.json.draft").mkdir(exist_ok=True)

    ran = await lab.run(lab.settings(lab.instance(emulator)), in_the_way)

    assert ran.report.verdict == "complete"
    assert [one.text for one in ran.of(Notice)] == ["the timeline of the run cannot be kept: Is a directory"]


async def test_a_run_that_is_taken_up_again_has_one_timeline(lab: Lab, start: Start) -> None:
    """What the first process read is in it as well."""
    emulator = await start(mishaps=[Mishap("500", entity="users", on="page", times=1)])
    settings = lab.settings(lab.instance(emulator, tries=1))
    first = await lab.run(settings)
    again = await lab.run(settings)
    found = timeline(lab, again.report.run_id)

    assert (first.report.verdict, again.report.verdict) == ("partial", "complete")
    assert first.report.run_id == again.report.run_id
    assert len(found.resumed_at) == 1
    assert sum(one.rows for one in found.buckets) == sum(outcome.rows for outcome in again.report.outcomes)
