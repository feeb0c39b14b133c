"""The administrators' tables: read where they are named, whole, typed, without a secret, and in no other case."""

import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

import axsync
from axsync.api import SYSTEM_TABLES
from axsync.console.check import check_exit_code
from axsync.emulator import Emulator, Mishap, Seen
from axsync.emulator.admin_rows import (
    ACTIVITIES,
    FETCHES,
    SECRETS,
    activity_rows,
    adapter_names,
    connection_rows,
    fetch_rows,
    known_adapters,
    operator_rows,
)
from axsync.errors import BadAnswer, ConfigError, LaneError, UnknownEntity
from axsync.events import Notice
from axsync.runs.check import check
from axsync.runs.inspect import entities, fields
from axsync.runs.plan import plan
from axsync.settings import EntitySettings
from tests.faults.secrets.marks import contents
from tests.flow.harness import Lab, attributes
from tests.flow.test_resumed import SMALL, broken_off

Start = Callable[..., Awaitable[Emulator]]

PROFILES = ("p6167", "p70", "p90", "v1")
ALL = tuple(SYSTEM_TABLES)
PATHS = {
    "adapters": ("/api/v2/adapters", "/api/adapters"),
    "fetches": ("/api/v2/adapters/fetch_history", "/api/adapters/history"),
    "queries": ("/api/v2/queries", "/api/queries/saved"),
    "activity": ("/api/v2/activity_logs", "/api/settings/audit"),
    "users": ("/api/v2/users", "/api/settings/users"),
}
"""What the emulator calls a path, in both generations."""


def asked(emulator: Emulator, *kinds: str) -> list[Seen]:
    """The requests for these."""
    return [seen for seen in emulator.log if any(seen.path in PATHS[kind] for kind in kinds)]


def sizes(emulator: Emulator) -> dict[str, int]:
    """Table → its rows at the emulator."""
    families = emulator.instance.models
    return {
        "system_adapters": len(known_adapters(families)),
        "system_connections": sum(len(connection_rows(name)) for name in adapter_names(families)),
        "system_fetch_history": FETCHES,
        "system_saved_queries": len(emulator.instance.queries),
        "system_activity_log": ACTIVITIES,
        "system_users": len(operator_rows()),
    }


@pytest.mark.parametrize("page_size", [0, 20])
@pytest.mark.parametrize("profile", PROFILES)
async def test_each_table_is_whole(lab: Lab, start: Start, profile: str, page_size: int) -> None:
    """Beside a type of assets, in pages of any size; every row once, each with an id, nothing rescued."""
    emulator = await start(profile)
    types = {table: EntitySettings(page_size=page_size) for table in ALL}
    instance = lab.instance(emulator, page_size=90)
    ran = await lab.run(lab.settings(instance, types=types, entities=("devices", *ALL)))

    assert (ran.report.verdict, ran.report.errors) == ("complete", ())
    expected = sizes(emulator)
    if profile == "v1":
        offered = [query for query in emulator.instance.queries if query.entity in emulator.fleets]
        expected["system_saved_queries"] = len(offered)  # as the emulator lists them there
    assert {table: lab.lane(table)["rows"] for table in ALL} == expected
    assert {table: len(set(lab.ids(table))) for table in ALL} == expected
    lanes = [lab.lane(table) for table in ALL]
    assert {(lane["rescued_values"], lane["dead_letters"], lane["duplicates"]) for lane in lanes} == {(0, 0, 0)}


@pytest.mark.parametrize("profile", ["p90", "v1"])
async def test_values_are_typed(lab: Lab, start: Start, profile: str) -> None:
    """Dates, numbers, flags and lists, as the server has them; two generations make the same columns."""
    emulator = await start(profile)
    await lab.run(lab.settings(lab.instance(emulator), entities=ALL))

    users = {row["uuid"]: row for row in lab.rows("system_users")}
    for one in operator_rows():
        assert {key: users[one["uuid"]][key] for key in one if "last_" not in key} == {
            key: value for key, value in one.items() if "last_" not in key
        }
        assert (users[one["uuid"]]["last_login"] is None) == (one["last_login"] is None)
    assert users[operator_rows()[0]["uuid"]]["last_login"] == datetime(2026, 11, 2, 12, tzinfo=UTC)
    fetches = {row["id"]: row for row in lab.rows("system_fetch_history")}
    for one in fetch_rows(emulator.instance.models):
        mine = fetches[one["id"]]
        assert (mine["devices_count"], mine["users_count"]) == (one["devices_count"], one["users_count"])
        assert (mine["realtime"], mine["adapter"]) == (one["realtime"], one["adapter"])
        assert mine["node_name"] == one["instance"]
    columns = {table: set(lab.lane(table)["columns"]) for table in ALL}
    assert columns == {table: {"internal_axon_id", *known.columns} for table, known in SYSTEM_TABLES.items()}
    table = lab.table("system_saved_queries")
    assert table is not None
    assert table.schema.field("fields").type == pa.list_(pa.string())


async def test_a_log_without_ids_keeps_its_rows_apart(lab: Lab, start: Start) -> None:
    """Each row of the activity log is there as often as it was served; its id is the same on the next day."""
    emulator = await start()
    settings: dict[str, Any] = {"entities": ("system_activity_log",)}
    await lab.run(lab.settings(lab.instance(emulator), **settings, logical_date="2026-11-20"))
    first = lab.ids("system_activity_log")
    keys = ("action", "category", "message", "type", "user", "role", "discovery_cycle_id")
    served = Counter(tuple(row.get(key) for key in keys) for row in activity_rows())
    await lab.run(lab.settings(lab.instance(emulator, page_size=77), **settings, logical_date="2026-11-21"))

    assert Counter(tuple(row[key] for key in keys) for row in lab.rows("system_activity_log")) == served
    assert lab.ids("system_activity_log") == first


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_run_of_everything_is_without_them(lab: Lab, start: Start, profile: str) -> None:
    """Nor are they listed; what the lake has of them stays, and is not read again."""
    emulator = await start(profile)
    settings = lab.settings(lab.instance(emulator))
    listed = await entities(settings)
    await lab.run(settings)
    assert {row.entity for row in listed} == {"devices", "users"}
    assert {lane["entity"] for lane in lab.manifest()["lanes"]} == {"devices", "users"}
    assert asked(emulator, "adapters", "fetches", "activity", "queries") == []

    await lab.run(lab.settings(lab.instance(emulator), entities=("system_users",)))
    ids, before = lab.ids("system_users"), len(asked(emulator, "users"))
    await lab.run(lab.settings(lab.instance(emulator), fresh=True))

    assert lab.ids("system_users") == ids != []
    assert lab.lane("system_users")["reason"] == "not part of this run"
    assert len(asked(emulator, "users")) == before


async def test_tables_of_an_instance_that_is_gone_go_with_it(lab: Lab, start: Start) -> None:
    """As everything of it does."""
    one, two = await start(), await start()
    places = lab.instance(one, "one"), lab.instance(two, "two")
    await lab.run(lab.settings(*places, entities=("devices", "system_users")))
    await lab.run(lab.settings(places[0], fresh=True))

    assert {(lane["instance"], lane["entity"]) for lane in lab.manifest()["lanes"]} == {
        *(("one", entity) for entity in ("devices", "users", "system_users"))
    }


@pytest.mark.parametrize("profile", PROFILES)
async def test_nothing_but_the_listings_is_asked(lab: Lab, start: Start, profile: str) -> None:
    """No catalogue, no count, no page of assets; one request for a table that comes whole."""
    emulator = await start(profile)
    await lab.run(lab.settings(lab.instance(emulator), entities=("system_adapters", "system_users")))

    assert not [seen for seen in emulator.log if seen.path.endswith(("/fields", "/count"))]
    probes = [seen for seen in emulator.log if seen.path.endswith("/devices")]
    assert len(probes) == 1  # by which a server is probed
    assert not [seen for seen in emulator.log if "system_" in seen.path]
    assert len(asked(emulator, "adapters")) == 1
    assert lab.lane("system_adapters")["requests"] == 1


@pytest.mark.parametrize("profile", ["p70", "v1"])
@pytest.mark.parametrize("status", [403, 404, 405, 400])
async def test_a_table_that_is_closed_is_skipped(lab: Lab, start: Start, profile: str, status: int) -> None:
    """With a notice; the others are whole, and what the lake had of it stays."""
    emulator = await start(profile)
    table = "system_activity_log"
    settings = lab.settings(lab.instance(emulator), entities=("devices", table, "system_users"), fresh=True)
    await lab.run(settings)
    before = lab.ids(table)
    emulator.mishaps.append(Mishap(str(status), on="activity", description="Settings are not for this role"))
    ran = await lab.run(settings)

    assert ran.verdicts() == {
        "prod/devices": "complete",
        f"prod/{table}": "skipped",
        "prod/system_users": "complete",
    }
    assert ran.report.errors == ()
    why = "forbidden" if status == 403 else "not offered"
    said, lost = [n.text for n in ran.of(Notice) if n.lane and n.lane.entity == table]
    assert lost.startswith(f"{table} had rows before and cannot be read now")
    assert said.startswith(f"skipped, {why}: ")
    assert "Settings are not for this role" in said
    assert lab.ids(table) == before != []


async def test_a_query_of_every_type_is_no_reason_to_fail_where_a_table_is_closed(lab: Lab, start: Start) -> None:
    """What is said of all types does not concern these tables."""
    emulator = await start("v1", mishaps=[Mishap("400", on="activity")])
    default = EntitySettings(query='("labels" == "tier1")', fields=("name",), extra_fields=("x",))
    settings = lab.settings(lab.instance(emulator), types={"default": default}, entities=("system_activity_log",))

    assert (await lab.run(settings)).verdicts() == {"prod/system_activity_log": "skipped"}


@pytest.mark.parametrize("status", ["500", "503"])
async def test_a_table_that_fails_costs_no_other(lab: Lab, start: Start, status: str) -> None:
    """It failed, with the server's words."""
    emulator = await start(mishaps=[Mishap(status, on="activity")])
    ran = await lab.run(lab.settings(lab.instance(emulator, tries=2), entities=("devices", "system_activity_log")))

    assert ran.verdicts() == {"prod/devices": "complete", "prod/system_activity_log": "failed"}


@pytest.mark.parametrize("profile", PROFILES)
async def test_no_secret_is_kept_or_told(lab: Lab, start: Start, profile: str) -> None:
    """In no file of the lake, whatever it is for, and in nothing that a run says."""
    emulator = await start(profile)
    ran = await lab.run(lab.settings(lab.instance(emulator), entities=ALL))
    said = repr(ran.events).encode() + repr(ran.report).encode()

    assert lab.lane("system_connections")["rows"] > 5
    for content in (said, *(content for _, content in contents(lab.lake))):
        assert not [secret for secret in SECRETS if secret.encode() in content]
        assert b"connection_config" not in content
    assert [path.name for path, _ in contents(lab.lake) if path.name == "journal"]


async def test_a_table_whose_rows_cannot_be_read_keeps_no_secret(lab: Lab, start: Start) -> None:
    """A dead letter tells its place, not what was there."""
    body = json.dumps({"adapters": [{"plugin_name": "a", "connections": [SECRETS[0], {"uuid": "u"}]}, SECRETS[1]]})
    emulator = await start(mishaps=[Mishap("other-body", on="adapters", body=body)])
    ran = await lab.run(lab.settings(lab.instance(emulator), entities=("system_connections", "system_adapters")))

    assert set(ran.verdicts().values()) == {"partial"}
    assert [lab.lane(table)["dead_letters"] for table in ("system_connections", "system_adapters")] == [1, 1]
    assert lab.ids("system_connections") == ["u"]
    for content in (repr(ran.events).encode(), *(content for _, content in contents(lab.lake))):
        assert not [secret for secret in SECRETS if secret.encode() in content]


@pytest.mark.parametrize("profile", ["p90", "v1"])
async def test_what_was_read_before_is_not_read_again(lab: Lab, start: Start, profile: str) -> None:
    """A run that was broken off goes on behind the pages that are durable."""
    emulator = await start(profile, latency_ms=20.0)
    settings = lab.settings(lab.instance(emulator, page_size=10), lake=SMALL, entities=("system_activity_log",))
    await broken_off(settings, sealed=3)
    before = len(asked(emulator, "activity"))
    ran = await lab.run(settings)

    assert ran.report.verdict == "complete"
    assert lab.lane("system_activity_log")["rows"] == len(lab.ids("system_activity_log")) == ACTIVITIES
    assert 0 < before < 45
    assert len(asked(emulator, "activity")) - before <= 45 + 1 - 3  # three parts hold a page each, at the least


@pytest.mark.parametrize("paging", ["token", "cursor"])
async def test_a_listing_has_no_tokens(lab: Lab, start: Start, paging: str) -> None:
    """However assets are paged."""
    emulator = await start("v1" if paging == "cursor" else "p90")
    await lab.run(lab.settings(lab.instance(emulator, paging=paging), entities=("system_fetch_history",)))

    assert lab.lane("system_fetch_history")["rows"] == FETCHES


@pytest.mark.parametrize("profile", ["p90", "v1"])
async def test_a_table_may_be_cut(lab: Lab, start: Start, profile: str) -> None:
    """`limit` is for every table, also for one that comes whole."""
    emulator = await start(profile)
    ran = await lab.run(lab.settings(lab.instance(emulator), entities=ALL, limit=7))

    assert {lab.lane(table)["rows"] for table in ALL} == {7}
    assert set(ran.verdicts().values()) == {"partial"}


def log_of(rows: Iterable[int], total: int | None) -> str:
    """A page of the activity log."""
    listed = [{"action": "Success", "message": f"number {row}"} for row in rows]
    return json.dumps({"logs": listed, "meta": {} if total is None else {"page": {"totalResources": total}}})


@pytest.mark.parametrize("total", [50, None])
async def test_a_page_that_repeats_is_an_error(lab: Lab, start: Start, total: int | None) -> None:
    """A server that knows nothing of pages is not taken for one with as many rows, and is not asked for ever."""
    emulator = await start(mishaps=[Mishap("other-body", on="activity", body=log_of(range(30), total))])
    ran = await lab.run(lab.settings(lab.instance(emulator, page_size=30), entities=("system_activity_log",)))

    assert ran.verdicts() == {"prod/system_activity_log": "failed"}
    assert [type(error) for error in ran.report.errors] == [LaneError]
    assert "repeats the same page" in str(ran.report.errors[0])
    assert len(asked(emulator, "activity")) <= 3


async def test_a_log_that_grows_is_read_to_its_end(lab: Lab, start: Start) -> None:
    """A new row pushes another onto the next page: the listing is read again, and nothing is lost."""
    newest = range(32, 0, -1)
    served = [(range(31, 1, -1), 31), *[(newest[30:], 32), (newest, 32), (newest[:30], 32)] * 2]
    mishaps = [Mishap("other-body", on="activity", times=1, body=log_of(*page)) for page in served]
    emulator = await start(mishaps=mishaps)
    settings = lab.settings(lab.instance(emulator, page_size=30), entities=("system_activity_log",))
    await lab.run(settings)

    lane = lab.lane("system_activity_log")
    assert sorted(row["message"] for row in lab.rows("system_activity_log")) == sorted(f"number {n}" for n in newest)
    assert (lane["verdict"], lane["repaired"], lane["count_after"]) == ("complete", 1, 32)


async def test_a_list_that_does_not_end_is_given_up(lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a thousand pages; here after five."""
    monkeypatch.setattr("axsync.runs.lane_reader.MOST_PAGES", 5)
    emulator = await start()
    settings = lab.settings(lab.instance(emulator, page_size=20), entities=("system_activity_log",))
    ran = await lab.run(settings)

    assert [type(error) for error in ran.report.errors] == [LaneError]
    assert "without end" in str(ran.report.errors[0])
    assert len(asked(emulator, "activity")) == 5


async def test_an_error_told_with_200_is_no_empty_table(lab: Lab, start: Start) -> None:
    """The table failed, with the server's words."""
    emulator = await start(mishaps=[Mishap("other-body", on="activity", body='{"error": "the log is busy"}')])
    ran = await lab.run(lab.settings(lab.instance(emulator, tries=2), entities=("system_activity_log",)))

    assert ran.verdicts() == {"prod/system_activity_log": "failed"}
    [error] = ran.report.errors
    assert isinstance(error, BadAnswer)
    assert error.detail == "the log is busy"


MISPLACED: dict[str, tuple[dict[str, EntitySettings], dict[str, Any], str]] = {
    "as_of": ({}, {"as_of": "latest"}, "as_of: Axonius keeps no history of system_users"),
    "query": ({"system_users": EntitySettings(query="x")}, {}, r"\[entities.system_users\]: query cannot be set"),
    "saved_query": ({"system_users": EntitySettings(saved_query="x")}, {}, "saved_query cannot be set"),
    "fields": ({"system_users": EntitySettings(fields=("uuid",))}, {}, "fields cannot be set"),
    "extra_fields": ({"system_users": EntitySettings(extra_fields=("x",))}, {}, "extra_fields cannot be set"),
    "details": ({"system_users": EntitySettings(details=("uuid",))}, {}, "details cannot be set"),
    "a table of its own": (
        {"people": EntitySettings(type="system_users", fields="full")},
        {"entities": ("people",)},
        r"\[entities.people\]: fields cannot be set, since system_users is always copied whole",
    ),
    "as_of of such a table": (
        {"people": EntitySettings(type="system_users")},
        {"entities": ("people",), "as_of": "2026-11-20"},
        "as_of: Axonius keeps no history of people",
    ),
}


@pytest.mark.parametrize("mistake", MISPLACED)
async def test_what_concerns_assets_is_refused(lab: Lab, start: Start, mistake: str) -> None:
    """In one sentence, before anything is asked or written; by a plan as well."""
    emulator = await start()
    types, run, words = MISPLACED[mistake]
    settings = lab.settings(lab.instance(emulator), types=types, **{"entities": ("system_users",), **run})
    with pytest.raises(ConfigError, match=words):
        await lab.run(settings)
    with pytest.raises(ConfigError, match=words):
        await plan(settings)
    assert (emulator.log, lab.lake.exists()) == ([], False)

    [checked] = await check(settings)
    assert check_exit_code([checked]) == 2
    assert re.search(words, checked.steps[-1].text)


async def test_what_is_said_of_every_type_does_not_concern_them(lab: Lab, start: Start) -> None:
    """Neither a query nor fields nor a saved query; what is said of pages does, and a table may have another name."""
    emulator = await start()
    default = EntitySettings(fields=("name",), saved_query="All devices", page_size=33)
    inherited = EntitySettings(type="system_fetch_history", fields=("name",), saved_query="All devices", page_size=50)
    types = {"default": default, "fetches": inherited}
    ran = await lab.run(lab.settings(lab.instance(emulator), types=types, entities=("fetches", "system_users")))

    assert (ran.report.verdict, ran.report.errors) == ("complete", ())
    assert lab.lane("fetches")["rows"] == FETCHES
    assert {attributes(seen)["page"]["limit"] for seen in asked(emulator, "fetches")} == {50}
    assert asked(emulator, "queries") == []


async def test_an_as_of_run_of_everything_is_no_mistake(lab: Lab, start: Start) -> None:
    """It reads none of them, also where they have settings."""
    emulator = await start()
    types = {"system_users": EntitySettings(page_size=9)}
    ran = await lab.run(lab.settings(lab.instance(emulator), types=types, as_of="latest"))

    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "complete"}


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_mistyped_table_is_refused(lab: Lab, start: Start, profile: str) -> None:
    """With the nearest name."""
    emulator = await start(profile)
    with pytest.raises(UnknownEntity, match="did you mean 'system_users'"):
        await lab.run(lab.settings(lab.instance(emulator), entities=("system_user",)))


@pytest.mark.parametrize("profile", PROFILES)
async def test_looks_and_plans_know_them(lab: Lab, start: Start, profile: str) -> None:
    """A check says which of them may be read, a plan and a dry run how many rows they have."""
    emulator = await start(profile, mishaps=[Mishap("403", on="activity")])
    named = ("devices", "system_activity_log", "system_users", "system_fetch_history")
    settings: dict[str, Any] = {"entities": named}
    [checked] = await check(lab.settings(lab.instance(emulator), **settings))
    planned = await plan(lab.settings(lab.instance(emulator), **settings))
    dry = await lab.run(lab.settings(lab.instance(emulator), **settings, dry_run=True))

    states = {one.entity: (one.state, one.count) for one in checked.entities if one.entity.startswith("system_")}
    assert states == {
        "system_activity_log": ("forbidden", None),
        "system_users": ("readable", len(operator_rows())),
        "system_fetch_history": ("readable", FETCHES),
    }
    rights = {row.entity: (row.right, row.count) for row in planned.rows}
    assert rights == {"devices": ("readable", 90), **states}
    assert dry.outcome("system_fetch_history").count_before == FETCHES
    assert not lab.lake.exists()


async def test_their_columns_are_listed_without_a_question(lab: Lab, start: Start) -> None:
    """There is no catalogue to ask for."""
    emulator = await start()
    listed = await fields(lab.settings(lab.instance(emulator)), "system_users")

    assert {row.field for row in listed} == {"internal_axon_id", *SYSTEM_TABLES["system_users"].columns}
    assert not [seen for seen in emulator.log if seen.path.endswith(("/fields", "/users"))]


async def test_a_table_is_streamed(lab: Lab, start: Start) -> None:
    """Without a lake."""
    emulator = await start()
    batches = [batch async for batch in axsync.stream(lab.settings(lab.instance(emulator)), "system_activity_log")]

    assert sum(batch.num_rows for batch in batches) == ACTIVITIES
    with pytest.raises(ConfigError, match="as_of"):
        [batch async for batch in axsync.stream(lab.settings(lab.instance(emulator), as_of="latest"), "system_users")]


async def test_a_record_of_shapes_is_without_them(lab: Lab, start: Start) -> None:
    """It is what an emulator serves as assets, which these tables are not."""
    emulator = await start()
    path = lab.folder / "probe.json"
    await check(lab.settings(lab.instance(emulator), entities=("devices", "system_users")), probe_to=path)
    record = json.loads(path.read_text())

    assert "devices" in record["entities"]
    assert not [name for name in (*record["entities"], *record["unread"]) if name.startswith("system_")]
