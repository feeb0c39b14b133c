"""A small Axonius of API v2 on loopback, for what the emulator does not do: refuse fields, list queries oddly."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

Json: TypeAlias = Any
Answer: TypeAlias = tuple[int, Json]

ALWAYS_THE_SAME: dict[str, Json] = {
    "about": {"installed_version": "9_0_7_1"},
    "discovery": {"status": "done"},
    "assets/asset_types": {"asset_types": ["devices", "users"]},
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    path: str
    params: dict[str, str]
    body: dict[str, Json]


@dataclass(slots=True)
class Tiny:
    """Devices and users with the same rows.

    `records` are served with the fields that were asked for, all of them where none were; a page that asks for one of
    `refuses` is answered 400, in these words. `queries` are its saved queries, `queries_status` what it answers when
    they are asked for, and `repeats` says that every page of them is the first one.
    """

    records: Sequence[dict[str, Json]]
    catalogue: dict[str, Json] = field(default_factory=dict)
    refuses: Sequence[str] = ()
    refuses_from: int = 0  # the offset from which on it refuses
    words: str = "fields: unknown field {name}"
    queries: Sequence[dict[str, Json]] = ()
    queries_status: int = 200
    queries_at_once: int = 2
    queries_total: bool = True
    repeats: bool = False
    slow: float = 0.0  # seconds before a page is answered
    url: str = ""
    log: list[Asked] = field(default_factory=list)

    def pages(self, entity: str = "devices") -> list[dict[str, Json]]:
        """The bodies of what was asked for pages of this type, without probes and listings of ids."""
        bodies = [one.body for one in self.log if one.path == f"/api/v2/assets/{entity}"]
        return [b for b in bodies if b["page"]["limit"] != 1 and b.get("fields") != ["internal_axon_id"]]

    def answer(self, asked: Asked) -> Answer:
        kind = asked.path.removeprefix("/api/v2/")
        if kind in ALWAYS_THE_SAME:
            return 200, ALWAYS_THE_SAME[kind]
        if kind == "queries":
            return self._queries(asked)
        _, entity, *rest = kind.split("/")
        if entity not in ("devices", "users"):
            return 404, {"error": "no such type"}
        if rest:
            return 200, self.catalogue if rest == ["fields"] else {"value": len(self.records)}
        return self._page(asked.body)

    def _queries(self, asked: Asked) -> Answer:
        if self.queries_status != 200:
            return self.queries_status, {"error": "not for you"}
        first = 0 if self.repeats else int(asked.params["offset"])
        meta = {"page": {"totalResources": len(self.queries)}} if self.queries_total else {}
        return 200, {"queries": self.queries[first : first + self.queries_at_once], "meta": meta}

    def _page(self, body: dict[str, Json]) -> Answer:
        fields, page = body.get("fields"), body["page"]
        for name in self.refuses:
            if name in (fields or ()) and page["offset"] >= self.refuses_from:
                return 400, {"error": self.words.format(name=name)}
        first = page["offset"]
        rows = self.records[first : first + page["limit"]]
        kept = [{k: v for k, v in r.items() if fields is None or k in fields} for r in rows]
        meta = {"page": {"number": 1, "totalResources": len(self.records)}}
        return 200, {"assets": kept, "meta": meta}


@asynccontextmanager
async def serving(tiny: Tiny) -> AsyncIterator[Tiny]:
    """The server, for the time of a test."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
            raw = await reader.readexactly(int(headers.get("content-length", "0")))
            url = urlsplit(lines[0].split()[1])
            asked = Asked(url.path, dict(parse_qsl(url.query)), json.loads(raw or b"{}"))
            tiny.log.append(asked)
            if asked.path.startswith("/api/v2/assets/") and "page" in asked.body:
                await asyncio.sleep(tiny.slow)
            status, told = tiny.answer(asked)
            body = json.dumps(told).encode()
            first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
            rest = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(f"{first}\r\n{rest}".encode() + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        tiny.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield tiny
