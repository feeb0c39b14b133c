"""Sockets that see what really travels: a relay that keeps what a client sent, and a listener that only counts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(slots=True)
class Relay:
    """Stands before an emulator; `sent` is all that came from the client, per connection."""

    url: str = ""
    sent: list[bytearray] = field(default_factory=list)

    def heads(self) -> list[dict[str, str]]:
        """The headers of each request, names in lower case."""
        blocks = [block for sent in self.sent for block in bytes(sent).split(b"\r\n\r\n") if b" HTTP/1.1\r\n" in block]
        return [dict(_header(line) for line in block.decode().split("\r\n")[1:]) for block in blocks]


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name.lower(), value


@asynccontextmanager
async def relay(url: str) -> AsyncIterator[Relay]:
    """A relay to this URL."""
    seen, there = Relay(), urlsplit(url)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                kept += piece
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.sent.append(bytearray())
        back, forth = await asyncio.open_connection(there.hostname, there.port)
        await asyncio.gather(pass_on(reader, forth, seen.sent[-1]), pass_on(back, writer, bytearray()))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        seen.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield seen


@dataclass(slots=True)
class Listener:
    """Somebody else's server; `connections` is how often anybody called."""

    url: str = ""
    connections: int = 0


@asynccontextmanager
async def listener() -> AsyncIterator[Listener]:
    """A server that nobody should call."""
    other = Listener()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other.connections += 1
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        other.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield other
