"""Connection diagnostics for `axsync check`, step by step: DNS, TCP, proxy, TLS. No key is sent."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from axsync.client.connection import ConnectionConfig, Proxy, proxy_headers, user_agent
from axsync.client.failures import proxy_error, untrusted
from axsync.client.tls import Certificate, read_certificate, unverified
from axsync.errors import ServerError, Unreachable, Untrusted
from axsync.settings import as_address

STEPS = ("DNS", "TCP", "proxy", "TLS")
Fact = str | int | float | None


@dataclass(frozen=True, slots=True)
class Stage:
    """Result of one step. `ok` is None if there was nothing to do; `error` is why it failed."""

    name: str
    ok: bool | None
    text: str
    error: ServerError | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)


async def diagnose(config: ConnectionConfig, tell: Callable[[Stage], None]) -> None:
    """Run the steps in order until one fails; `tell` hears of each, last of the one that failed, or of TLS."""
    probe = _ConnectionProbe(config)
    steps: list[tuple[str, Callable[[], Awaitable[Stage]]]] = [
        ("DNS", probe.resolve),
        ("TCP", probe.connect),
        ("proxy", probe.pass_proxy),
        ("TLS", probe.secure),
    ]
    try:
        for name, step in steps:
            stage = await _try_step(name, step, config)
            if name == "TLS" and isinstance(stage.error, Untrusted):
                stage = await _with_certificate(stage, config)
            tell(stage)
            if stage.ok is False:
                break
    finally:
        probe.close()


async def _try_step(name: str, step: Callable[[], Awaitable[Stage]], config: ConnectionConfig) -> Stage:
    error: ServerError
    try:
        async with asyncio.timeout(config.settings.connect_seconds):
            return await step()
    except ServerError as failed:
        error = failed
    except TimeoutError:
        error = Unreachable(f"no answer within {config.settings.connect_seconds:g} seconds", host=config.host)
    except ssl.SSLError as failed:
        error = untrusted(failed, str(config.proxy) if config.proxy and name == "proxy" else config.host)
    except EOFError:
        error = Unreachable("the connection was closed", host=config.host)
    except OSError as failed:
        error = Unreachable(os.strerror(failed.errno) if failed.errno else "no connection", host=config.host)
    text = f"{error}: {error.detail}" if error.detail else str(error)
    return Stage(name, ok=False, text=text, error=error)


class _ConnectionProbe:
    """The connection as it is built step by step. `tls` is for the instance, never for a proxy."""

    def __init__(self, config: ConnectionConfig, *, tls: ssl.SSLContext | None = None) -> None:
        self.config, self.tls = config, tls or config.tls
        self._writer: asyncio.StreamWriter | None = None
        self._reader = asyncio.StreamReader()

    @property
    def _first(self) -> tuple[str, int]:
        return self.config.proxy.host_port if self.config.proxy else self.config.host_port

    async def resolve(self) -> Stage:
        host, port = self._first
        who = "the proxy " if self.config.proxy else ""
        if as_address(host):
            return Stage("DNS", ok=None, text=f"{who}{host} is an address")
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Unreachable(f"{who}{host} cannot be resolved", host=self.config.host) from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        others = f"; the proxy resolves {self.config.host_port[0]}" if self.config.proxy else ""
        return Stage("DNS", ok=True, text=f"{who}{host} is {', '.join(addresses)}{others}")

    async def connect(self) -> Stage:
        host, port = self._first
        begun = time.monotonic()
        # As for real requests, the second address family is tried when the first does not answer (RFC 8305).
        self._reader, self._writer = await asyncio.open_connection(host, port, happy_eyeballs_delay=0.25)
        seconds = time.monotonic() - begun
        peer = self._writer.get_extra_info("peername")
        place = f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"
        facts: dict[str, Fact] = {"address": place, "milliseconds": round(seconds * 1000, 1)}
        return Stage("TCP", ok=True, text=f"{place} in {seconds * 1000:.1f} ms", facts=facts)

    async def pass_proxy(self) -> Stage:
        proxy = self.config.proxy
        if proxy is None:
            return Stage("proxy", ok=None, text="none")
        if self.config.tls is None:
            return Stage("proxy", ok=None, text=f"{proxy} forwards every request")
        if proxy.url.startswith("https:"):
            await self._start_tls(proxy.host_port[0], self.config.tls)
        await self._tunnel(proxy)
        return Stage("proxy", ok=True, text=f"{proxy} opened a tunnel")

    async def _tunnel(self, proxy: Proxy) -> None:
        there, port = self.config.host_port
        target = f"[{there}]:{port}" if ":" in there else f"{there}:{port}"
        lines = {"Host": target, "User-Agent": user_agent()} | proxy_headers(proxy)
        head = "".join(f"{name}: {text}\r\n" for name, text in lines.items())
        self._stream.write(f"CONNECT {target} HTTP/1.1\r\n{head}\r\n".encode())
        await self._stream.drain()
        try:
            answer = await self._reader.readuntil(b"\r\n\r\n")
            status = int(answer.split(b" ", 2)[1][:3])
        except (asyncio.LimitOverrunError, IndexError, ValueError):
            raise Unreachable(f"the proxy {proxy} sent no valid answer to CONNECT", host=self.config.host) from None
        if status != 200:
            raise proxy_error(status, self.config)

    async def secure(self) -> Stage:
        if self.tls is None:
            return Stage("TLS", ok=None, text="none: plain http")
        await self._start_tls(self.config.host_port[0], self.tls)
        version = self._tls.version() or "TLS"
        sure = "not verified (insecure_tls); " if self.config.settings.insecure_tls else ""
        facts: dict[str, Fact] = {"version": version, "verified": not sure}
        try:
            found = self._certificate()
        except ValueError:
            return Stage("TLS", ok=True, text=f"{version}, {sure}its certificate cannot be read", facts=facts)
        return Stage("TLS", ok=True, text=f"{version}, {sure}{found}", facts=found.facts() | facts)

    async def certificate(self) -> Certificate:
        """The certificate that the instance presents, trusted or not."""
        await self.connect()
        await self.pass_proxy()
        await self._start_tls(self.config.host_port[0], self.tls)
        return self._certificate()

    async def _start_tls(self, name: str, context: ssl.SSLContext | None) -> None:
        if context is not None:
            await self._stream.start_tls(context, server_hostname=name)

    def _certificate(self) -> Certificate:
        return read_certificate(self._tls.getpeercert(binary_form=True) or b"")

    @property
    def _stream(self) -> asyncio.StreamWriter:
        if self._writer is None:
            raise RuntimeError("there is no connection yet")
        return self._writer

    @property
    def _tls(self) -> ssl.SSLObject:
        secured: ssl.SSLObject = self._stream.get_extra_info("ssl_object")
        return secured

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


async def _with_certificate(stage: Stage, config: ConnectionConfig) -> Stage:
    """Add the untrusted certificate to the failed step, read over a separate connection."""
    probe = _ConnectionProbe(config, tls=unverified())
    try:
        async with asyncio.timeout(config.settings.connect_seconds):
            found = await probe.certificate()
    except (ServerError, OSError, EOFError, TimeoutError, ValueError):
        return stage
    finally:
        probe.close()
    return Stage(
        stage.name, ok=False, text=f"{stage.text}; for {found.names}, {found}", error=stage.error, facts=found.facts()
    )
