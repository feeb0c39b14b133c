"""How the server merges what several adapters say: the newest date bare, lists distinct, all of it on request."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from axsync.emulator.dataset import build_datasets
from axsync.emulator.fields import SEEN, Stamp
from axsync.emulator.options import PROFILES, Options
from axsync.emulator.samples import distinct, newest

if TYPE_CHECKING:
    from tests.emulator.conftest import Client, Start

MERGED = ("last_seen", "fetch_time", "first_fetch_time", "last_logon", "last_password_change")
LISTED = ("first_seen", "user_created", "last_fetch")
TEXTS = ("username", "is_admin", "logon_count", "groups")
USERS = [f"specific_data.data.{name}" for name in (*MERGED, *LISTED, *TEXTS)]


async def served(client: Client, entity: str, fields: list[str], **more: Any) -> list[dict[str, Any]]:
    if client.emulator.options.profile == "v1":
        answer = (await client.page_v1(entity, fields, **more)).json["data"]
        return [row["attributes"] for row in answer]
    rows: list[dict[str, Any]] = (await client.page(entity, fields=fields, **more)).json["assets"]
    return rows


def values(rows: list[dict[str, Any]], name: str) -> list[Any]:
    full = f"specific_data.data.{name}"
    return [row[full] for row in rows if full in row]


@pytest.mark.parametrize("profile", ["p70", "p90", "v1"])
async def test_five_dates_are_bare_and_the_others_lists(start: Start, profile: str) -> None:
    """By default, in both generations."""
    rows = await served(await start(profile=profile), "users", USERS)

    for name in MERGED:
        assert values(rows, name)
        assert all(isinstance(value, str) for value in values(rows, name)), name
    for name in LISTED:
        assert values(rows, name)
        assert all(isinstance(value, list) for value in values(rows, name)), name


async def test_the_bare_date_is_the_newest_of_what_the_adapters_say(start: Start) -> None:
    """As the full list shows."""
    field = "specific_data.data.fetch_time"
    bare = values(await served(await start(), "devices", [field]), "fetch_time")
    every = values(await served(await start(merged_dates="list"), "devices", [field]), "fetch_time")

    assert any(len(dates) > 1 for dates in every)
    assert bare == [max(dates, key=parsedate_to_datetime) for dates in every]


async def test_each_row_has_a_last_seen_of_its_own(start: Start) -> None:
    """Bare, and other than its neighbours'."""
    dates = values(await served(await start(), "devices", ["specific_data.data.last_seen"]), "last_seen")

    assert len(set(dates)) == len(dates) == 100


@pytest.mark.parametrize("profile", ["p70", "v1"])
async def test_lists_are_distinct(start: Start, profile: str) -> None:
    """Texts, flags, numbers and lists of texts; and no value of the full list is lost."""
    once = await served(await start(profile=profile), "users", USERS)
    every = await served(await start(profile=profile, merged_dates="list"), "users", USERS)

    for name in TEXTS:
        some, all_of_them = values(once, name), values(every, name)
        assert some == [list(dict.fromkeys(one)) for one in all_of_them]
        assert some != all_of_them, name


@pytest.mark.parametrize("profile", ["p6164", "v1"])
async def test_plain_data_keeps_what_comes_twice(start: Start, profile: str) -> None:
    """One value per adapter entity with return_plain_data; the dates stay bare."""
    client, full = await start(profile=profile), await start(profile=profile, merged_dates="list")
    plain = await served(client, "users", USERS, return_plain_data=True)
    every = await served(full, "users", USERS)

    for name in (*LISTED, *TEXTS):
        assert values(plain, name) == values(every, name)
    assert all(isinstance(value, str) for value in values(plain, "last_seen"))
    dataset = client.emulator.datasets["users"]
    assert plain == [json.loads(dataset.record(at, USERS, plain=True)) for at in range(len(plain))]


def test_rows_of_a_table_stay_although_they_are_equal() -> None:
    """Complex lists are not made distinct; texts beside them are."""
    assert distinct([{"a": 1}, {"a": 1}]) == [{"a": 1}, {"a": 1}]
    assert distinct(["x", "y", "x", 1, True, 1]) == ["x", "y", 1, True]


def test_a_drifted_date_is_served_before_a_right_one() -> None:
    """It does not vanish behind the newest; nothing comes of nothing."""
    assert newest([Stamp(2), Stamp(5), Stamp(3)]) == Stamp(5)
    assert newest([Stamp(2), "never"]) == "never"
    assert newest([Stamp(2), Stamp(1, "naive")]) == Stamp(1, "naive")
    assert newest([SEEN, SEEN]) == SEEN
    assert newest([]) == []


def test_the_old_shape_weighs_more() -> None:
    """Both can be measured against each other: the same rows, merged or not."""
    one, other = (build_datasets(Options(merged_dates=form), PROFILES["p70"])["devices"] for form in ("newest", "list"))
    fields = ["specific_data.data.last_seen", "specific_data.data.domain"]
    merged, full = ([json.loads(dataset.record(at, fields)) for at in range(200)] for dataset in (one, other))

    assert all(isinstance(row["specific_data.data.last_seen"], list) for row in full)
    assert [row["internal_axon_id"] for row in merged] == [row["internal_axon_id"] for row in full]
    assert len(json.dumps(merged)) < len(json.dumps(full))
