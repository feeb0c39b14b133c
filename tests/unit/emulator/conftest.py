"""A client that knows nothing but HTTP, and an emulator per test."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from axsync.emulator import Emulator, Options


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:  # noqa: ANN401  JSON
        return json.loads(self.body)

    @property
    def refusal(self) -> str:
        return str(self.json["errors"][0]["description"])


@dataclass(slots=True)
class Client:
    emulator: Emulator
    session: aiohttp.ClientSession

    async def send(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        keys = (
            {"api-key": self.emulator.api_key, "api-secret": self.emulator.api_secret} if headers is None else headers
        )
        url = self.emulator.url + path
        async with self.session.request(method, url, json=body, headers=keys, allow_redirects=False) as answer:
            return Answer(answer.status, await answer.read(), dict(answer.headers))

    async def get(self, path: str) -> Answer:
        return await self.send("GET", path)

    async def page(self, entity: str, offset: int = 0, limit: int = 100, **more: Any) -> Answer:
        body = {"page": {"offset": offset, "limit": limit}, "include_details": False, "fields": [], **more}
        return await self.send("POST", f"/api/v2/assets/{entity}", body)

    async def count(self, entity: str, **body: Any) -> Answer:
        return await self.send("POST", f"/api/v2/assets/{entity}/count", body)

    async def page_v1(self, entity: str, names: Sequence[str] = (), **more: Any) -> Answer:
        attributes = {"page": {"offset": 0, "limit": 100}, "fields": {entity: list(names)}, **more}
        return await self.send(
            "POST", f"/api/{entity}", {"data": {"type": "entity_request_schema", "attributes": attributes}}
        )

    async def count_v1(self, entity: str, **attributes: Any) -> Answer:
        return await self.send("POST", f"/api/{entity}/count", {"data": {"attributes": attributes}})


Start = Callable[..., Awaitable[Client]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts an emulator with the given options; small unless told otherwise."""
    async with AsyncExitStack() as stack:

        async def start_one(**settings: Any) -> Client:
            settings.setdefault("sizes", {"devices": 250, "users": 60, "secrets": 0, "licenses": 1})
            emulator = await stack.enter_async_context(Emulator(Options(**settings)))
            return Client(emulator, await stack.enter_async_context(aiohttp.ClientSession()))

        yield start_one
