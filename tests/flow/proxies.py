"""A small HTTP proxy: it tunnels for CONNECT, passes on what is plain, and remembers every head."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.flow.front import HOST, pipe


@dataclass(slots=True)
class SmallProxy:
    """`wanted` is the one Proxy-Authorization that it takes, `status` what it answers to everybody else."""

    wanted: str | None = None
    status: str = ""  # answers this to all, as in "403 Forbidden"
    there: str = ""  # where it leads to, whoever is asked for
    url: str = ""
    heads: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head.decode())
            refusal = self.refusal(head.decode())
            if refusal:
                writer.write(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            else:
                await self.carry(head, reader, writer)
        writer.close()

    def refusal(self, head: str) -> str:
        if self.wanted is not None and f"proxy-authorization: {self.wanted}\r\n".lower() not in head.lower():
            return "407 Proxy Authentication Required"
        return self.status

    async def carry(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = head.decode().split("\r\n")[0].split(" ")
        asked = urlsplit(target if "://" in target else f"//{target}")
        there = urlsplit(self.there) if self.there else asked
        back, forth = await asyncio.open_connection(there.hostname, there.port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            forth.write(head.replace(target.encode(), asked.path.encode(), 1))
        await asyncio.gather(pipe(reader, forth), pipe(back, writer))


@asynccontextmanager
async def small_proxy(
    wanted: str | None = None, *, status: str = "", there: str = "", context: ssl.SSLContext | None = None
) -> AsyncIterator[SmallProxy]:
    """A proxy on loopback, that speaks TLS itself where it has a context for it."""
    proxy = SmallProxy(wanted, status, there)
    server = await asyncio.start_server(proxy.serve, HOST, 0, ssl=context)
    async with server:
        proxy.url = f"{'https' if context else 'http'}://{HOST}:{server.sockets[0].getsockname()[1]}"
        yield proxy
