"""What axsync can be told, as frozen values that hold no secret and cannot be out of range.

A value checks itself when it is made, from TOML or from Python alike, and raises `ConfigError` with one sentence
that begins with the name of the field. What it is given has the right type; that is for `config` or mypy to see.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin, get_type_hints
from urllib.parse import unquote

from axsync.errors import ConfigError
from axsync.model import MAX_LIMIT

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
DEFAULT_ENTITY = "default"
REFERENCE_KINDS = ("env", "file", "keyring", "command")
OBJECT_STORES = ("s3", "gs", "abfs", "abfss")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LAKE_SECRET = re.compile(r"://[^/@]*:[^/@]*@|[?&](sig|[a-z_]*(secret|token|password|key)[a-z_]*)=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Between:
    """The smallest and the largest number that makes sense."""

    low: float
    high: float


Api = Literal["auto", "v1", "v2"]
Paging = Literal["auto", "offset", "token", "cursor"]
Compression = Literal["zstd", "snappy", "gzip", "lz4", "none"]
Proof = Literal["auto", "always"]
Fields = Literal["generic", "full", "raw"] | tuple[str, ...]
Bytes = Annotated[int, Between(4 * KIB, TIB)]
Seconds = Annotated[float, Between(0.1, 86_400)]


@dataclass(frozen=True, slots=True)
class CredentialReference:
    """Where key and secret are kept: `env:NAME`, `file:PATH`, `keyring:NAME` or `command:ARGV` each."""

    api_key: str
    api_secret: str

    def __post_init__(self) -> None:
        check_reference(self.api_key, called="api_key")
        check_reference(self.api_secret, called="api_secret")


@dataclass(frozen=True, slots=True)
class LakeSettings:
    """Where the Parquet goes, and in which form. `uri` is a folder, or begins with s3://, gs:// or abfs://."""

    uri: str = "lake"
    compression: Compression = "zstd"
    compression_level: Annotated[int, Between(1, 22)] = 1
    max_part_bytes: Bytes = 256 * MIB  # a part file is closed near this size
    seal_seconds: Annotated[float, Between(1, 86_400)] = 300.0  # a part is closed at this age: what a crash can cost
    row_group_rows: Annotated[int, Between(1, 100_000_000)] = 122_880
    row_group_bytes: Bytes = 64 * MIB  # a row group ends at either bound, whichever comes first
    buffer_bytes: Bytes = 128 * MIB  # pages that wait for a writer, all lanes together

    def __post_init__(self) -> None:
        _check_bounds(self)
        object.__setattr__(self, "uri", _normal_lake(self.uri))
        if self.compression == "gzip" and self.compression_level > 9:
            raise ConfigError(f"compression_level must be between 1 and 9 for gzip, not {self.compression_level}")

    @property
    def path(self) -> Path | None:
        """The local folder, or None when the lake is in an object store."""
        return None if "://" in self.uri else Path(self.uri)


@dataclass(frozen=True, slots=True)
class InstanceSettings:
    """One Axonius deployment: how it is reached, and how hard it may be asked."""

    name: str
    url: str  # scheme://host[:port]
    credential: CredentialReference
    api: Api = "auto"
    requests_per_second: Annotated[float, Between(0.01, 10_000)] = 10.0
    in_flight: Annotated[int, Between(1, 256)] = 4  # requests at once
    page_size: Annotated[int, Between(1, MAX_LIMIT)] = 2000  # rows
    paging: Paging = "auto"
    connect_seconds: Seconds = 10.0
    read_seconds: Seconds = 300.0  # between two bytes of an answer
    page_seconds: Seconds = 900.0  # a whole answer
    max_page_bytes: Bytes = GIB  # decoded
    tries: Annotated[int, Between(1, 100)] = 6
    allow_plain_http: bool = False
    ca_file: str = ""  # PEM; empty: the system's

    def __post_init__(self) -> None:
        _check_bounds(self)
        _check_names("name", [self.name])
        object.__setattr__(self, "url", normal_url(self.url, allow_plain_http=self.allow_plain_http))


@dataclass(frozen=True, slots=True)
class EntitySettings:
    """What is asked of one entity type. `query` is AQL; `saved_query` is the name of one."""

    fields: Fields = "generic"
    query: str = ""
    saved_query: str = ""
    page_size: Annotated[int, Between(0, MAX_LIMIT)] = 0  # rows; 0: the instance's
    max_columns: Annotated[int, Between(1, 100_000)] = 2000
    proof: Proof = "auto"  # when all ids are listed after the walk: where something moved, or always

    def __post_init__(self) -> None:
        _check_bounds(self)
        if not self.fields or not all(name.strip() for name in self.fields):
            raise ConfigError("fields must be generic, full, raw or a list of names and globs, none of them empty")
        if self.query and self.saved_query:
            raise ConfigError("query and saved_query cannot both be set")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What one run does. Empty `entities` or `instances` mean all of them; days are YYYY-MM-DD."""

    entities: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    logical_date: str | None = None  # None: the UTC day on which the run starts
    as_of: str | None = None  # a day of history, or "latest"; None: live data
    limit: Annotated[int | None, Between(1, 10**12)] = None  # rows per entity type
    dry_run: bool = False
    fresh: bool = False
    accept_drop: bool = False
    wait_stable_minutes: Annotated[float, Between(0, 1440)] = 0.0
    deadline_minutes: Annotated[float, Between(0, 10_080)] = 0.0  # for the whole run; 0: as long as it takes
    writers: Annotated[int, Between(0, 1024)] = 0  # threads; 0: one per core

    def __post_init__(self) -> None:
        _check_bounds(self)
        _check_names("entities", self.entities)
        if self.logical_date is not None:
            _check_day("logical_date", self.logical_date)
        if self.as_of not in (None, "latest"):
            _check_day("as_of", self.as_of, also=" or latest")


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a run needs to know, except the secrets."""

    lake: LakeSettings
    instances: tuple[InstanceSettings, ...]
    entities: Mapping[str, EntitySettings] = field(default_factory=dict)
    run: RunSettings = field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        known = [instance.name for instance in self.instances]
        # Names become folders, and folders on some systems do not tell Prod from prod.
        if len({name.lower() for name in known}) < len(known):
            raise ConfigError("two instances have the same name, upper and lower case aside")
        _check_names("entities", self.entities)
        for name in self.run.instances:
            if name not in known:
                raise ConfigError(f"there is no instance {name!r}{nearest(name, known)}")

    def entity(self, name: str) -> EntitySettings:
        """What is asked of this entity type; `default` speaks for those not named."""
        return self.entities.get(name) or self.entities.get(DEFAULT_ENTITY) or EntitySettings()

    def chosen(self) -> tuple[InstanceSettings, ...]:
        """The instances of this run, in the order of the configuration."""
        return tuple(i for i in self.instances if not self.run.instances or i.name in self.run.instances)


def normal_url(url: str, *, allow_plain_http: bool = False, called: str = "url") -> str:
    """The URL of an instance as scheme://host[:port]; what has more than that is refused, not repaired.

    Raises: ConfigError, with `called` as its first word.
    """
    if not url.strip():
        raise ConfigError(f"{called} is empty; write it as https://host")
    if any(c.isspace() or not c.isprintable() for c in url):
        raise ConfigError(f"{called} has a space or an invisible character in it; write it as https://host")
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme not in ("https", "http") or not rest:
        raise ConfigError(f"{called} must begin with https:// (or http://); write it as https://host")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise ConfigError(f"{called} has a user name or password in it; write it as https://host")
    host, port = _host_and_port(authority, scheme, called)
    plain = f"{scheme}://{host}{port}"
    if extra := rest[len(authority) :]:
        what = "trailing slash" if extra == "/" else {"/": "path", "?": "query", "#": "fragment"}[extra[0]]
        raise ConfigError(f"{called} has a {what} after the host; write it as {plain}")
    if plain.startswith("http:") and not (allow_plain_http or _loopback(host)):
        raise ConfigError(f"{called} would send the keys unencrypted to {host}; use https or allow_plain_http = true")
    return plain


def _host_and_port(authority: str, scheme: str, called: str) -> tuple[str, str]:
    matched = re.fullmatch(r"(\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]+\]|\w[\w-]*(?:\.\w[\w-]*)*\.?)(:.*)?", authority)
    if not matched or (authority[0] == "[" and not _address(matched[1])):
        raise ConfigError(f"{called} has no valid host name; write it as https://host")
    host, port = matched[1].lower(), matched[2] or ""
    if port and not (re.fullmatch(r":[0-9]{1,5}", port) and 0 < int(port[1:]) < 65536):
        raise ConfigError(f"{called} has a bad port; write a number between 1 and 65535, as in https://host:8443")
    return host, "" if port == {"https": ":443", "http": ":80"}[scheme] else port


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def _loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address else host == "localhost"


def check_reference(reference: str, *, called: str) -> None:
    """Refuse what is not a reference; the sentence does not repeat it, since it may be the secret itself."""
    kind, _, rest = reference.partition(":")
    if not reference.strip():
        raise ConfigError(f"{called} is empty; write a reference such as env:AX_KEY")
    if not reference.isprintable():
        raise ConfigError(f"{called} has an invisible character in it")
    if kind not in REFERENCE_KINDS:
        kinds = "env:NAME, file:PATH, keyring:NAME or command:ARGV"
        raise ConfigError(f"{called} must be a reference ({kinds}), never the secret itself")
    if not rest.strip():
        raise ConfigError(f"{called} has nothing after '{kind}:'")


def nearest(word: str, known: Collection[str]) -> str:
    """The end of a sentence about an unknown word: the known one it resembles, or else all that are known."""
    folded = {name.lower(): name for name in known}
    if close := difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.5):
        return f"; did you mean {folded[close[0]]!r}?"
    return f"; known: {', '.join(known)}" if known else ""


def _normal_lake(uri: str) -> str:
    if not uri.strip() or not uri.isprintable():
        raise ConfigError("uri must be a folder or an s3://, gs:// or abfs:// address, without invisible characters")
    if _LAKE_SECRET.search(uri):
        raise ConfigError("uri must not hold a password, key or token")
    scheme, colon, rest = uri.partition(":")
    if not colon or not (rest.startswith("//") or scheme in ("file", *OBJECT_STORES)):
        return str(Path(uri).expanduser()) if uri.startswith("~") else uri
    if scheme == "file" and rest.startswith("///"):
        return unquote(rest[2:])
    if scheme in OBJECT_STORES and re.match(r"//[^/?#]", rest):
        return uri
    raise ConfigError("uri must be a folder or begin with s3://bucket, gs://bucket, abfs://container or file:///")


def _check_names(called: str, names: Iterable[str]) -> None:
    if not all(_NAME.fullmatch(name) for name in names):
        rule = "1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit"
        raise ConfigError(f"{called} must be written with {rule}")


def _check_day(called: str, day: str, *, also: str = "") -> None:
    try:
        # fromisoformat alone would take 20261123 and 2026-W48-1.
        date.fromisoformat(day if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", day) else "")
    except ValueError as error:
        raise ConfigError(f"{called} must be a day such as 2026-11-23{also}, not {day!r}") from error


def _bounds(kind: type) -> dict[str, Between]:
    hints = get_type_hints(kind, include_extras=True)
    return {name: get_args(hint)[1] for name, hint in hints.items() if get_origin(hint) is Annotated}


def _check_bounds(value: LakeSettings | InstanceSettings | EntitySettings | RunSettings) -> None:
    for name, bounds in _bounds(type(value)).items():
        given = getattr(value, name)
        if given is not None and not bounds.low <= given <= bounds.high:
            low, high, told = (_number(number, name) for number in (bounds.low, bounds.high, given))
            raise ConfigError(f"{name} must be between {low} and {high}, not {told}")


def _number(given: float, name: str) -> str:
    for unit, text in ((TIB, "TiB"), (KIB, "KiB")):
        if name.endswith("_bytes") and given >= unit and given % unit == 0:
            return f"{given // unit}{text}"
    # Python refuses to print integers of thousands of digits.
    return "a number as big as that" if abs(given) >= 10**15 else str(given)
