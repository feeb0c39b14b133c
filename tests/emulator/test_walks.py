"""Walks by offset, token and cursor."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.emulator.conftest import Client, Start


async def by_offset(client: Client, entity: str, limit: int) -> list[list[str]]:
    pages: list[list[str]] = []
    offset = 0
    while True:
        rows = (await client.page(entity, offset=offset, limit=limit)).json["assets"]
        pages.append([row["internal_axon_id"] for row in rows])
        offset += len(rows)
        if not rows:
            return pages


async def by_token(client: Client, entity: str, limit: int) -> list[list[str]]:
    pages: list[list[str]] = []
    more: dict[str, Any] = {}
    while True:
        answer = (await client.page(entity, page={"limit": limit}, **more)).json
        pages.append([row["internal_axon_id"] for row in answer["assets"]])
        if not answer["meta"]["next_page"]:
            return pages
        more = {"next_page": answer["meta"]["next_page"]}


async def by_cursor(client: Client, entity: str, limit: int, *, offsets: bool) -> tuple[list[list[str]], set[str]]:
    pages: list[list[str]] = []
    cursors: set[str] = set()
    cursor, offset = None, 0
    while True:
        page = {"offset": offset, "limit": limit} if offsets else {"limit": limit}
        answer = (await client.page_v1(entity, page=page, cursor_id=cursor)).json
        pages.append([row["id"] for row in answer["data"]])
        cursor = answer["meta"]["cursor"]
        cursors.add(cursor)
        offset += len(answer["data"])
        if not answer["data"]:
            return pages, cursors


@pytest.mark.parametrize("profile", ["p6164", "p6167", "p70", "p90"])
@pytest.mark.parametrize("limit", [1, 25, 60, 61, 2000])
async def test_offsets_give_each_id_once(start: Start, profile: str, limit: int) -> None:
    """Whatever the limit, also an exact multiple of it."""
    client = await start(profile=profile)

    pages = await by_offset(client, "users", limit)

    assert [one for page in pages for one in page] == client.emulator.datasets["users"].ids()


@pytest.mark.parametrize("profile", ["p70", "p90"])
@pytest.mark.parametrize("limit", [7, 30, 60])
async def test_tokens_give_each_id_once(start: Start, profile: str, limit: int) -> None:
    """The token is there on the last full page; the page after it is empty and has none."""
    client = await start(profile=profile)

    pages = await by_token(client, "users", limit)

    assert [one for page in pages for one in page] == client.emulator.datasets["users"].ids()
    assert len(pages) == -(-60 // limit) + 1
    assert pages[-1] == []


async def test_page_numbers_follow_the_token(start: Start) -> None:
    """As in the table of the reference: 1, 2, and a total that stays."""
    client = await start(sizes={"users": 4})

    first = (await client.page("users", page={"limit": 2})).json["meta"]
    second = (await client.page("users", page={"limit": 2}, next_page=first["next_page"])).json["meta"]

    assert first["page"] == {"number": 1, "size": 2, "totalPages": 2, "totalResources": 4}
    assert second["page"] == {"number": 2, "size": 2, "totalPages": 2, "totalResources": 4}
    assert second["next_page"]


async def test_token_can_be_used_again(start: Start) -> None:
    """A repeated call gets the same rows."""
    client = await start()
    token = (await client.page("users", page={"limit": 20})).json["meta"]["next_page"]

    once = (await client.page("users", page={"limit": 20}, next_page=token)).json["assets"]

    assert (await client.page("users", page={"limit": 20}, next_page=token)).json["assets"] == once


async def test_token_is_bound_to_its_request(start: Start) -> None:
    """Another body, an invented token and an old one are refused."""
    client = await start(token_seconds=0.05)
    token = (await client.page("users")).json["meta"]["next_page"]

    assert (await client.page("users", next_page=token, fields=["labels"])).status == 400
    assert (await client.page("users", next_page="tok-1")).status == 400
    await asyncio.sleep(0.1)
    assert "expired" in (await client.page("users", next_page=token)).refusal


@pytest.mark.parametrize("offsets", [True, False])
@pytest.mark.parametrize("limit", [7, 30, 60])
async def test_cursors_give_each_id_once(start: Start, offsets: bool, limit: int) -> None:
    """One cursor per walk, an extra empty page, with offsets beside it or without."""
    client = await start(profile="v1")

    pages, cursors = await by_cursor(client, "users", limit, offsets=offsets)

    assert [one for page in pages for one in page] == client.emulator.datasets["users"].ids()
    assert len(cursors) == 1
    assert pages[-1] == []


async def test_offset_beside_a_cursor_repeats_its_page(start: Start) -> None:
    """A client that lost an answer asks again and gets the same rows."""
    client = await start(profile="v1")
    cursor = (await client.page_v1("users", page={"offset": 0, "limit": 20})).json["meta"]["cursor"]
    asked = {"page": {"offset": 20, "limit": 20}, "cursor_id": cursor}

    once = (await client.page_v1("users", **asked)).json["data"]

    assert (await client.page_v1("users", **asked)).json["data"] == once


async def test_foreign_cursor_is_refused(start: Start) -> None:
    """Unknown ones, and those of another request."""
    client = await start(profile="v1")
    cursor = (await client.page_v1("users")).json["meta"]["cursor"]

    assert (await client.page_v1("users", cursor_id="cur-0")).status == 400
    assert (await client.page_v1("devices", cursor_id=cursor)).status == 400


async def test_v1_without_cursor_pages_by_offset(start: Start) -> None:
    """use_cursor false gives no cursor."""
    client = await start(profile="v1")

    answer = (await client.page_v1("users", use_cursor=False, page={"offset": 50, "limit": 20})).json

    assert [row["id"] for row in answer["data"]] == client.emulator.datasets["users"].ids()[50:]
    assert "cursor" not in answer["meta"]


@pytest.mark.parametrize(("entity", "size"), [("secrets", 0), ("licenses", 1)])
async def test_tiny_types_can_be_walked(start: Start, entity: str, size: int) -> None:
    """No row, one row."""
    client = await start()

    assert len(await by_offset(client, entity, 50)) == size + 1
    assert (await client.count(entity)).json == {"value": size}


async def test_walk_over_a_changing_dataset_sees_the_shift(start: Start) -> None:
    """A row inserted before the place repeats one, a deleted one hides one."""
    client = await start()
    dataset = client.emulator.datasets["users"]
    first = [row["internal_axon_id"] for row in (await client.page("users", limit=30)).json["assets"]]

    dataset.insert(0)

    second = [row["internal_axon_id"] for row in (await client.page("users", offset=30, limit=40)).json["assets"]]
    assert second[0] == first[-1]
    assert len(dataset) == 61
