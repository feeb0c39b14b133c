"""A front before an emulator, behind which the product is upgraded for a while."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from urllib.parse import urlsplit

from tests.flow.canned import answer

PAGE = b"\n<!DOCTYPE html><html><head><title>Axonius is being upgraded</title></head><body>Soon.</body></html>"
HTML = "Content-Type: text/html; charset=utf-8"
PAGES = (answer(PAGE, HTML), answer(PAGE, HTML, status="503 Service Unavailable"))
"""What stands in for the product: the same page, with either status in turn."""


@dataclass(slots=True)
class Front:
    """`asked` is the first line of each request, `away` how many of them found the product away."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    away: int = 0


@asynccontextmanager
async def maintenance(
    url: str, *, after: int, seconds: float, hits: Callable[[str], bool] = lambda _: True
) -> AsyncIterator[Front]:
    """A front to this URL. With the request after so many, the window begins; `hits` says for which first lines."""
    front, pages, there = Front(), cycle(PAGES), urlsplit(url)
    ends: list[float] = []

    def is_away(line: str) -> bool:
        now = asyncio.get_running_loop().time()
        if len(front.asked) > after and not ends:
            ends.append(now + seconds)
        return bool(ends) and now < ends[0] and hits(line)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head, body = await _request(reader)
            line = head.decode("latin-1").partition("\r\n")[0]
            front.asked.append(line)
            if is_away(line):
                front.away += 1
                writer.write(next(pages))
            else:
                await _pass_on(head, body, writer, there.hostname or "", there.port or 80)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        front.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield front


async def _request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    return head, await reader.readexactly(int(lines.get(b"content-length", b"0")))


async def _pass_on(head: bytes, body: bytes, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    """One request on a connection of its own, so that the end of the answer is the end of the connection."""
    back, forth = await asyncio.open_connection(host, port)
    forth.write(head.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n" + body)
    while piece := await back.read(1 << 16):
        writer.write(piece)
        await writer.drain()
    forth.close()
