"""A lake in an object store: whatever becomes of a process that publishes, readers see a whole snapshot.

It is killed at each of its changes; or paused there, while another one takes over the lake, and then sends the request
that was under way. Two processes are two stores with one bucket.
"""

import hashlib
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from obstore.store import MemoryStore
from obstore.store import ObjectStore as Bucket

from axsync.errors import Busy, Overtaken
from axsync.lake import layout
from axsync.lake.history import find_run, half_published, readable
from axsync.lake.objects import ObjectStore
from axsync.lake.publish import Lake, RunFacts
from axsync.lake.replaced import remove_replaced
from axsync.model import Outcome
from axsync.runs.recovery import recover
from axsync.runs.state import memory_of, record
from axsync.settings import BY_COPY, BY_MANIFEST, Visible
from tests.faults.torture.place import FULL
from tests.stores.servers import SERVERS
from tests.unit.lake.memory import Killed, killed, paused
from tests.unit.lake.runs import DEVICES, FINISHED, USERS, facts, stage, whole

OLD, NEW, LATER = facts("aaaa"), facts("bbbb"), facts("cccc")
STEPS = 24
"""More than a publication has, from the lease to its release."""
STRIDE = 1 if FULL else 4
"""Of the steps that are tried on servers."""


class World:
    """A bucket with one published run, and another one that was read and is to be published."""

    def __init__(self, folder: Path, bucket: Bucket, visible: Visible) -> None:
        self.folder, self.bucket, self.prefix = folder, bucket, f"lakes/{uuid4().hex}"
        self.visible: Visible = visible
        lake = self.process()
        with self.held(lake, OLD):
            self.read(lake, OLD, 3)
            self.publish(lake, OLD)
        self.lake = self.process()  # of the one that is killed or paused
        self.read(self.lake, NEW, 4, 5)

    def process(self) -> Lake:
        store = ObjectStore(self.bucket, self.prefix, "test://lake", drafts=self.folder / "drafts")
        return Lake(store, visible=self.visible)

    def held(self, lake: Lake, run: RunFacts) -> AbstractContextManager[None]:
        return lake.store.hold(layout.LOCK, what="the lake", run=run.run_id)

    def read(self, lake: Lake, run: RunFacts, *sizes: int) -> None:
        run = replace(run, visible=self.visible)
        outcomes = [whole(lane, stage(lake, run, lane, *sizes)) for lane in (DEVICES, USERS)]
        journal = lake.journal(run.run_id).begin()
        journal.append(record("run_opened", facts=run, plan="p"))
        journal.append(record("lanes_chosen", lanes=[outcome.lane for outcome in outcomes]))
        for outcome in outcomes:
            for part in outcome.parts:
                journal.append(record("part_sealed", outcome.lane, part=part, letters_size=0))
            journal.append(record("lane_closed", outcome.lane, outcome=outcome))

    def outcomes(self, lake: Lake, run: RunFacts) -> list[Outcome]:
        return [lane.outcome for lane in memory_of(lake, run.run_id).lanes.values() if lane.outcome]

    def publish(self, lake: Lake, run: RunFacts) -> None:
        """As a run does at its end."""
        run, outcomes = replace(run, visible=self.visible), self.outcomes(lake, run)
        lake.publish(run, outcomes, finished_at=FINISHED)
        remove_replaced(lake, run, outcomes)
        for event in ("published", "finished"):
            lake.journal(run.run_id).append(record(event))

    def publish_new(self) -> None:
        with self.held(self.lake, NEW):
            self.publish(self.lake, NEW)

    def take_over(self, run: RunFacts | None) -> None:
        """Another process, which also publishes a run of its own if one is given."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("axsync.lake.lease._has_ended", lambda _lock: True)
            lake = self.process()
            with self.held(lake, run or NEW):
                recover(lake)
                if run:
                    self.read(lake, run, 2)
                    self.publish(lake, run)

    def seen(self) -> str:
        """The run that readers see, once its snapshot was found whole."""
        lake = self.process()
        found = find_run(lake, "latest")
        for file in (file for lane in found.snapshot.lanes for file in lane.files):
            assert hashlib.sha256(lake.store.read(file.path)).hexdigest() == file.sha256
        return found.snapshot.run_id

    def strays(self) -> list[str]:
        """Parts that the newest snapshot does not name, nor one that stays readable beside it; staged ones too."""
        lake = self.process()
        seen = [find_run(lake, "latest").snapshot] if self.visible == BY_COPY else readable(lake)
        named = {file.path for one in seen for lane in one.lanes for file in lane.files}
        found = [*lake.store.list(layout.ALL_PARTS), *lake.store.list(f"{layout.RUNS}/*/staging/**/*")]
        return [one.key for one in found if one.key not in named]


EACH = [(("memory", visible), step) for visible in (BY_COPY, BY_MANIFEST) for step in range(STEPS)]
TRIED = [
    pytest.param((name, visible), step, marks=pytest.mark.stores)
    for name in SERVERS
    for visible in (BY_COPY, BY_MANIFEST)
    for step in range(0, STEPS, STRIDE)
]
at_each_step = pytest.mark.parametrize(("world", "step"), [*EACH, *TRIED], indirect=["world"])


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    name, visible = request.param
    return World(tmp_path, MemoryStore() if name == "memory" else SERVERS[name]().bucket(), visible)


@at_each_step
@pytest.mark.fault(62)
def test_what_was_killed_while_it_published_is_carried_out_by_the_next_one(world: World, step: int) -> None:
    """From the record on that says what is to be published; before, nothing has happened."""
    before = world.strays()
    try:
        with killed(step):
            world.publish_new()
    except Killed:
        assert world.seen() in (OLD.run_id, NEW.run_id)
        begun = memory_of(world.lake, NEW.run_id)
        world.take_over(None)
        is_new = bool(begun.publishing or begun.published)
        assert (world.seen(), world.strays()) == ((NEW.run_id, []) if is_new else (OLD.run_id, before))
        assert half_published(world.lake) == ()
    else:
        assert step > 0
    world.take_over(LATER)
    assert world.seen() == LATER.run_id


@pytest.mark.parametrize("later", [None, LATER], ids=["nothing", "a run"])
@at_each_step
@pytest.mark.fault(62)
def test_who_wakes_and_was_overtaken_publishes_nothing(
    world: World, step: int, later: RunFacts | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request that was under way when it was paused is still sent, and no other one behind it."""
    found = list[str]()

    def meanwhile() -> None:
        world.take_over(later)
        found.append(world.seen())
        overdue(world, monkeypatch)

    with paused(step, meanwhile) as changes:
        try:
            world.publish_new()
        except (Busy, Overtaken):
            assert len(changes) > step
    if found:
        assert [world.seen()] == found


def overdue(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = world.lake.store._lease  # type: ignore[attr-defined]
    if lease is not None:
        monkeypatch.setattr(lease, "_at", -1e9)


@pytest.mark.parametrize("world", [("memory", BY_COPY)], indirect=True)
def test_a_late_request_in_the_midst_of_a_recovery_does_not_stop_it(world: World) -> None:
    """The pointer was read before; what came in between is followed, as it would have been a moment earlier."""
    with world.held(world.lake, NEW):
        world.publish(world.lake, NEW)
        assert world.lake.latest_run() == NEW.run_id
        world.process().point_to(OLD.run_id)
        world.lake.point_to(NEW.run_id)

    assert world.seen() == NEW.run_id
