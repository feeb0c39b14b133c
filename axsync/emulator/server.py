"""The loopback server: the only module of the emulator that opens a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

from aiohttp import web

from axsync.emulator import v1, v1_system, v2, v2_system
from axsync.emulator.calls import Call, Refusal, Reply, Route, refused
from axsync.emulator.fleet import Fleet
from axsync.emulator.instance import Instance
from axsync.emulator.journal import Journal, Seen
from axsync.emulator.limits import Gate, peak_at_once, peak_in_window
from axsync.emulator.mishaps.answers import answer
from axsync.emulator.mishaps.maintenance import under_way
from axsync.emulator.mishaps.model import Mishap
from axsync.emulator.mishaps.wire import PLAIN_BODY, delivered
from axsync.emulator.options import Options
from axsync.emulator.profiles import Profile
from axsync.emulator.tokens import TOKEN_PATH, TOKEN_ROUTE
from axsync.emulator.writing import packed, worked, written

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_WRITE_STATUS = 599  # the project's own sign for "this client tried to write"
_BODY_LIMIT = 64 * 2**20
FORM_TYPE = "application/x-www-form-urlencoded"


class Emulator:
    """A small Axonius on loopback, for the time of an `async with`."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        if self.options.host not in _LOOPBACK:
            raise ValueError(f"the emulator listens on loopback only, not on {self.options.host}")
        self.instance = Instance(self.options)
        self.instance.mishaps.extend(self.options.mishaps)
        if self.options.churn_percent:
            self.instance.mishaps.append(Mishap("churn", percent=self.options.churn_percent))
        self.violations: list[str] = []  # write attempts, "METHOD path"
        self.url = ""
        self._journal = Journal(self.options.log)
        self._gate = Gate(self.options)
        self._routes = _routes(self.instance.profile, both=self.options.other_generation)
        self._runner: web.AppRunner | None = None

    @property
    def api_key(self) -> str:
        """The key that opens this instance."""
        return self.options.api_key

    @property
    def api_secret(self) -> str:
        """The secret that goes with it."""
        return self.options.api_secret

    @property
    def log(self) -> list[Seen]:
        """Every request so far, in order of arrival."""
        return self._journal.log

    @property
    def mishaps(self) -> list[Mishap]:
        """What goes wrong; may be changed between calls."""
        return self.instance.mishaps

    @property
    def discovery(self) -> str:
        """Status of the discovery cycle: done, running, starting or stopping; may be set."""
        return self.instance.discovery

    @discovery.setter
    def discovery(self, status: str) -> None:
        self.instance.discovery = status

    @property
    def fleets(self) -> dict[str, Fleet]:
        """The live model, by entity type."""
        return self.instance.fleets

    def peak_in_window(self, seconds: float = 1.0) -> int:
        """The most requests that arrived within any window of *seconds*."""
        return peak_in_window(self.log, seconds)

    def peak_at_once(self) -> int:
        """The most requests that were worked on at the same time."""
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
        self._journal.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        clock = asyncio.get_running_loop().time
        seen = self._journal.arrived(clock(), request.method, request.path)
        reply = refused(500, "Internal Server Error", "The emulator failed")
        try:
            reply = await self._reply(request, seen)
            await worked(request, reply)
        finally:
            self._journal.ready(seen, clock(), reply.status)
        return await written(request, reply)

    async def _reply(self, request: web.Request, seen: Seen) -> Reply:
        try:
            self._gate.admit(seen)
        except Refusal as refusal:
            reply = refusal.reply()
            return Reply(reply.status, reply.body, self._gate.headers(seen.started))
        try:
            call = await _read(request)
            seen.body = call.body if isinstance(call.body, dict) else None
            return await self._answer(call)
        except Refusal as refusal:
            return refusal.reply()

    async def _answer(self, call: Call) -> Reply:
        page = under_way(self.mishaps)
        if page is not None:
            return page
        self._check_keys(call)
        route, match = self._route(call)
        call = replace(call, match=match)
        if route.ask is not None:
            call = replace(call, page=route.ask(self.instance, call))
            await asyncio.sleep(self.options.latency_ms / 1000)
        struck, reply = self._strike(route, call)
        if reply is None:
            reply = await route.answer(self.instance, replace(call, struck=struck))
        if self._packs(call, struck):
            reply = await packed(reply)
        return delivered(struck, reply)

    def _strike(self, route: Route, call: Call) -> tuple[tuple[Mishap, ...], Reply | None]:
        struck: list[Mishap] = []
        for mishap in tuple(self.mishaps):
            if mishap.strikes(route.name, call.entity, call.page, self.instance.dice):
                reply = answer(mishap, call, self.instance.profile)
                if reply is not None:
                    return tuple(struck), reply
                struck.append(mishap)
        return tuple(struck), None

    def _packs(self, call: Call, struck: tuple[Mishap, ...]) -> bool:
        accepted = self.options.gzip and "gzip" in call.headers.get("Accept-Encoding", "")
        return accepted and not any(mishap.kind in PLAIN_BODY for mishap in struck)

    def revoke_bearers(self) -> None:
        """From now on, no bearer token that was given out is accepted."""
        self.instance.tokens.revoke()

    def _check_keys(self, call: Call) -> None:
        if call.path == TOKEN_PATH:
            return  # it has its own way to say who is asking
        if "Authorization" in call.headers:
            self.instance.tokens.check(call.headers["Authorization"])
            return
        keys = (call.headers.get("api-key", "").strip(), call.headers.get("api-secret", "").strip())
        if keys != (self.api_key, self.api_secret):
            raise Refusal(401, "Unauthorized", "Invalid API key or secret")

    def _route(self, call: Call) -> tuple[Route, dict[str, str]]:
        for route in self._routes:
            match = route.pattern.fullmatch(call.path)
            if match and route.method == call.method:
                return route, match.groupdict()
        if call.method not in ("GET", "HEAD") and not _readable_post(call):
            self.violations.append(f"{call.method} {call.path}")
            raise Refusal(_WRITE_STATUS, "Write Refused", f"{call.method} {call.path} is not a read")
        raise Refusal(404, "Not Found", f"{call.path} was not found")


def _readable_post(call: Call) -> bool:
    # The other generation's reads are unknown here, but they are no writes.
    reads = (*v1.ROUTES, *v1_system.ROUTES, *v2.ROUTES, *v2_system.ROUTES)
    return any(route.method == call.method and route.pattern.fullmatch(call.path) for route in reads)


def _routes(profile: Profile, *, both: bool) -> tuple[Route, ...]:
    second = (*v2.ROUTES, *v2_system.ROUTES) if profile.generation == "v2" else ()
    first = (*v1_system.ROUTES, *v1.ROUTES) if profile.generation == "v1" or both else ()
    return (TOKEN_ROUTE, *second, *first)


async def _read(request: web.Request) -> Call:
    raw = await request.read()
    if request.content_type == FORM_TYPE:
        return Call(request.method, request.path, request.query, request.headers, dict(parse_qsl(raw.decode())), {})
    try:
        body = json.loads(raw) if raw else None
    except ValueError as error:
        raise Refusal(400, "Bad Request", "The body is not JSON") from error
    return Call(request.method, request.path, request.query, request.headers, body, {})


async def serve(options: Options, *, on_ready: Callable[[Emulator], Awaitable[None] | None]) -> None:
    """Run an emulator until cancelled; *on_ready* gets it once it listens."""
    async with Emulator(options) as emulator:
        waiting = on_ready(emulator)
        if waiting is not None:
            await waiting
        await asyncio.Event().wait()
