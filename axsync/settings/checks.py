"""Checks of single values: numbers within bounds, names, days, commands, references to secrets, URLs.

Each refuses a value with `ConfigError`. Below them is the advice for an unknown word: the known one that was probably
meant.
"""

import difflib
import re
import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, get_args, get_origin, get_type_hints

from axsync.errors import ConfigError

KIB, MIB, TIB = 1 << 10, 1 << 20, 1 << 40
REFERENCE_KINDS = ("env", "file", "keyring", "systemd", "command")

DAY_WORDS = ("today", "yesterday")
"""What is taken for a day, besides days: so many days back, by UTC."""

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""Of instances, credentials and entity types."""

_NAME = re.compile(NAME_PATTERN)
_TAKEN_FOR = {
    "a number": re.compile(r"[0-9][0-9_]*\.?[0-9_]*(e[+-]?[0-9]+)?|0x[0-9a-f]+|nan|inf(inity)?", re.IGNORECASE),
    "a date": re.compile(r"[0-9]{1,4}[.-][0-9]{1,2}[.-][0-9]{1,4}(t.*)?|[0-9]{4}-[0-9]{1,2}", re.IGNORECASE),
    "a truth value": re.compile(r"true|false", re.IGNORECASE),
    "no value": re.compile(r"null", re.IGNORECASE),
}
"""What DuckDB, Polars, pyarrow, Spark or Athena read out of a folder such as `instance=007`, when it is not text."""


@dataclass(frozen=True, slots=True)
class Between:
    """The smallest and the largest valid number."""

    low: float
    high: float


Bytes = Annotated[int, Between(4 * KIB, TIB)]
Seconds = Annotated[float, Between(0.1, 86_400)]


def check_bounds(value: object) -> None:
    """Refuse a number outside of the bounds that are written in its type."""
    for name, bounds in _bounds(type(value)).items():  # type: ignore[arg-type]  # mypy: a class is no Hashable
        given = getattr(value, name)
        if given is not None and not bounds.low <= given <= bounds.high:
            low, high, told = (_number(number, name) for number in (bounds.low, bounds.high, given))
            raise ConfigError(f"{name} must be between {low} and {high}, not {told}")


@cache
def _bounds(kind: type) -> dict[str, Between]:
    hints = get_type_hints(kind, include_extras=True)
    return {name: get_args(hint)[1] for name, hint in hints.items() if get_origin(hint) is Annotated}


def _number(given: float, name: str) -> str:
    for unit, text in ((TIB, "TiB"), (KIB, "KiB")):
        if name.endswith("_bytes") and given >= unit and given % unit == 0:
            return f"{given // unit}{text}"
    # Python refuses to print integers of thousands of digits.
    return "a number as big as that" if abs(given) >= 10**15 else str(given)


def check_names(called: str, names: Iterable[str]) -> None:
    if not all(_NAME.fullmatch(name) for name in names):
        rule = "1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit"
        raise ConfigError(f"{called} must be written with {rule}")


def check_folder_names(called: str, names: Iterable[str]) -> None:
    """The same for names that become folders of the lake: to every reader they must be text."""
    checked = list(names)
    check_names(called, checked)
    for name in checked:
        for what, pattern in _TAKEN_FOR.items():
            if pattern.fullmatch(name):
                told = f"{called} must not be {name!r}, which programs that read the lake would take for {what}"
                raise ConfigError(f"{told}; write it with a word, such as 'site-{name}'")


def check_day(called: str, day: str, *, also: str = "") -> None:
    """Refuse what is neither a day nor one of `DAY_WORDS`."""
    if day not in DAY_WORDS and not is_iso_day(day):
        words = f"today{' or' if not also else ','} yesterday{also}"
        raise ConfigError(f"{called} must be a day such as 2026-11-23, {words}, not {day!r}")


def is_iso_day(text: str) -> bool:
    """Whether this is a day such as 2026-11-23."""
    try:
        # fromisoformat alone would take 20261123 and 2026-W48-1.
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def as_day(text: str, now: datetime) -> str:
    """The day that `today` or `yesterday` means, by UTC; any other text as it is."""
    if text not in DAY_WORDS:
        return text
    return (now.astimezone(UTC).date() - timedelta(days=DAY_WORDS.index(text))).isoformat()


def check_command(called: str, command: str) -> None:
    """Refuse a command that a shell's quoting rules cannot split; empty means none."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"{called} has an unmatched quote or a trailing backslash") from error
    if command and not (words and words[0]):
        raise ConfigError(f"{called} does not name a program")


def check_reference(reference: str, *, called: str) -> None:
    """Refuse what is not a reference. The message does not repeat it: it may be the secret itself."""
    kind, _, rest = reference.partition(":")
    if not reference.strip():
        raise ConfigError(f"{called} is empty; write a reference such as env:AX_KEY")
    if not reference.isprintable():
        raise ConfigError(f"{called} contains an invisible character")
    if kind not in REFERENCE_KINDS:
        kinds = "env:NAME, file:PATH, keyring:NAME, systemd:NAME or command:ARGV"
        raise ConfigError(f"{called} must be a reference ({kinds}), never the secret itself")
    if not rest.strip():
        raise ConfigError(f"{called} has nothing after '{kind}:'")
    if rest != rest.strip() and kind != "command":
        raise ConfigError(f"{called} has a blank after '{kind}:' or at its end; write it without")


def with_scheme(address: str) -> str:
    """A bare host name, as people copy it from a browser, as the URL that it means; anything else unchanged.

    A name has a dot: a word without one may be a key in the wrong place, which nobody is to look up.
    """
    bare = re.fullmatch(r"\w[\w-]*(\.\w[\w-]*)+(:[0-9]+)?", address)
    return f"https://{address}" if bare else address


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


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, ignoring case."""
    found = all_close(word, known, most=1)
    return found[0] if found else None


def all_close(word: str, known: Iterable[str], *, most: int) -> list[str]:
    """Up to `most` known words that may have been meant, the closest first."""
    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(name.lower(), name)
    return [folded[name] for name in difflib.get_close_matches(word.lower(), folded, n=most, cutoff=0.6)]


def did_you_mean(*near: str | None) -> str:
    """The end of a sentence about an unknown word; empty if nothing is close."""
    meant = " or ".join(repr(name) for name in near if name)
    return f"; did you mean {meant}?" if meant else ""


def nearest(word: str, known: Collection[str]) -> str:
    """The end of a sentence about an unknown word: the closest known word, or else all that are known."""
    return did_you_mean(closest(word, known)) or (f"; known: {', '.join(known)}" if known else "")
