"""`axsync backfill`: each day as it was served, whatever ends a process in between, and nobody waits for history."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import axsync
from axsync.cli import main
from axsync.config import load_settings
from axsync.console.backfill import backfill_exit_code
from axsync.emulator import Emulator, Mishap
from axsync.errors import Busy, ConfigError
from axsync.events import DayBegun, Event, Notice, PageRead, PartSealed, SnapshotPublished
from axsync.lake import layout
from axsync.lake.local import LocalStore
from axsync.lake.publish import Lake
from axsync.model import Lane
from axsync.runs.backfill import Backfill, backfill
from axsync.runs.setup import is_awaited, mark_backfill
from axsync.settings import EntitySettings, Settings
from tests.flow.harness import Lab, Ran, Record, at_once, attributes, exact, pages

Start = Callable[..., Awaitable[Emulator]]

MODULE = import_module("axsync.runs.backfill")  # `axsync.runs` has the function under this name
RUN = import_module("axsync.runs.run")
TODAY = datetime.now(UTC).date()
FEW = {"default": EntitySettings(fields=("name",))}
FIELDS = ("internal_axon_id", "adapters", "adapter_list_length", "labels", "specific_data.data.name")
DEVICES, USERS, SOFTWARE, GROUPS = (Lane("prod", name) for name in ("devices", "users", "software", "groups"))


def day(back: int) -> str:
    return str(TODAY - timedelta(days=back))


def served(emulator: Emulator, entity: str, of: str) -> dict[str, Record]:
    """Id → record as the emulator serves it for a day of history."""
    instance = emulator.instance
    rows = instance.datasets[entity]
    texts = [rows.renderer.row(n, rows.layout(FIELDS)) for n in rows.on_day(instance.newest, date.fromisoformat(of))]
    records = (json.loads(text, parse_float=Decimal, parse_int=Decimal) for text in texts)
    return {one["internal_axon_id"]: {key: exact(value) for key, value in one.items()} for one in records}


def stored(lab: Lab, entity: str, of: str) -> dict[str, object]:
    """The same as the lake gives it back, through the manifest of that day."""
    manifest = axsync.load_manifest(lab.lake, of)
    assert (manifest["logical_date"], manifest["as_of"]) == (of, of)
    lane = next(one for one in manifest["lanes"] if one["entity"] == entity)
    rows = [row for file in lane["files"] for row in pq.ParquetFile(lab.lake / file["path"]).read().to_pylist()]
    return {row["internal_axon_id"]: exact(axsync.restore(row, lane)) for row in rows}


def differing(lab: Lab, emulator: Emulator, entity: str, of: str) -> list[str]:
    there, truth = stored(lab, entity, of), served(emulator, entity, of)
    return sorted(one for one in there.keys() | truth.keys() if there.get(one) != truth.get(one))


async def fill(settings: Settings, oldest: int, newest: int = 0, *observers: Callable[[Event], None]) -> Backfill:
    return await backfill(settings, day(oldest), day(newest), observers=observers, jitter=at_once)


def states(done: Backfill) -> list[str]:
    """Newest first."""
    return [one.state for one in done.days]


async def killed_after(days: int, lab: Lab, config: Path, *arguments: str) -> None:
    """`axsync backfill` in a process of its own, which is killed once it has published so many days."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "axsync", "backfill", "--config", str(config), *arguments),
        env={"PATH": os.environ["PATH"], "HOME": str(lab.folder), "PYTHONPATH": str(Path(axsync.__file__).parents[1])},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    while len(list((lab.lake / layout.SNAPSHOTS).glob("*.json"))) < days:
        assert process.returncode is None
        await asyncio.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL


async def stopped_in(days: int, settings: Settings, oldest: int) -> None:
    """The same in this process, stopped as by a signal while a day is read."""
    seen = list[Event]()

    def stop(event: Event) -> None:
        seen.append(event)
        if isinstance(event, PartSealed) and sum(isinstance(one, SnapshotPublished) for one in seen) == days:
            task.cancel()

    task = asyncio.ensure_future(fill(settings, oldest, 0, stop))
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


@pytest.mark.parametrize(("profile", "days"), [("p90", 30), ("v1", 14)])
async def test_thirty_days_interrupted_twice(lab: Lab, start: Start, profile: str, days: int) -> None:
    """With two days missing, a type that has no history, and one that is forbidden: each day equals what was served."""
    emulator = await start(
        profile,
        {"devices": 30, "users": 9, "software": 3, "groups": 2},
        history_days=days,
        history_gaps=(4, 11),
        history_types=("devices", "users", "groups"),
        mishaps=[Mishap("403", entity="groups")],
    )
    keys = lab.keys("prod", emulator.api_key, emulator.api_secret)
    config = lab.folder / "axsync.toml"
    config.write_text(f"""
        [lake]
        uri = "{lab.lake}"
        [instances.prod]
        url = "{emulator.url}"
        api_key = "{keys.api_key}"
        api_secret = "{keys.api_secret}"
        requests_per_second = 5000
        in_flight = 8
        page_size = 20
        [entities.default]
        fields = ["name"]
        """)
    settings = load_settings(config)
    await killed_after(4, lab, config, "--from", day(days - 1), "--to", day(0))
    await stopped_in(4, settings, days - 1)
    before = {one["logical_date"] for one in map(json.loads, read_all(lab))}
    asked = len(emulator.log)
    done = await fill(settings, days - 1)

    gone = {day(4), day(11)}
    whole = {day(back) for back in range(days)} - gone
    assert {one.day for one in done.days if one.state == "none"} == gone
    assert {one.day for one in done.days if one.state in ("published", "there")} == whole
    assert [(one.day, e) for one in done.days if one.day in whole for e in ("devices", "users")] == [
        (one, e)
        for one in sorted(whole, reverse=True)
        for e in ("devices", "users")
        if not differing(lab, emulator, e, one)
    ]
    assert (SOFTWARE in done.never, GROUPS in done.closed, done.errors) == (True, True, ())
    assert backfill_exit_code(done) == 3  # two days are missing
    reread = {str(attributes(seen).get("history"))[:10] for seen in pages(emulator.log[asked:])}
    assert reread.isdisjoint(before)
    assert lab.manifest()["logical_date"] == day(0)
    in_order = [axsync.load_manifest(lab.lake, f"latest~{back}")["logical_date"] for back in range(len(whole))]
    assert in_order == sorted(whole, reverse=True)
    compared = CliRunner().invoke(
        main, ["diff", "latest~1", "latest", "devices", "--lake", str(lab.lake), "--output", "json"]
    )
    then, now = (served(emulator, "devices", one).keys() for one in (day(1), day(0)))
    (lane,) = json.loads(compared.stdout)["lanes"]
    assert (lane["added"], lane["removed"]) == (len(now - then), len(then - now))


def read_all(lab: Lab) -> list[bytes]:
    return [path.read_bytes() for path in (lab.lake / layout.SNAPSHOTS).glob("*.json")]


async def test_the_same_command_does_nothing_twice(lab: Lab, start: Start) -> None:
    """Days that are there are counted at most, also those of `axsync run --as-of`; the lake stays as it is."""
    emulator = await start(sizes={"devices": 9, "users": 4}, history_days=3, history_gaps=())
    settings = lab.settings(lab.instance(emulator), types=FEW)
    await lab.run(lab.settings(lab.instance(emulator), types=FEW, as_of=day(1)))
    first = await fill(settings, 2)
    before, asked = lab.everything(), len(emulator.log)
    second = await fill(settings, 2)

    assert (states(first), backfill_exit_code(first)) == (["published", "there", "published"], 0)
    assert (states(second), backfill_exit_code(second)) == (["there"] * 3, 0)
    assert {key: content for key, content in lab.everything().items() if "/lock" not in key} == {
        key: content for key, content in before.items() if "/lock" not in key
    }
    assert [seen.path for seen in emulator.log[asked:] if "/assets/" in seen.path and "types" not in seen.path] == []


async def test_what_the_lake_has_better_stays(lab: Lab, start: Start) -> None:
    """Live devices of a day are kept, its users are filled in beside them; days that are all live are not asked for."""
    emulator = await start(sizes={"devices": 9, "users": 4}, history_days=2)
    one = lab.instance(emulator)
    live = await lab.run(lab.settings(one, types=FEW, entities=("devices",)))
    done = await fill(lab.settings(one, types=FEW), 0)

    lanes = {lane["entity"]: lane for lane in axsync.load_manifest(lab.lake, day(0))["lanes"]}
    assert (states(done), done.days[0].lanes) == (["published"], 1)
    assert lanes["devices"]["from_run"] == live.report.run_id
    assert lanes["users"]["asked"]["as_of"] == day(0)
    again = await fill(lab.settings(one, types=FEW, entities=("devices",)), 0)
    assert (states(again), backfill_exit_code(again)) == (["kept"], 0)


async def test_a_day_is_compared_with_its_neighbour_alone(lab: Lab, start: Start) -> None:
    """Not with one of long ago: less than half of the day behind it is held back."""
    few = await start(sizes={"devices": 8}, today=TODAY - timedelta(days=1), history_days=2)
    many, tiny = await start(sizes={"devices": 20}), await start(sizes={"devices": 30})
    for emulator, back in ((many, 0), (tiny, 9)):
        await lab.run(lab.settings(lab.instance(emulator), types=FEW, logical_date=day(back)))
    settings = lab.settings(lab.instance(few), types=FEW)
    held = await fill(settings, 1, 1)
    meant = await fill(lab.settings(lab.instance(few), types=FEW, accept_drop=True), 2, 1)

    assert (states(held), backfill_exit_code(held)) == (["failed"], 5)
    assert "fell from 20 to" in str(held.all_errors[0])
    # The older one has 30 rows nine days before, and the day behind it has 8.
    assert (states(meant), backfill_exit_code(meant)) == (["published", "published"], 0)
    assert len(stored(lab, "devices", day(2))) < 15


async def test_nothing_of_another_day_stands_in(lab: Lab, start: Start) -> None:
    """A type without history of a day is told of; no older file is named for it."""
    emulator = await start("p90", {"devices": 9, "users": 4}, history_days=3, history_gaps=())
    one = lab.instance(emulator)
    await lab.run(lab.settings(one, types=FEW, logical_date=day(5)))
    await lab.run(lab.settings(one, types=FEW))
    emulator.instance.faults.append(Mishap("400", entity="users", on="count", times=1))
    done = await fill(lab.settings(one, types=FEW), 2, 1)

    assert [(one.day, one.lacking) for one in done.days] == [(day(1), (USERS,)), (day(2), ())]
    assert [lane["entity"] for lane in axsync.load_manifest(lab.lake, day(1))["lanes"]] == ["devices"]
    assert backfill_exit_code(done) == 3


async def test_a_host_that_goes_down_leaves_the_rest_for_later(lab: Lab, start: Start) -> None:
    """The days so far are there, no more are tried, and the exit code is worth a retry."""
    mishap = Mishap("503", on="page", page=lambda page: page.day == day(1))
    emulator = await start(sizes={"devices": 9}, history_days=5, history_gaps=(), mishaps=[mishap])
    settings = lab.settings(lab.instance(emulator, tries=1), types=FEW)
    done = await fill(settings, 4)
    emulator.instance.faults.clear()
    rest = await fill(settings, 4)

    assert (states(done), backfill_exit_code(done)) == (["published", "failed", "left", "left", "left"], 75)
    assert (states(rest), backfill_exit_code(rest)) == (["there", *["published"] * 4], 0)


async def test_each_instance_has_days_of_its_own(lab: Lab, start: Start) -> None:
    """What one lacks, or one that is down, costs the others nothing."""
    long, short = [await start(sizes={"devices": 9}, history_days=days, history_gaps=()) for days in (3, 1)]
    down = lab.instance(long, "down", url="http://127.0.0.1:1", tries=1)
    done = await fill(lab.settings(lab.instance(long, "long"), lab.instance(short, "short"), down, types=FEW), 1)

    assert [(one.state, one.lanes, one.lacking) for one in done.days] == [
        ("published", 2, ()),
        ("published", 1, (Lane("short", "devices"),)),
    ]
    assert ([error.__notes__ for error in done.errors], backfill_exit_code(done)) == ([["instance down"]], 3)


async def test_who_cannot_be_reached_any_more_is_asked_no_more(lab: Lab, start: Start) -> None:
    """The other instance goes on; and a type whose pages are forbidden is tried once."""
    mishaps = [Mishap("503", on="page", page=lambda page: page.day == day(1))]
    one = await start(sizes={"devices": 9}, history_days=4, history_gaps=(), mishaps=mishaps)
    sizes, closed = {"devices": 9, "users": 4}, [Mishap("403", entity="users", on="page")]
    other = await start(sizes=sizes, history_days=4, history_gaps=(), mishaps=closed)
    instances = (lab.instance(one, "one", tries=1), lab.instance(other, "other"))
    done = await fill(lab.settings(*instances, types=FEW), 3)

    assert [(each.state, each.lanes) for each in done.days] == [
        ("published", 3),
        ("partial", 2),
        ("published", 1),
        ("published", 1),
    ]
    assert {attributes(seen).get("history") for seen in one.log} - {None} == {day(0), day(1)}
    assert len(pages(other.log, "users")) == 1
    assert (done.closed, backfill_exit_code(done)) == ((Lane("other", "users"),), 3)


async def test_the_time_may_be_over(lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days that are not begun are left."""
    emulator = await start(sizes={"devices": 9}, history_days=5, history_gaps=())
    monkeypatch.setattr(MODULE._Backfill, "_seconds_left", lambda self: 60.0 - 50 * len(self.days))
    done = await fill(lab.settings(lab.instance(emulator), types=FEW, deadline_minutes=1.0), 3)

    assert (states(done), backfill_exit_code(done)) == (["published", "published", "left", "left"], 3)


async def test_days_beyond_the_retention_are_not_read(lab: Lab, start: Start) -> None:
    """The next run would remove them."""
    emulator = await start(sizes={"devices": 9}, history_days=5, history_gaps=(1,))
    rules = {"gc": True, "keep_daily": 2}
    done = await fill(lab.settings(lab.instance(emulator), types=FEW, lake=rules), 4)

    assert states(done) == ["published", "none", "published", "beyond", "beyond"]
    assert {seen.body.get("history") for seen in pages(emulator.log) if seen.body} == {day(0), day(2)}


async def test_a_dry_run_counts(lab: Lab, start: Start) -> None:
    """Nothing is written, no page is asked for."""
    emulator = await start(sizes={"devices": 9, "users": 4}, history_days=2)
    done = await fill(lab.settings(lab.instance(emulator), types=FEW, dry_run=True), 2)

    rows = [sum(len(served(emulator, entity, day(back))) for entity in ("devices", "users")) for back in (0, 1)]
    assert [(one.state, one.rows) for one in done.days] == [("due", rows[0]), ("due", rows[1]), ("none", 0)]
    assert pages(emulator.log) == []
    assert not lab.lake.exists()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who wait for each other look often."""
    for module, name in ((MODULE, "LOOK_SECONDS"), (MODULE, "WAIT_SECONDS"), (RUN, "TURN_SECONDS")):
        monkeypatch.setattr(module, name, 0.02)


@pytest.mark.usefixtures("quick")
async def test_a_run_of_the_night_does_not_wait_for_history(lab: Lab, start: Start) -> None:
    """It begins in the middle of a day, and is there; the backfill goes on behind it."""
    emulator = await start(sizes={"devices": 200}, history_days=3, history_gaps=(), latency_ms=20.0)
    settings = lab.settings(lab.instance(emulator, in_flight=2, page_size=10), types=FEW)
    nights, begun = list[asyncio.Future[Ran]](), list[int]()

    def begin_night(event: Event) -> None:
        begun.extend([event.number] if isinstance(event, DayBegun) else [])
        if isinstance(event, PageRead) and begun[-1] == 2 and not nights:
            nights.append(asyncio.ensure_future(lab.run(settings)))

    done = await fill(settings, 3, 1, begin_night)
    night = await nights[0]

    assert (night.report.verdict, states(done)) == ("complete", ["published", "published", "none"])
    assert [one for back in (1, 2) for one in differing(lab, emulator, "devices", day(back))] == []
    assert lab.manifest()["run_id"] == night.report.run_id


@pytest.mark.usefixtures("quick")
async def test_a_backfill_makes_way_for_whoever_waits(lab: Lab, start: Start) -> None:
    """It lets go of the lake in the middle of a day, and resumes that day: its rows are not read twice."""
    emulator = await start(sizes={"devices": 200}, history_days=1, latency_ms=20.0)
    settings = lab.settings(lab.instance(emulator, in_flight=2, page_size=10), types=FEW)
    store, told = LocalStore(lab.lake), list[str]()

    with ExitStack() as waiting:

        def wait(event: Event) -> None:
            if isinstance(event, PageRead) and not told:
                told.append("waits")
                waiting.enter_context(store.hold(layout.WAITING, what="the turn", run="r1"))
            elif isinstance(event, Notice) and "backfill yields" in event.text:
                with store.hold(layout.LOCK, what="the lake", run="r1"):
                    told.append(event.text)
                waiting.close()

        done = await fill(settings, 0, 0, wait)

    assert (states(done), len(told)) == (["published"], 2)
    assert len(pages(emulator.log)) <= 21 + 4  # 20 pages and the end; those that were under way
    assert differing(lab, emulator, "devices", day(0)) == []
    assert len(list((lab.lake / layout.RUNS).iterdir())) == 1


@pytest.mark.usefixtures("quick")
async def test_a_run_waits_behind_a_backfill_alone(lab: Lab, start: Start) -> None:
    """Behind anything else that holds the lake it does not wait."""
    emulator = await start(sizes={"devices": 3})
    settings = lab.settings(lab.instance(emulator), types=FEW)
    lake = Lake(LocalStore(lab.lake))
    with mark_backfill(lake), ExitStack() as day_of_history:
        day_of_history.enter_context(lake.store.hold(layout.LOCK, what="the lake", run="r1"))

        def let_pass(event: Event) -> None:
            if isinstance(event, Notice) and "will yield" in event.text:
                day_of_history.close()

        ran = await lab.run(settings, let_pass)
    with lake.store.hold(layout.LOCK, what="the lake", run="r1"), pytest.raises(Busy, match="run r1"):
        await lab.run(lab.settings(lab.instance(emulator), types=FEW, fresh=True))

    assert ran.report.verdict == "complete"
    assert not is_awaited(lake)


async def test_one_backfill_at_a_time(lab: Lab, start: Start) -> None:
    """The second is told who is at work; so it is where a run holds the lake at the beginning."""
    emulator = await start(sizes={"devices": 3})
    settings = lab.settings(lab.instance(emulator), types=FEW)
    lake = Lake(LocalStore(lab.lake))
    with mark_backfill(lake), pytest.raises(Busy, match="backfill"):
        await fill(settings, 1)
    with lake.store.hold(layout.LOCK, what="the lake", run="r1"), pytest.raises(Busy, match="run r1"):
        await fill(settings, 1)


@pytest.mark.parametrize(
    ("first", "last"), [("2026-01-02", "2026-01-01"), ("2026-01-01", "2999-01-01"), ("x", "today")]
)
async def test_days_that_make_no_sense_are_refused(lab: Lab, start: Start, first: str, last: str) -> None:
    """Before anything is sent or written."""
    emulator = await start(sizes={"devices": 3})
    with pytest.raises(ConfigError, match="--"):
        await backfill(lab.settings(lab.instance(emulator)), first, last)

    assert (list(emulator.log), lab.lake.exists()) == ([], False)
