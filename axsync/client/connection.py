"""How an instance is reached: address, trust, proxy; and the headers of every request."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # not in the stubs, on all systems

from aiohttp import encode_basic_auth

from axsync.client.tls import client_context
from axsync.credentials import Credential, Secret, resolve
from axsync.errors import ConfigError
from axsync.settings import NO_PROXY, InstanceSettings, as_address, is_loopback, normal_proxy

PORTS = {"https": 443, "http": 80}
Environ = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """The connection parameters of an instance. `tls` is None for plain http."""

    settings: InstanceSettings
    tls: ssl.SSLContext | None
    proxy: "Proxy | None"
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


def connection_config(settings: InstanceSettings, environ: Environ) -> ConnectionConfig:
    """Build the connection parameters of this instance. Reads files, sends nothing.

    Raises: ConfigError.
    """
    try:
        proxy = find_proxy(settings, environ)
        _refuse_unwritable_host("url", settings.url)
        if proxy is not None:
            _refuse_unwritable_host(proxy.named_by, proxy.url)
        tls = client_context(settings, environ) if settings.url.startswith("https:") else None
    except ConfigError as error:
        raise ConfigError(f"instance {settings.name}: {error}") from error
    return ConnectionConfig(settings, tls, proxy, tuple(_notices(settings)))


def _refuse_unwritable_host(called: str, url: str) -> None:
    host = urlsplit(url).hostname or ""
    try:
        host.encode("idna")  # as the resolver does, which raises no OSError
    except UnicodeError:
        message = f"{called} has a host name with a part above 63 bytes: {host[:80]!r}"
        raise ConfigError(message) from None


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


# --------------------------------------------------------------------------------------------------------------- proxy


@dataclass(frozen=True, slots=True, eq=False)
class Proxy:
    """A proxy. `named_by` is the option or environment variable that names it."""

    url: str  # scheme://host[:port]
    named_by: str
    user: str = ""
    password: Secret | None = None

    @property
    def host(self) -> str:
        """Host, with the port unless it is the scheme's default."""
        return urlsplit(self.url).netloc

    @property
    def host_port(self) -> tuple[str, int]:
        """Host and port."""
        there = urlsplit(self.url)
        return there.hostname or "", there.port or PORTS[there.scheme]

    def __str__(self) -> str:
        """Host and the setting that names it, as errors show it."""
        return f"{self.host} ({self.named_by})"

    def authorization(self) -> str | None:
        """Value of the header `Proxy-Authorization`."""
        return None if self.password is None else encode_basic_auth(self.user, self.password.reveal())


def find_proxy(settings: InstanceSettings, environ: Environ) -> Proxy | None:
    """The proxy from the settings, else from the environment; None if there is none.

    Raises: ConfigError, which never quotes a password.
    """
    if settings.proxy == NO_PROXY:
        return None
    if not settings.proxy:
        return _proxy_of_environment(settings.url, environ)
    password = resolve(settings.proxy_password, environ=environ) if settings.proxy_password else None
    return Proxy(settings.proxy, "proxy", settings.proxy_user, password)


def _proxy_of_environment(url: str, environ: Environ) -> Proxy | None:
    there = urlsplit(url)
    host, port = there.hostname or "", there.port or PORTS[there.scheme]
    named = _variable_of(there.scheme, environ)
    # A proxy variable must not send plain http that is meant for this machine elsewhere.
    if named is None or is_loopback(host) or bypasses_proxy(host, port, environ):
        return None
    value = environ[named].strip()
    scheme, mark, rest = value.rpartition("://")
    user, at, place = rest.rpartition("@")
    name, _, password = user.partition(":")
    plain = normal_proxy(f"{scheme or 'http'}{mark or '://'}{place}", called=named)
    return Proxy(plain, named, unquote(name), Secret(unquote(password)) if at else None)


def _variable_of(scheme: str, environ: Environ) -> str | None:
    """The variable that names a proxy: lower case wins, as in curl; an empty one means none."""
    names = [f"{scheme}_proxy", f"{scheme.upper()}_PROXY"]
    if scheme == "http" and "REQUEST_METHOD" in environ:  # under CGI, HTTP_PROXY is a header set by the caller
        names.pop()
    name = next((name for name in names if name in environ), None)
    return name if name and environ[name].strip() else None


def bypasses_proxy(host: str, port: int, environ: Environ) -> bool:
    """Whether NO_PROXY matches the host: `*`, a name, suffix, address or network, each with or without a port."""
    listed = environ.get("no_proxy", environ.get("NO_PROXY", ""))
    entries = [entry.strip() for entry in listed.split(",")]
    if "*" in entries:
        return True
    if as_address(host):
        return any(_covers(entry, host, port) for entry in entries)
    return bool(proxy_bypass_environment(f"{host}:{port}", {"no": listed}))


def _covers(entry: str, host: str, port: int) -> bool:
    place, colon, digits = entry.rpartition(":")
    if colon and digits.isdigit() and (place.endswith("]") or ":" not in place):
        if int(digits) != port:
            return False
        entry = place
    try:
        network = ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False
    address = as_address(host)
    return address is not None and address.version == network.version and address in network


# ------------------------------------------------------------------------------------------------------------- headers


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


@cache
def user_agent() -> str:
    """The User-Agent header."""
    return f"axsync/{version('axsync')}"
