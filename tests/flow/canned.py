"""A server that answers everything with the same bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(slots=True)
class Canned:
    """`asked` is the first line of each request."""

    answer: bytes
    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head.decode().partition("\r\n")[0])
            writer.write(self.answer)
            await writer.drain()
        writer.close()


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """One whole answer of HTTP."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def canned(answered: bytes) -> AsyncIterator[Canned]:
    """A server on loopback."""
    server = Canned(answered)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield server
