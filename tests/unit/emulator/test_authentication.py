"""Bearer tokens of the emulator."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from axsync.emulator.options import DEMO_CLIENT, DEMO_CLIENT_SECRET

if TYPE_CHECKING:
    from tests.unit.emulator.conftest import Client, Start

RIGHT = f"{DEMO_CLIENT}:{DEMO_CLIENT_SECRET}"


async def buy(client: Client, pair: str = RIGHT, grant: str = "client_credentials") -> tuple[int, dict[str, Any]]:
    """Status and answer of a request for a token, as RFC 6749 has it."""
    headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    url = client.emulator.url + "/api/oauth2/token"
    async with client.session.post(url, data={"grant_type": grant}, headers=headers) as answer:
        return answer.status, await answer.json()


async def status(client: Client, token: str, path: str = "/api/v2/about") -> int:
    return (await client.send("GET", path, headers={"Authorization": f"Bearer {token}"})).status


@pytest.mark.parametrize(("profile", "path"), [("p70", "/api/v2/about"), ("v1", "/api/get_constants")])
async def test_a_token_opens_what_keys_open(start: Start, profile: str, path: str) -> None:
    """Until it is revoked; another one is not accepted."""
    client = await start(profile=profile)
    code, told = await buy(client)

    assert (code, told["token_type"], told["expires_in"]) == (200, "Bearer", 3600)
    assert await status(client, told["access_token"], path) == 200
    assert await status(client, "another", path) == 401
    client.emulator.revoke_bearers()
    assert await status(client, told["access_token"], path) == 401
    assert client.emulator.violations == []


@pytest.mark.parametrize("pair", ["", "x", f"{DEMO_CLIENT}:wrong", "wrong:" + DEMO_CLIENT_SECRET])
async def test_a_wrong_client_gets_no_token(start: Start, pair: str) -> None:
    """And a wrong grant neither."""
    client = await start()

    assert (await buy(client, pair))[0] == 401
    assert (await buy(client, grant="password"))[0] == 400


async def test_a_token_ends_by_time_or_use(start: Start) -> None:
    """As the options say."""
    brief, few = await start(bearer_seconds=1e-9), await start(bearer_requests=2)
    token = (await buy(few))[1]["access_token"]

    assert await status(brief, (await buy(brief))[1]["access_token"]) == 401
    assert [await status(few, token) for _ in range(3)] == [200, 200, 401]
