"""The loopback server: reads requests, injects faults, writes replies. Only this module opens a socket."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

from aiohttp import web

from axsync.emulator import v1, v2
from axsync.emulator.authentication import TOKEN_PATH, authenticate
from axsync.emulator.dataset import Dataset
from axsync.emulator.faults import Fault
from axsync.emulator.faults.replies import PLAIN_BODY, delivered, maintenance_page, replacement
from axsync.emulator.instance import Instance, Route
from axsync.emulator.messages import ApiError, ApiReply, ApiRequest, error_reply
from axsync.emulator.options import Options, Profile
from axsync.emulator.traffic import RequestLimiter, RequestLog, Seen, peak_at_once, peak_in_window

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_WRITE_STATUS = 599  # the emulator's own status for a client that tried to write
_BODY_LIMIT = 64 * 2**20
_PIECE = 64 * 1024
_MIN_COMPRESSED = 1024
_POLL_SECONDS = 0.05
_FORM_TYPE = "application/x-www-form-urlencoded"


class Emulator:
    """A small Axonius on loopback that runs for the duration of an `async with`."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        if self.options.host not in _LOOPBACK:
            raise ValueError(f"the emulator listens on loopback only, not on {self.options.host}")
        self.instance = Instance(self.options)
        self.instance.faults.extend(self.options.faults)
        if self.options.churn_percent:
            self.instance.faults.append(Fault("churn", percent=self.options.churn_percent))
        self.violations: list[str] = []  # write attempts, "METHOD path"
        self.url = ""
        self._requests = RequestLog(self.options.log)
        self._limiter = RequestLimiter(self.options)
        self._routes = _routes(self.instance.profile, both=self.options.other_generation)
        self._runner: web.AppRunner | None = None

    @property
    def api_key(self) -> str:
        """The API key of this instance."""
        return self.options.api_key

    @property
    def api_secret(self) -> str:
        """The API secret of this instance."""
        return self.options.api_secret

    @property
    def log(self) -> list[Seen]:
        """Every request so far, in order of arrival."""
        return self._requests.log

    @property
    def faults(self) -> list[Fault]:
        """The faults to inject; may be changed between requests."""
        return self.instance.faults

    @property
    def mishaps(self) -> list[Fault]:
        """The former name of `faults`."""
        return self.faults

    @property
    def discovery(self) -> str:
        """Status of the discovery cycle: done, running, starting or stopping; may be set."""
        return self.instance.discovery

    @discovery.setter
    def discovery(self, status: str) -> None:
        self.instance.discovery = status

    @property
    def datasets(self) -> dict[str, Dataset]:
        """The live rows, by entity type."""
        return self.instance.datasets

    @property
    def fleets(self) -> dict[str, Dataset]:
        """The former name of `datasets`."""
        return self.datasets

    def peak_in_window(self, seconds: float = 1.0) -> int:
        """The most requests that arrived within any window of *seconds*."""
        return peak_in_window(self.log, seconds)

    def peak_at_once(self) -> int:
        """The most requests that were in progress at the same time."""
        return peak_at_once(self.log)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_BODY_LIMIT)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        try:
            await self._runner.setup()
            await web.TCPSite(self._runner, self.options.host, self.options.port).start()
        except OSError:  # the port is taken
            await self._close()
            raise
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        self.url = f"http://{host}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._requests.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        clock = asyncio.get_running_loop().time
        seen = self._requests.arrived(clock(), request.method, request.path)
        reply = error_reply(500, "Internal Server Error", "The emulator failed")
        try:
            reply = await self._reply(request, seen)
            await _wait_before(request, reply)
        finally:
            self._requests.ready(seen, clock(), reply.status)
        return await _write(request, reply)

    async def _reply(self, request: web.Request, seen: Seen) -> ApiReply:
        try:
            self._limiter.admit(seen)
        except ApiError as error:
            reply = error.reply()
            return ApiReply(reply.status, reply.body, self._limiter.headers(seen.started))
        try:
            received = await _read(request)
            seen.body = received.body if isinstance(received.body, dict) else None
            return await self._answer(received)
        except ApiError as error:
            return error.reply()

    async def _answer(self, request: ApiRequest) -> ApiReply:
        page = maintenance_page(self.faults)
        if page is not None:
            return page
        authenticate(request, self.options, self.instance.tokens)
        route, match = self._route(request)
        request = replace(request, match=match)
        seconds = self.options.request_ms / 1000
        if route.read_page is not None:
            request = replace(request, page=route.read_page(self.instance, request))
            seconds += self.options.latency_ms / 1000 + self._row_seconds(request)
        if seconds:
            await asyncio.sleep(seconds)
        fired, reply = self._inject(route, request)
        if reply is None:
            reply = await route.handler(self.instance, replace(request, faults=fired))
        if self._compresses(request, fired):
            reply = await _compressed(reply)
        return delivered(fired, reply)

    def _row_seconds(self, request: ApiRequest) -> float:
        page = request.page
        if page is None or not self.options.rows_ms:
            return 0.0
        left = self.options.size(request.entity or "") - page.offset
        return max(0, min(page.limit, left)) * self.options.rows_ms / 1e6

    def _inject(self, route: Route, request: ApiRequest) -> tuple[tuple[Fault, ...], ApiReply | None]:
        fired: list[Fault] = []
        for fault in tuple(self.faults):
            if fault.fires(route.name, request.entity, request.page, self.instance.rng):
                reply = replacement(fault, request, self.instance.profile)
                if reply is not None:
                    return tuple(fired), reply
                fired.append(fault)
        return tuple(fired), None

    def _compresses(self, request: ApiRequest, fired: tuple[Fault, ...]) -> bool:
        accepted = self.options.gzip and "gzip" in request.headers.get("Accept-Encoding", "")
        return accepted and not any(fault.kind in PLAIN_BODY for fault in fired)

    def revoke_bearers(self) -> None:
        """Invalidate every bearer token that was issued so far."""
        self.instance.tokens.revoke()

    def _route(self, request: ApiRequest) -> tuple[Route, dict[str, str]]:
        for route in self._routes:
            match = route.pattern.fullmatch(request.path)
            if match and route.method == request.method:
                return route, match.groupdict()
        if request.method not in ("GET", "HEAD") and not _readable_post(request):
            self.violations.append(f"{request.method} {request.path}")
            raise ApiError(_WRITE_STATUS, "Write Refused", f"{request.method} {request.path} is not a read")
        raise ApiError(404, "Not Found", f"{request.path} was not found")


async def serve(options: Options, *, on_ready: Callable[[Emulator], Awaitable[None] | None]) -> None:
    """Run an emulator until cancelled. *on_ready* is called with it once it is listening."""
    async with Emulator(options) as emulator:
        waiting = on_ready(emulator)
        if waiting is not None:
            await waiting
        await asyncio.Event().wait()


# --- routes and requests ----------------------------------------------------------------------------------------------


def _readable_post(request: ApiRequest) -> bool:
    # The other generation's reads are not served by this profile, but they are not writes either.
    reads = (*v1.ROUTES, *v2.ROUTES)
    return any(route.method == request.method and route.pattern.fullmatch(request.path) for route in reads)


def _routes(profile: Profile, *, both: bool) -> tuple[Route, ...]:
    second = v2.ROUTES if profile.generation == "v2" else ()
    first = v1.ROUTES if profile.generation == "v1" or both else ()
    return (_TOKEN_ROUTE, *second, *first)


async def _token(instance: Instance, request: ApiRequest) -> ApiReply:
    return instance.tokens.grant(request)


_TOKEN_ROUTE = Route("token", "POST", re.compile(re.escape(TOKEN_PATH)), _token)


async def _read(request: web.Request) -> ApiRequest:
    raw = await request.read()
    if request.content_type == _FORM_TYPE:
        return ApiRequest(
            request.method, request.path, request.query, request.headers, dict(parse_qsl(raw.decode())), {}
        )
    try:
        body = json.loads(raw) if raw else None
    except ValueError as error:
        raise ApiError(400, "Bad Request", "The body is not JSON") from error
    return ApiRequest(request.method, request.path, request.query, request.headers, body, {})


# --- replies ----------------------------------------------------------------------------------------------------------


async def _compressed(reply: ApiReply) -> ApiReply:
    """*reply* with a gzip body, compressed in a thread."""
    if len(reply.body) < _MIN_COMPRESSED or "Content-Encoding" in reply.headers:
        return reply
    body = await asyncio.to_thread(gzip.compress, reply.body, 1)
    return replace(reply, body=body, headers={**reply.headers, "Content-Encoding": "gzip"})


async def _wait_before(request: web.Request, reply: ApiReply) -> None:
    """Wait before the first byte: for the configured delay, or until the client has disconnected."""
    if reply.delivery.wait_seconds:
        await asyncio.sleep(reply.delivery.wait_seconds)
    if reply.delivery.hang:
        await _disconnected(request)


async def _disconnected(request: web.Request) -> None:
    # aiohttp does not cancel the handler when the client disconnects, so poll the transport.
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(_POLL_SECONDS)


async def _write(request: web.Request, reply: ApiReply) -> web.StreamResponse:
    """Write *reply* to the socket, as its delivery prescribes."""
    if replace(reply.delivery, wait_seconds=0.0).plain:
        return _whole(reply)
    if reply.delivery.hang or (reply.delivery.reset and reply.delivery.keep == -1):
        _abort(request)
        return web.Response()
    return await _partially(request, reply)


def _whole(reply: ApiReply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=reply.headers, content_type=reply.content_type)


async def _partially(request: web.Request, reply: ApiReply) -> web.StreamResponse:
    body = reply.body if reply.delivery.keep is None else reply.body[: reply.delivery.keep]
    if reply.delivery.framing == "close":
        return _until_close(request, reply, body)
    response = web.StreamResponse(status=reply.status, headers=_headers(reply, body))
    await response.prepare(request)
    with suppress(ConnectionResetError):  # the client has disconnected
        await _in_pieces(response, reply, body)
        await _finish(request, reply, cut=reply.delivery.framing != "sent" and len(body) < len(reply.body))
    return response


async def _in_pieces(response: web.StreamResponse, reply: ApiReply, body: bytes) -> None:
    step = reply.delivery.drip_bytes or _PIECE
    for start in range(0, len(body), step):
        await response.write(body[start : start + step])
        await asyncio.sleep(reply.delivery.drip_seconds)


def _headers(reply: ApiReply, body: bytes) -> dict[str, str]:
    headers = {**reply.headers, "Content-Type": reply.content_type}
    if reply.delivery.framing == "chunked":
        return headers
    return {**headers, "Content-Length": str(len(body if reply.delivery.framing == "sent" else reply.body))}


def _until_close(request: web.Request, reply: ApiReply, body: bytes) -> web.StreamResponse:
    # aiohttp does not support this framing, so write the head by hand.
    if request.transport is not None:
        head = f"HTTP/1.1 {reply.status} OK\r\nContent-Type: {reply.content_type}\r\nConnection: close\r\n\r\n"
        request.transport.write(head.encode() + body)
        request.transport.close()
    return web.Response()


async def _finish(request: web.Request, reply: ApiReply, *, cut: bool) -> None:
    if reply.delivery.stall:
        await _disconnected(request)
    elif reply.delivery.reset:
        _abort(request)
    elif (cut or reply.delivery.close) and request.transport is not None:
        request.transport.close()


def _abort(request: web.Request) -> None:
    # With SO_LINGER 0 the kernel sends RST instead of FIN.
    if request.transport is None:
        return
    raw = request.transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
