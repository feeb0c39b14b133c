"""The loopback server: the only module of the emulator that opens a socket."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

from aiohttp import web

from axsync.emulator import v1, v2
from axsync.emulator.dataset import Dataset
from axsync.emulator.faults.fault import Fault
from axsync.emulator.faults.replies import maintenance_page, replacement
from axsync.emulator.faults.wire import PLAIN_BODY, delivered
from axsync.emulator.instance import Instance, Route
from axsync.emulator.messages import ApiError, ApiReply, ApiRequest, error_reply
from axsync.emulator.oauth import TOKEN_PATH
from axsync.emulator.options import Options, Profile
from axsync.emulator.response_writer import compressed, wait_before, write
from axsync.emulator.traffic import RequestLimiter, RequestLog, Seen, peak_at_once, peak_in_window

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_WRITE_STATUS = 599  # the emulator's own status for a client that tried to write
_BODY_LIMIT = 64 * 2**20
FORM_TYPE = "application/x-www-form-urlencoded"


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
        await self._runner.setup()
        await web.TCPSite(self._runner, self.options.host, self.options.port).start()
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        self.url = f"http://{host}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._requests.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        clock = asyncio.get_running_loop().time
        seen = self._requests.arrived(clock(), request.method, request.path)
        reply = error_reply(500, "Internal Server Error", "The emulator failed")
        try:
            reply = await self._reply(request, seen)
            await wait_before(request, reply)
        finally:
            self._requests.ready(seen, clock(), reply.status)
        return await write(request, reply)

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
        self._check_keys(request)
        route, match = self._route(request)
        request = replace(request, match=match)
        if route.read_page is not None:
            request = replace(request, page=route.read_page(self.instance, request))
            await asyncio.sleep(self.options.latency_ms / 1000)
        fired, reply = self._inject(route, request)
        if reply is None:
            reply = await route.handler(self.instance, replace(request, faults=fired))
        if self._compresses(request, fired):
            reply = await compressed(reply)
        return delivered(fired, reply)

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

    def _check_keys(self, request: ApiRequest) -> None:
        if request.path == TOKEN_PATH:
            return  # authenticated by the OAuth client instead
        if "Authorization" in request.headers:
            self.instance.tokens.check(request.headers["Authorization"])
            return
        keys = (request.headers.get("api-key", "").strip(), request.headers.get("api-secret", "").strip())
        if keys != (self.api_key, self.api_secret):
            raise ApiError(401, "Unauthorized", "Invalid API key or secret")

    def _route(self, request: ApiRequest) -> tuple[Route, dict[str, str]]:
        for route in self._routes:
            match = route.pattern.fullmatch(request.path)
            if match and route.method == request.method:
                return route, match.groupdict()
        if request.method not in ("GET", "HEAD") and not _readable_post(request):
            self.violations.append(f"{request.method} {request.path}")
            raise ApiError(_WRITE_STATUS, "Write Refused", f"{request.method} {request.path} is not a read")
        raise ApiError(404, "Not Found", f"{request.path} was not found")


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
    if request.content_type == FORM_TYPE:
        return ApiRequest(
            request.method, request.path, request.query, request.headers, dict(parse_qsl(raw.decode())), {}
        )
    try:
        body = json.loads(raw) if raw else None
    except ValueError as error:
        raise ApiError(400, "Bad Request", "The body is not JSON") from error
    return ApiRequest(request.method, request.path, request.query, request.headers, body, {})


async def serve(options: Options, *, on_ready: Callable[[Emulator], Awaitable[None] | None]) -> None:
    """Run an emulator until cancelled. *on_ready* is called with it once it is listening."""
    async with Emulator(options) as emulator:
        waiting = on_ready(emulator)
        if waiting is not None:
            await waiting
        await asyncio.Event().wait()
