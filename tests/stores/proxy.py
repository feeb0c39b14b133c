"""A proxy on loopback before an object store, which does to some requests what networks and clouds do."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Literal, TypeAlias

from aiohttp import ClientSession, web
from yarl import URL

Mishap = Literal["refuse", "drop", "refuse when done", "drop when done"]
HOP = frozenset({"transfer-encoding", "connection", "content-encoding"})
MADE_UP = ("Content-Type", "User-Agent", "Accept", "Accept-Encoding")


@dataclass(slots=True)
class Fault:
    """What becomes of the first so many requests of a method whose path and query fit."""

    method: str
    match: str
    do: Mishap
    times: int = 1
    status: int = 503
    code: str = "SlowDown"

    def takes(self, request: web.BaseRequest) -> bool:
        """Whether it is about this one, which then counts."""
        fits = self.times > 0 and request.method == self.method and re.search(self.match, request.path_qs) is not None
        self.times -= fits
        return fits

    def answer(self) -> web.Response:
        """What the store would say."""
        told = f"<Error><Code>{self.code}</Code><Message>no</Message></Error>"
        return web.Response(status=self.status, text=told, content_type="application/xml")


@dataclass(slots=True)
class Proxy:
    """Passes requests on to a port, `delay` seconds later. `seen` are methods and paths."""

    port: int
    faults: Sequence[Fault]
    delay: float
    seen: list[tuple[str, str]] = field(default_factory=list)
    endpoint: str = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        body = await request.content.read()
        fault = next((one for one in self.faults if one.takes(request)), None)
        self.seen.append((request.method, request.path_qs))
        await asyncio.sleep(self.delay)
        if fault is None or fault.do.endswith("when done"):
            passed = await self._pass_on(request, body)
            if fault is None:
                return passed
        if fault.do.startswith("refuse"):
            return fault.answer()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _pass_on(self, request: web.BaseRequest, body: bytes) -> web.Response:
        url = URL(f"http://127.0.0.1:{self.port}{request.raw_path}", encoded=True)
        async with (
            ClientSession(auto_decompress=False, skip_auto_headers=MADE_UP) as session,
            session.request(
                request.method, url, data=BytesIO(body), headers=request.headers, allow_redirects=False
            ) as answer,
        ):
            content = await answer.read()
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
            if request.method == "HEAD":
                return web.Response(status=answer.status, headers=headers)
            headers.pop("Content-Length", None)
            return web.Response(status=answer.status, body=content, headers=headers)


Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def _serve(handle: Handler) -> AsyncIterator[str]:
    """Gives its address, and serves until it is closed."""
    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextmanager
def serving(handle: Handler) -> Iterator[str]:
    """A server in a thread of its own; its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    served = _serve(handle)
    try:
        yield asyncio.run_coroutine_threadsafe(_next(served), loop).result()
        asyncio.run_coroutine_threadsafe(_end(served), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _next(served: AsyncIterator[str]) -> str:
    return await anext(served)


async def _end(served: AsyncIterator[str]) -> None:
    async for _ in served:
        pass


@contextmanager
def proxied(port: int, *faults: Fault, delay: float = 0.0) -> Iterator[Proxy]:
    """A proxy before the server at this port."""
    proxy = Proxy(port, faults, delay)
    with serving(proxy.handle) as proxy.endpoint:
        yield proxy
