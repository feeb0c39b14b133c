"""What a date has is never replaced by less, unless that is asked for; and a day of history has its own date."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from axsync.console.run_result import exit_code
from axsync.emulator import Emulator, Mishap
from axsync.errors import ConfigError, ReplacesBetter
from axsync.events import Notice
from axsync.lake import layout
from axsync.lake.history import find_run
from axsync.lake.publish import open_lake
from axsync.model import Asked, Outcome
from axsync.runs.days import is_day_of
from axsync.settings import EntitySettings
from axsync.snapshots.forget import forget
from axsync.snapshots.verify import verify
from tests.flow.harness import Lab, Ran, pages

Start = Callable[..., Awaitable[Emulator]]

NOW = datetime.now(UTC)
TODAY, BEFORE = (str(NOW.date() - timedelta(days=back)) for back in (0, 1))
FEW = EntitySettings(fields=("name",))
FILTERED = EntitySettings(fields=("name",), query='("specific_data.data.name" != "nobody")')


def code(ran: Ran) -> int:
    return exit_code(ran.report, dry_run=False)


def owners(lab: Lab) -> dict[tuple[str, str], str]:
    """Day and entity type → the run whose files a glob finds there; exactly one."""
    found: dict[tuple[str, str], set[str]] = {}
    for path in lab.lake.glob(layout.ALL_PARTS):
        entity, _, day, name = path.relative_to(lab.lake).parts
        found.setdefault((day.removeprefix("dt="), entity.removeprefix("entity=")), set()).add(layout.run_of_part(name))
    assert all(len(runs) == 1 for runs in found.values()), found
    return {place: runs.pop() for place, runs in found.items()}


@dataclass
class Runs:
    """Runs against one emulator, whose pages can be spoiled, and what was published for which date."""

    lab: Lab
    emulator: Emulator
    spoiled: dict[str, bool]
    seen: dict[tuple[str, str], Outcome] = field(default_factory=dict)

    async def run(self, *, wish: EntitySettings = FEW, **run: Any) -> Ran | None:
        """None where it is refused before anything is sent."""
        sent = len(self.emulator.log)
        run = {"accept_drop": True} | run
        settings = self.lab.settings(self.lab.instance(self.emulator), types={"default": wish}, **run)
        try:
            return await self.lab.run(settings)
        except ReplacesBetter:
            assert len(self.emulator.log) == sent
            return None

    async def step(self, chance: Random) -> None:
        """One run of any kind; what it replaces is as good as what was there."""
        self.spoiled.update(dict.fromkeys(self.spoiled, False))
        self.spoiled[chance.choice(["400", "no-id", "none", "none"])] = True
        as_of = chance.choice([None, None, TODAY, BEFORE])
        before = owners(self.lab)
        ran = await self.run(
            wish=chance.choice([FEW, FEW, FILTERED]),
            entities=chance.choice([(), ("devices",), ("users",)]),
            as_of=as_of,
            logical_date=chance.choice([None, None, TODAY, BEFORE]),
            limit=chance.choice([None, None, 3, 50]),
            fresh=chance.random() < 0.7,
        )
        after = owners(self.lab)
        assert after.keys() >= before.keys()
        for (day, entity), run_id in after.items():
            if before.get((day, entity)) == run_id:
                continue
            assert ran is not None
            assert (ran.report.logical_date, ran.report.run_id) == (day, run_id)
            self.check(day, entity, ran.outcome(entity))

    def check(self, day: str, entity: str, came: Outcome) -> None:
        there = self.seen.get((day, entity))
        self.seen[day, entity] = came
        if there is not None and there.verdict == "complete":
            had, has = there.asked or Asked(), came.asked or Asked()
            assert came.verdict == "complete"
            assert has.query in ("", had.query)
            assert has.as_of == had.as_of or (has.as_of is None and is_day_of(NOW, day))


@pytest.mark.parametrize("guards", ["both", "the later one"])
@pytest.mark.parametrize("seed", range(3))
async def test_no_complete_lane_is_replaced_by_anything_but_one_as_good(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch, seed: int, guards: str
) -> None:
    """Over random sequences of runs: live, limited, filtered, history, failing, of dead letters, fresh, other types."""
    if guards != "both":
        monkeypatch.setattr("axsync.runs.run.refuse_worse", lambda *_: None)
    spoiled = {"400": False, "no-id": False, "none": False}

    def when(kind: str) -> Callable[[object], bool]:
        return lambda _page: spoiled[kind]

    mishaps = [Mishap(kind, entity="devices", on="page", page=when(kind), share=0) for kind in ("400", "no-id")]
    runs = Runs(lab, await start(sizes={"devices": 6, "users": 4}, mishaps=mishaps), spoiled)
    chance = Random(seed)
    for _ in range(15):
        await runs.step(chance)
    assert runs.seen


async def test_a_limited_run_never_replaces_a_whole_day(lab: Lab, start: Start) -> None:
    """It is refused before anything is sent; `--replace-worse` says that it is meant, also to the drop guard."""
    runs = Runs(lab, await start(sizes={"devices": 6}), {})
    await runs.run()
    before = lab.everything()

    assert await runs.run(limit=5) is None
    assert lab.everything() == before
    meant = await runs.run(limit=2, replace_worse=True, accept_drop=False)
    assert meant is not None
    assert (code(meant), len(lab.ids("devices")), lab.lane("devices")["asked"]["limit"]) == (3, 2, 2)
    whole = await runs.run()
    assert whole is not None
    assert (code(whole), len(lab.ids("devices"))) == (0, 6)


async def test_what_turns_out_worse_is_kept_back_lane_by_lane(lab: Lab, start: Start) -> None:
    """Devices of the day stay, users are replaced, exit code 5; the same command that means it publishes both."""
    spoiled = {"no-id": False}
    mishap = Mishap("no-id", entity="devices", on="page", page=lambda _page: spoiled["no-id"], share=0)
    runs = Runs(lab, await start(sizes={"devices": 6, "users": 4}, mishaps=[mishap]), spoiled)
    first = await runs.run()
    spoiled["no-id"] = True
    second = await runs.run(fresh=True)

    assert first is not None
    assert second is not None
    lane = lab.lane("devices")
    assert (code(second), lane["from_run"], len(lab.ids("devices"))) == (5, first.report.run_id, 6)
    assert lane["reason"].endswith("stays; a partial lane never replaces a complete lane")
    assert owners(lab) == {(TODAY, "devices"): first.report.run_id, (TODAY, "users"): second.report.run_id}
    asked = len(runs.emulator.log)
    meant = await runs.run(replace_worse=True)
    assert meant is not None
    assert (code(meant), lab.lane("devices")["verdict"]) == (3, "partial")
    assert len(runs.emulator.log) == asked


@pytest.mark.parametrize(
    ("profile", "as_of"), [("p90", BEFORE), ("v1", "yesterday"), ("p90", "latest"), ("v1", "latest")]
)
async def test_a_day_of_history_has_its_own_date(lab: Lab, start: Start, profile: str, as_of: str) -> None:
    """Its manifest names the day; today's live data stay, also as `latest`; the same command again does nothing."""
    emulator = await start(profile, {"devices": 9}, today=NOW.date() - timedelta(days=1))
    runs = Runs(lab, emulator, {})
    live = await runs.run()
    past = await runs.run(as_of=as_of)

    assert live is not None
    assert past is not None
    assert (code(past), past.report.logical_date, past.report.latest) == (0, BEFORE, False)
    assert lab.manifest()["run_id"] == live.report.run_id
    lake = open_lake(lab.settings(lab.instance(emulator)).lake)
    assert lake is not None
    found = find_run(lake, "yesterday")
    assert (found.snapshot.run_id, found.snapshot.as_of, found.latest) == (past.report.run_id, BEFORE, False)
    assert find_run(lake, "latest~1").snapshot.run_id == past.report.run_id
    before = lab.everything()
    again = await runs.run(as_of=as_of)
    assert again is not None
    assert again.report.run_id == past.report.run_id
    assert lab.everything() == before


async def test_a_backfilled_day_is_compared_with_days_before_it(lab: Lab, start: Start) -> None:
    """Not with today: it may have had far fewer assets then."""
    few, many = await start(sizes={"devices": 3}), await start(sizes={"devices": 20})
    today = await lab.run(lab.settings(lab.instance(many), types={"default": FEW}))
    past = await lab.run(lab.settings(lab.instance(few), types={"default": FEW}, logical_date="2026-01-02"))
    fallen = await lab.run(lab.settings(lab.instance(few), types={"default": FEW}))

    assert (code(today), code(past), code(fallen)) == (0, 0, 5)
    assert lab.manifest()["run_id"] == today.report.run_id
    assert owners(lab)["2026-01-02", "devices"] == past.report.run_id


async def test_a_mistyped_date_never_costs_the_day_that_it_names(lab: Lab, start: Start) -> None:
    """Its live data, read on the day itself, are nobody's to read again; that data get another date is always told."""
    day = str(NOW.date() - timedelta(days=3))
    runs = Runs(lab, await start(sizes={"devices": 6}), {})
    first = await runs.run(logical_date=day)
    assert first is not None
    assert first.of(Notice)[0].text == f"live data of {TODAY} is stored under {day}"
    again = await runs.run(logical_date=day, fresh=True)
    assert again is not None
    assert owners(lab) == {(day, "devices"): again.report.run_id}
    manifest = lab.lake / str(again.report.manifest)
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"started_at": f"{day}T02:00:00Z"}))

    assert await runs.run(logical_date=day, fresh=True) is None
    assert owners(lab) == {(day, "devices"): again.report.run_id}
    meant = await runs.run(logical_date=day, fresh=True, replace_worse=True)
    assert meant is not None
    assert owners(lab) == {(day, "devices"): meant.report.run_id}
    today = await runs.run()
    assert today is not None
    assert not [n.text for n in today.of(Notice) if "is stored under" in n.text]


async def test_what_a_forgotten_run_had_replaced_is_read_again(lab: Lab, start: Start) -> None:
    """A run whose files are gone is not finished; of its types only those that are gone are read."""
    runs = Runs(lab, await start(sizes={"devices": 6, "users": 4}), {})
    first = await runs.run(entities=("devices", "users"))
    await runs.run(entities=("users",))
    lake = open_lake(lab.settings(lab.instance(runs.emulator)).lake)
    assert first is not None
    assert lake is not None
    assert forget(lake, "latest").lost == ("prod/users",)
    assert verify(lake, find_run(lake, "latest")).faults
    sent = len(runs.emulator.log)
    again = await runs.run(entities=("devices", "users"))

    assert again is not None
    assert (code(again), again.report.run_id) == (0, first.report.run_id)
    assert {"files of prod/users that this run had published are gone; it is read again"} < {
        n.text for n in again.of(Notice)
    }
    assert [lane for lane in ("devices", "users") if pages(runs.emulator.log[sent:], lane)] == ["users"]
    assert verify(lake, find_run(lake, "latest")).faults == ()
    sent = len(runs.emulator.log)
    done = await runs.run(entities=("devices", "users"))
    assert done is not None
    assert (done.report.run_id, len(runs.emulator.log)) == (first.report.run_id, sent)


async def test_rows_of_a_query_that_follow_all_rows_are_told_of(lab: Lab, start: Start) -> None:
    """They are published, and the manifest tells as well; the next day of that query is as before."""
    runs = Runs(lab, await start(sizes={"devices": 6}), {})
    told = list[bool]()
    for back, wish in ((9, FEW), (8, FILTERED), (7, FILTERED)):
        ran = await runs.run(wish=wish, logical_date=str(NOW.date() - timedelta(days=back)))
        assert ran is not None
        assert code(ran) == 0
        told.append(any("Give a query a lake of its own" in text for text in lab.lane("devices")["notices"]))

    assert told == [False, True, False]


async def test_instances_with_different_newest_days_are_read_one_by_one(lab: Lab, start: Start) -> None:
    """A snapshot is of one day of history, so `latest` has to be the same for all."""
    days = [NOW.date() - timedelta(days=back) for back in (1, 2)]
    hosts = [lab.instance(await start(sizes={"devices": 5}, today=day), name=f"of-{day}") for day in days]

    told = ", ".join(f"{day} for of-{day}" for day in days)
    with pytest.raises(ConfigError, match=f"latest is {told}; name a day"):
        await lab.run(lab.settings(*hosts, as_of="latest"))
    assert not (lab.lake / "_axsync" / "runs").exists()


@pytest.mark.parametrize("key", ["logical_date", "as_of"])
async def test_a_day_to_come_is_refused(lab: Lab, start: Start, key: str) -> None:
    """Before anything is sent; a logical date may be today somewhere on earth."""
    emulator = await start(sizes={"devices": 3})
    day: dict[str, Any] = {key: str(NOW.date() + timedelta(days=2))}
    with pytest.raises(ConfigError, match=rf"{key} \(--.*\) is .*, a day that has not come yet"):
        await lab.run(lab.settings(lab.instance(emulator), **day))
    assert emulator.log == []
