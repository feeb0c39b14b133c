"""A server on loopback that passes requests on to an emulator and may answer in its place."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeAlias
from urllib.parse import urlsplit

Answer: TypeAlias = Callable[[str, bytes], bytes | None]
"""Kind of request and the true body → the bytes to send on the wire instead, head included; None: the true answer."""

KINDS = ("about", "discovery", "types", "fields", "count", "page", "queries", "table", "days")
"""What a run reads, but for OAuth tokens. A listing of ids is a page; a table is one of the administrators'."""


_OTHERS = {"queries": "queries", "saved": "queries", "adapters": "table", "get_allowed_dates": "days"}


def kind_of(method: str, path: str) -> str:
    """What a request is for, by its path in either generation."""
    parts = path.partition("?")[0].strip("/").split("/")
    last = parts[-1]
    if last in {"about", "count", "fields"}:
        return last
    if last in _OTHERS:
        return _OTHERS[last]
    if "discovery" in parts:
        return "discovery"
    return "types" if last == "assets" or (method == "GET" and "assets" in parts) else "page"


def http(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """An answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass(slots=True)
class Interposer:
    """`url` is where it listens."""

    there: tuple[str, int]
    answer: Answer
    url: str = ""
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_length(head))
            true = await self._ask(head, body)
            method, path, _ = head.decode("latin-1").split(" ", 2)
            other = self.answer(kind_of(method, path), true.partition(b"\r\n\r\n")[2])
            writer.write(true if other is None else other)
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        self.tasks.discard(task)

    async def _ask(self, head: bytes, body: bytes) -> bytes:
        back, forth = await asyncio.open_connection(*self.there)
        first, _, rest = head.partition(b"\r\n")
        forth.write(first + b"\r\nConnection: close\r\n" + rest.replace(b"gzip, deflate", b"identity") + body)
        try:
            return await back.read(-1)
        finally:
            forth.close()
            with suppress(ConnectionError):
                await forth.wait_closed()


def _length(head: bytes) -> int:
    lines = head.decode("latin-1").lower().split("\r\n")
    return next((int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")), 0)


@asynccontextmanager
async def interposed(url: str, answer: Answer) -> AsyncIterator[str]:
    """The address of an interposer before this server."""
    there = urlsplit(url)
    one = Interposer((there.hostname or "", there.port or 0), answer)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for task in one.tasks:
        task.cancel()
    await asyncio.gather(*one.tasks)


ODD_VALUES: tuple[bytes, ...] = (
    *(b"null", b"true", b"0", b"-1", b"1e400", b"NaN", b'""', b'"\xff"', b'"\\ud800"', b'"\x00"', b"[]", b"{}"),
    *(b"123456789012345678901234567890", b'{"a":null}', b"[[[null]]]", b'{"":{"":[]}}', b'"\xc3\x28"'),
    b"[" * 1_100 + b"]" * 1_100,
    b'{"a":' * 1_100 + b"1" + b"}" * 1_100,
    b"[" * 60 + b"]" * 60,
    b'"' + b"x" * 70_000 + b'"',
)
ODD_HEADERS = (
    "Date: Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "Date: x",
    "Date: Mon, 99 Foo 0000 99:99:99 +9999999",
    "Retry-After: \xff",
    "Content-Type: \xff",
    "Content-Type: text/html",
    "Content-Encoding: gzip",
    "Content-Encoding: br",
)
ODD_STATUSES = ("200 OK", "200 OK", "200 OK", "201 Created", "204 None", "400 Bad", "404 Gone", "422 No", "500 Oops")


def spoiled(body: bytes, rng: Random) -> bytes:
    """The answer with one thing in it replaced, drawn by seed: a value, a key, some bytes, a header or the status."""
    headers = [rng.choice(ODD_HEADERS)] if rng.random() < 0.3 else []
    status = rng.choice(ODD_STATUSES) if rng.random() < 0.3 else "200 OK"
    way = rng.choice((_other_value, _other_value, _other_value, _other_bytes, _cut, _whole))
    return http(way(body, rng), *headers, status=status)


def _other_value(body: bytes, rng: Random) -> bytes:
    try:
        document = json.loads(body)
    except ValueError:
        return body
    mark = "@@@"
    _replace(document, rng, mark)
    text = json.dumps(document).encode()
    return text.replace(b'"@@@"', rng.choice(ODD_VALUES), 1)


def _replace(document: Any, rng: Random, mark: str) -> None:  # noqa: ANN401  any JSON
    """Replace a value, or the name of a key, somewhere in it."""
    at = document
    while True:
        places = list(at) if isinstance(at, dict) else list(range(len(at))) if isinstance(at, list) else []
        if not places:
            return
        place = rng.choice(places)
        if isinstance(at, dict) and rng.random() < 0.1:
            at[mark] = at.pop(place)
            return
        if not isinstance(at[place], dict | list) or not at[place] or rng.random() < 0.3:
            at[place] = mark
            return
        at = at[place]


def _other_bytes(body: bytes, rng: Random) -> bytes:
    data = bytearray(body or b"x")
    for _ in range(rng.randint(1, 5)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _cut(body: bytes, rng: Random) -> bytes:
    return body[: rng.randrange(len(body) + 1)]


def _whole(body: bytes, rng: Random) -> bytes:
    return rng.choice(
        (b"", b"null", b"[]", b"{}", b"<html>", b"\x1f\x8b\x08", b'{"error":' + rng.choice(ODD_VALUES) + b"}")
    )
