"""The way to an instance, gone step by step for `axsync check`: name, connection, proxy, TLS. No key is sent."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from axsync.client.certificate import Certificate, read_certificate
from axsync.client.connection import ConnectionConfig, proxy_headers, user_agent
from axsync.client.messages import of_proxy, untrusted
from axsync.client.proxy import Proxy
from axsync.client.tls import unverified
from axsync.errors import ServerError, Unreachable, Untrusted
from axsync.settings import as_address

STEPS = ("DNS", "TCP", "proxy", "TLS")
Fact = str | int | float | None


@dataclass(frozen=True, slots=True)
class Stage:
    """How far one step led; `ok` is None where there was nothing to do, `error` is why it failed."""

    name: str
    ok: bool | None
    text: str
    error: ServerError | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)


async def diagnose(way: ConnectionConfig) -> list[Stage]:
    """Go as far as the way leads; the last stage is the one that failed, or TLS."""
    hand, stages = _ConnectionProbe(way), list[Stage]()
    steps: list[tuple[str, Callable[[], Awaitable[Stage]]]] = [
        ("DNS", hand.resolve),
        ("TCP", hand.connect),
        ("proxy", hand.pass_proxy),
        ("TLS", hand.secure),
    ]
    try:
        for name, step in steps:
            stage = await _tried(name, step, way)
            stages.append(stage)
            if stage.ok is False:
                break
    finally:
        hand.close()
    if stages[-1].name == "TLS" and isinstance(stages[-1].error, Untrusted):
        stages[-1] = await _described(stages[-1], way)
    return stages


async def _tried(name: str, step: Callable[[], Awaitable[Stage]], way: ConnectionConfig) -> Stage:
    error: ServerError
    try:
        async with asyncio.timeout(way.settings.connect_seconds):
            return await step()
    except ServerError as failed:
        error = failed
    except TimeoutError:
        error = Unreachable(f"no answer within {way.settings.connect_seconds:g} seconds", host=way.host)
    except ssl.SSLError as failed:
        error = untrusted(failed, str(way.proxy) if way.proxy and name == "proxy" else way.host)
    except EOFError:
        error = Unreachable("the connection was closed", host=way.host)
    except OSError as failed:
        error = Unreachable(os.strerror(failed.errno) if failed.errno else "no connection", host=way.host)
    text = f"{error}: {error.detail}" if error.detail else str(error)
    return Stage(name, ok=False, text=text, error=error)


class _ConnectionProbe:
    """What is held on the way: a connection, then a safe one. `tls` is for the instance, never for a proxy."""

    def __init__(self, way: ConnectionConfig, *, tls: ssl.SSLContext | None = None) -> None:
        self.way, self.tls = way, tls or way.tls
        self._writer: asyncio.StreamWriter | None = None
        self._reader = asyncio.StreamReader()

    @property
    def _first(self) -> tuple[str, int]:
        return self.way.proxy.place if self.way.proxy else self.way.place

    async def resolve(self) -> Stage:
        host, port = self._first
        who = "the proxy " if self.way.proxy else ""
        if as_address(host):
            return Stage("DNS", ok=None, text=f"{who}{host} is an address")
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Unreachable(f"{who}{host} is not known", host=self.way.host) from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        others = f"; {self.way.place[0]} is left to the proxy" if self.way.proxy else ""
        return Stage("DNS", ok=True, text=f"{who}{host} is {', '.join(addresses)}{others}")

    async def connect(self) -> Stage:
        host, port = self._first
        begun = time.monotonic()
        # A second family of addresses is tried when the first is silent, as for real requests (RFC 8305).
        self._reader, self._writer = await asyncio.open_connection(host, port, happy_eyeballs_delay=0.25)
        seconds = time.monotonic() - begun
        peer = self._writer.get_extra_info("peername")
        place = f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"
        facts: dict[str, Fact] = {"address": place, "milliseconds": round(seconds * 1000, 1)}
        return Stage("TCP", ok=True, text=f"{place} in {seconds * 1000:.1f} ms", facts=facts)

    async def pass_proxy(self) -> Stage:
        proxy = self.way.proxy
        if proxy is None:
            return Stage("proxy", ok=None, text="none")
        if self.way.tls is None:
            return Stage("proxy", ok=None, text=f"{proxy} gets every request")
        if proxy.url.startswith("https:"):
            await self._start_tls(proxy.place[0], self.way.tls)
        await self._tunnel(proxy)
        return Stage("proxy", ok=True, text=f"{proxy} lets through")

    async def _tunnel(self, proxy: Proxy) -> None:
        there, port = self.way.place
        target = f"[{there}]:{port}" if ":" in there else f"{there}:{port}"
        lines = {"Host": target, "User-Agent": user_agent()} | proxy_headers(proxy)
        head = "".join(f"{name}: {text}\r\n" for name, text in lines.items())
        self._held.write(f"CONNECT {target} HTTP/1.1\r\n{head}\r\n".encode())
        await self._held.drain()
        try:
            answer = await self._reader.readuntil(b"\r\n\r\n")
            status = int(answer.split(b" ", 2)[1][:3])
        except (asyncio.LimitOverrunError, IndexError, ValueError):
            raise Unreachable(f"the proxy {proxy} does not answer as a proxy does", host=self.way.host) from None
        if status != 200:
            raise of_proxy(status, self.way)

    async def secure(self) -> Stage:
        if self.tls is None:
            return Stage("TLS", ok=None, text="none: plain http")
        await self._start_tls(self.way.place[0], self.tls)
        found, version = self._certificate(), self._secured.version() or "TLS"
        sure = "not verified (insecure_tls); " if self.way.settings.insecure_tls else ""
        facts = found.facts() | {"version": version, "verified": not sure}
        return Stage("TLS", ok=True, text=f"{version}, {sure}{found}", facts=facts)

    async def certificate(self) -> Certificate:
        """What the instance shows, believed or not."""
        await self.connect()
        await self.pass_proxy()
        await self._start_tls(self.way.place[0], self.tls)
        return self._certificate()

    async def _start_tls(self, name: str, context: ssl.SSLContext | None) -> None:
        if context is not None:
            await self._held.start_tls(context, server_hostname=name)

    def _certificate(self) -> Certificate:
        return read_certificate(self._secured.getpeercert(binary_form=True) or b"")

    @property
    def _held(self) -> asyncio.StreamWriter:
        if self._writer is None:
            raise RuntimeError("there is no connection yet")
        return self._writer

    @property
    def _secured(self) -> ssl.SSLObject:
        secured: ssl.SSLObject = self._held.get_extra_info("ssl_object")
        return secured

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


async def _described(stage: Stage, way: ConnectionConfig) -> Stage:
    """The failed step with the certificate that was not believed, looked at on a connection of its own."""
    hand = _ConnectionProbe(way, tls=unverified())
    try:
        async with asyncio.timeout(way.settings.connect_seconds):
            found = await hand.certificate()
    except (ServerError, OSError, EOFError, TimeoutError, ValueError):
        return stage
    finally:
        hand.close()
    return Stage(
        stage.name, ok=False, text=f"{stage.text}; for {found.names}, {found}", error=stage.error, facts=found.facts()
    )
