"""How an instance is reached: address, trust, proxy; and the headers of every request."""

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
    """The connection parameters of an instance. `tls` is None for plain http."""

    settings: InstanceSettings
    tls: ssl.SSLContext | None
    proxy: Proxy | None
    notices: tuple[str, ...] = ()

    @property
    def host_port(self) -> tuple[str, int]:
        """Host and port."""
        there = urlsplit(self.settings.url)
        return there.hostname or "", there.port or PORTS[there.scheme]

    @property
    def host(self) -> str:
        """Host as errors name it, with the port unless it is the scheme's default."""
        return urlsplit(self.settings.url).netloc


def connection_config(settings: InstanceSettings, environ: Mapping[str, str]) -> ConnectionConfig:
    """Build the connection parameters of this instance. Reads files, sends nothing.

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
            f"WARNING: allow_plain_http = true: the keys are sent to {host} unencrypted; "
            "anyone on the network path can read them"
        )
    key = settings.client_key or settings.client_cert
    if key and os.name == "posix" and Path(key).stat().st_mode & 0o077:
        told.append(f"the file {key!r} is readable by other users; run chmod 600 on it")
    return told


class Unprintable(dict[str, str]):
    """Headers whose repr hides the values, so that no traceback shows them."""

    def __repr__(self) -> str:
        return f"<{', '.join(self)}>"


def signed_headers(credential: Credential) -> Unprintable:
    """The headers of every request. Both generations use the same two keys (docs/axonius-api.md, "Connection").

    An OAuth client has a token instead of the keys; it is added per request.
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
    """Headers for the proxy only."""
    if proxy is None or (authorization := proxy.authorization()) is None:
        return Unprintable()
    return Unprintable({"Proxy-Authorization": authorization})


def user_agent() -> str:
    """The User-Agent header."""
    return f"axsync/{version('axsync')}"


def unpack_quickly() -> None:
    """Decompress gzip answers with the extra `isal` if it is installed: 13 instead of 25 CPU ms for 9.5 MB."""
    try:
        from isal import isal_zlib  # an extra
    except ImportError:
        return
    aiohttp.set_zlib_backend(isal_zlib)
