"""How an instance is reached: its address, whom to trust, which proxy; and the headers of every request."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from axsync.client.proxy import PORTS, Proxy, find_proxy
from axsync.client.tls import client_context
from axsync.credentials import Credential
from axsync.errors import ConfigError
from axsync.settings import InstanceSettings, is_loopback


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """All that is known of the way to an instance before anything is sent. `tls` is None for plain http."""

    settings: InstanceSettings
    tls: ssl.SSLContext | None
    proxy: Proxy | None
    notices: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        there = urlsplit(self.settings.url)
        return there.hostname or "", there.port or PORTS[there.scheme]

    @property
    def host(self) -> str:
        """Host, and port where it is not the scheme's own, as errors name it."""
        return urlsplit(self.settings.url).netloc


def connection_config(settings: InstanceSettings, environ: Mapping[str, str]) -> ConnectionConfig:
    """The way to this instance; files are read, nothing is sent.

    Raises: ConfigError.
    """
    try:
        proxy = find_proxy(settings, environ)
        tls = client_context(settings, environ) if settings.url.startswith("https:") else None
    except ConfigError as error:
        raise ConfigError(f"instance {settings.name}: {error}") from error
    return ConnectionConfig(settings, tls, proxy, tuple(_notices(settings)))


def _notices(settings: InstanceSettings) -> list[str]:
    host = urlsplit(settings.url).hostname or ""
    told = []
    if settings.insecure_tls and settings.url.startswith("https:"):
        told.append(
            f"WARNING: insecure_tls = true: whoever answers as {host} gets the keys; nothing proves who that is"
        )
    if settings.url.startswith("http:") and not is_loopback(host):
        told.append(
            f"WARNING: allow_plain_http = true: the keys travel to {host} unencrypted, for all on the way to read"
        )
    key = settings.client_key or settings.client_cert
    if key and os.name == "posix" and Path(key).stat().st_mode & 0o077:
        told.append(f"the file {key!r} can be read by others; chmod 600 keeps it to you")
    return told


class Unprintable(dict[str, str]):
    """Headers whose values are in no traceback, whoever prints the variables with it."""

    def __repr__(self) -> str:
        return f"<{', '.join(self)}>"


def signed_headers(credential: Credential) -> Unprintable:
    """The headers of every request. Both generations take the same two keys (docs/axonius-api.md, "Connection").

    An OAuth client has a token in their place, which is not the same for every request.
    """
    keys = Unprintable({"api-key": credential.key.reveal(), "api-secret": credential.secret.reveal()})
    plain = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "Content-Type": "application/json",
        "User-Agent": user_agent(),
    }
    return Unprintable({**keys, **plain} if credential.kind == "api-key" else plain)


def proxy_headers(proxy: Proxy | None) -> Unprintable:
    """What the proxy is told, and nobody else."""
    if proxy is None or (authorization := proxy.authorization()) is None:
        return Unprintable()
    return Unprintable({"Proxy-Authorization": authorization})


def user_agent() -> str:
    """Who is asking."""
    return f"axsync/{version('axsync')}"


def unpack_quickly() -> None:
    """Unpack gzip answers with the extra `isal` where it is installed: 13 instead of 25 CPU ms for 9.5 MB."""
    try:
        from isal import isal_zlib  # an extra
    except ImportError:
        return
    aiohttp.set_zlib_backend(isal_zlib)
