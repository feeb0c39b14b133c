"""URLs of instances and proxies, and their normal form."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from axsync.errors import ConfigError


def normal_url(url: str, *, allow_plain_http: bool = False, called: str = "url") -> str:
    """The URL of an instance as scheme://host[:port]. Anything beyond that is refused, not repaired.

    Raises: ConfigError, with `called` as its first word.
    """
    if not url.strip():
        raise ConfigError(f"{called} is empty; write it as https://host")
    if any(c.isspace() or not c.isprintable() for c in url):
        raise ConfigError(f"{called} contains a space or an invisible character; write it as https://host")
    plain, host = _plain(url, called)
    if plain.startswith("http:") and not (allow_plain_http or is_loopback(host)):
        raise ConfigError(f"{called} would send the keys unencrypted to {host}; use https or allow_plain_http = true")
    return plain


def normal_proxy(url: str, *, called: str = "proxy") -> str:
    """The URL of a proxy as scheme://host[:port], without credentials.

    Raises: ConfigError, with `called` as its first word.
    """
    if re.match("socks", url, re.IGNORECASE):
        raise ConfigError(f"{called} is a SOCKS proxy; only http:// and https:// proxies can be used")
    return _plain(url.removesuffix("/"), called)[0]


def _plain(url: str, called: str) -> tuple[str, str]:
    """scheme://host[:port], and the host."""
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme not in ("https", "http") or not rest:
        raise ConfigError(f"{called} must begin with https:// (or http://); write it as https://host")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise ConfigError(f"{called} contains a user name or password; write it as https://host")
    host, port = _host_and_port(authority, scheme, called)
    plain = f"{scheme}://{host}{port}"
    if extra := rest[len(authority) :]:
        what = "trailing slash" if extra == "/" else {"/": "path", "?": "query", "#": "fragment"}[extra[0]]
        raise ConfigError(f"{called} has a {what} after the host; write it as {plain}")
    return plain, host


def _host_and_port(authority: str, scheme: str, called: str) -> tuple[str, str]:
    matched = re.fullmatch(r"(\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]+\]|\w[\w-]*(?:\.\w[\w-]*)*\.?)(:.*)?", authority)
    if not matched or (authority[0] == "[" and not as_address(matched[1])):
        raise ConfigError(f"{called} has no valid host name; write it as https://host")
    host, port = matched[1].lower(), matched[2] or ""
    if port and not (re.fullmatch(r":[0-9]{1,5}", port) and 0 < int(port[1:]) < 65536):
        raise ConfigError(f"{called} has an invalid port; write a number between 1 and 65535, as in https://host:8443")
    return host, "" if port == {"https": ":443", "http": ":80"}[scheme] else port


def as_address(host: str) -> IPv4Address | IPv6Address | None:
    """The host as an IP address, None if it is a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether traffic to this host stays on this machine."""
    address = as_address(host)
    return address.is_loopback if address else host == "localhost"
