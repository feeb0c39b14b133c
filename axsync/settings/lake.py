"""Settings of the lake, and the address of one in an object store."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import unquote

from axsync.errors import ConfigError
from axsync.settings.checks import MIB, Between, Bytes, check_bounds, nearest, normal_url

Cloud = Literal["s3", "gcs", "azure"]
"""An API of object stores, and the extra that brings its client."""

OBJECT_STORES: Mapping[str, Cloud] = {"s3": "s3", "gs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure"}
"""What the address of a lake begins with → whose API its store speaks."""

ONLY_FOR: Mapping[str, frozenset[Cloud | Literal["folder"]]] = {
    "readers": frozenset({"folder"}),
    "endpoint": frozenset({"s3", "gcs", "azure"}),
    "allow_plain_http": frozenset({"s3", "gcs", "azure"}),
    "scratch": frozenset({"s3", "gcs", "azure"}),
    "visible": frozenset({"s3", "gcs", "azure"}),
    "region": frozenset({"s3"}),
    "storage_class": frozenset({"s3"}),
    "kms_key": frozenset({"s3"}),
}
"""Settings that not every kind of lake has → those that do."""

Compression = Literal["zstd", "snappy", "gzip", "lz4", "none"]
Format = Literal["parquet", "delta", "iceberg"]
Readers = Literal["owner", "group", "all"]
Visible = Literal["copy", "manifest"]

PARQUET: Format = "parquet"
ICEBERG: Format = "iceberg"
FORMATS: tuple[Format, ...] = get_args(Format)
BY_COPY: Visible = "copy"
BY_MANIFEST: Visible = "manifest"
"""How parts become visible: they come to their place when a run is published, or are named, being there all along."""

MODES: dict[Readers, tuple[int, int]] = {"owner": (0o600, 0o700), "group": (0o640, 0o750), "all": (0o644, 0o755)}
"""Modes of a published file, and of the folders that lead to it."""

_STARTS = "s3://bucket, gs://bucket, abfss://container@account.dfs.core.windows.net, az://container or file:///"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}|\$(root|web)")
_ACCOUNT = re.compile(r"([a-z0-9]{3,24})\.(?:dfs|blob)\.([a-z0-9.-]+)")
_LONGEST_PREFIX = 512
"""Bytes; of 1,024 that a key may have, the rest is for keys inside the lake."""
_WORD = re.compile(r"[A-Za-z0-9_:/+=,.@-]*")
_LAKE_SECRET = re.compile(r"://[^/@]*:[^/@]*@|[?&](sig|[a-z_]*(secret|token|password|key)[a-z_]*)=", re.IGNORECASE)


_CATALOG = re.compile(r"([A-Za-z0-9_-]+(\.[A-Za-z0-9_]+)?)?")

Rule = Annotated[int, Between(0, 100_000)]

DEFAULT_LAST, DEFAULT_DAYS = 14, 90
"""What is kept where no rule is set."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How many snapshots each rule keeps; `days` is an age."""

    last: int
    daily: int
    weekly: int
    monthly: int
    days: int


@dataclass(frozen=True, slots=True)
class Address:
    """A place in an object store: everything below a prefix of a bucket, which Azure calls a container.

    `account` is Azure's, empty where the environment names it, and `suffix` the end of its host name.
    """

    scheme: str
    bucket: str
    prefix: str  # without a slash at either end; empty: the whole bucket
    account: str = ""
    suffix: str = ""

    @property
    def cloud(self) -> Cloud:
        """Whose API the store speaks."""
        return OBJECT_STORES[self.scheme]

    @property
    def uri(self) -> str:
        """The address as one text."""
        at = f"@{self.account}.dfs.{self.suffix}" if self.account else ""
        return f"{self.scheme}://{self.bucket}{at}" + (f"/{self.prefix}" if self.prefix else "")

    @property
    def parents(self) -> tuple[str, ...]:
        """The addresses of the places that this one is in, from the nearest to the whole bucket."""
        segments = self.prefix.split("/") if self.prefix else []
        prefixes = ("/".join(segments[:most]) for most in reversed(range(len(segments))))
        return tuple(replace(self, prefix=prefix).uri for prefix in prefixes)


@dataclass(frozen=True, slots=True)
class LakeSettings:
    """Where the Parquet files go, and in which form. `uri` is a folder, or the address of an object store.

    No setting holds a credential: the chains of each cloud find it, in the environment or on the machine.
    """

    uri: str = "lake"
    endpoint: str = ""  # of a store that is not the cloud's own, such as https://s3.acme.example; empty: the cloud's
    region: str = ""  # S3; empty: as AWS_REGION or the profile says
    storage_class: str = ""  # S3; of published files; empty: STANDARD
    kms_key: str = ""  # S3; the key that encrypts every object; empty: as the bucket says
    scratch: str = ""  # object stores: where parts are written before they are uploaded; empty: a temporary folder
    visible: Visible = BY_COPY  # object stores: whether parts are copied into place, for globs, or only named
    allow_plain_http: bool = False  # object stores: http:// also beyond this machine
    format: Format | tuple[str, ...] = PARQUET  # plain files, tables over them, or several
    catalog: str = ""  # of Iceberg tables, as pyiceberg knows it, with a namespace behind a dot; empty: in the lake
    compression: Compression = "zstd"
    compression_level: Annotated[int, Between(1, 22)] = 1
    max_part_bytes: Bytes = 256 * MIB  # a part file is closed near this size
    seal_seconds: Annotated[float, Between(1, 86_400)] = 300.0  # a part is closed at this age: what a crash can cost
    row_group_rows: Annotated[int, Between(1, 100_000_000)] = 122_880
    row_group_bytes: Bytes = 64 * MIB  # a row group ends at either bound, whichever comes first
    buffer_bytes: Bytes = 64 * MIB  # pages and rows that wait to be written, for all lanes
    readers: Readers = "owner"  # who may read published files; everything else is the owner's alone
    index: bool = False  # each run writes the page about all runs
    gc: bool = False  # whether each run that publishes removes what is beyond the retention
    keep_last: Rule = 0  # the newest snapshots, by logical date
    keep_daily: Rule = 0  # the newest snapshot of each of so many days,
    keep_weekly: Rule = 0  # weeks,
    keep_monthly: Rule = 0  # and months
    keep_snapshots: Annotated[int | None, Between(1, 100_000)] = None  # the former name of `keep_last`
    keep_days: Annotated[int | None, Between(0, 100_000)] = None  # all that finished within so many days

    def __post_init__(self) -> None:
        check_bounds(self)
        object.__setattr__(self, "uri", _normal_lake(self.uri))
        self._refuse_foreign()
        if self.endpoint:
            plain = normal_url(self.endpoint, allow_plain_http=self.allow_plain_http, called="endpoint")
            object.__setattr__(self, "endpoint", plain)
        for name in ("region", "storage_class", "kms_key"):
            if not _WORD.fullmatch(getattr(self, name)):
                raise ConfigError(f"{name} has a character that is not allowed in it")
        _check_formats(self.formats)
        _check_catalog(self.catalog, self.formats)
        if self.compression == "gzip" and self.compression_level > 9:
            raise ConfigError(f"compression_level must be between 1 and 9 for gzip, not {self.compression_level}")

    @property
    def retention(self) -> Retention:
        """The rules in force. The defaults apply only where none of the newer rules is set."""
        counts = (self.keep_last, self.keep_daily, self.keep_weekly, self.keep_monthly)
        last, days = (0, 0) if any(counts) else (DEFAULT_LAST, DEFAULT_DAYS)
        last = last if self.keep_snapshots is None else self.keep_snapshots
        return Retention(max(last, counts[0]), *counts[1:], days if self.keep_days is None else self.keep_days)

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats, in the order of `FORMATS`."""
        asked = (self.format,) if isinstance(self.format, str) else self.format
        return tuple(sorted(dict.fromkeys(asked), key=lambda name: FORMATS.index(name) if name in FORMATS else -1))

    @property
    def made_visible(self) -> Visible:
        """How parts become visible. Nothing is copied in a store where no glob reads them, as those of tables alone."""
        by_manifest = self.address is not None and (self.visible == BY_MANIFEST or PARQUET not in self.formats)
        return BY_MANIFEST if by_manifest else BY_COPY

    @property
    def reaches_back(self) -> int:
        """Days that the history of a table has to reach back for what is kept, where runs come once a week or more."""
        rules = self.retention
        return max(30, rules.days, rules.last * 7, rules.daily, rules.weekly * 7, rules.monthly * 31) + 7

    @property
    def file_mode(self) -> int:
        """Mode of a published file."""
        return MODES[self.readers][0]

    @property
    def folder_mode(self) -> int:
        """Mode of a folder that leads to published files."""
        return MODES[self.readers][1]

    @property
    def path(self) -> Path | None:
        """The local folder, or None if the lake is in an object store."""
        return None if "://" in self.uri else Path(self.uri)

    @property
    def address(self) -> Address | None:
        """The place in an object store, or None if the lake is a folder."""
        return _address(self.uri) if "://" in self.uri else None

    @property
    def parents(self) -> tuple[str, ...]:
        """The places that the lake is in, from the nearest on."""
        address = self.address
        return tuple(map(str, Path(self.uri).absolute().parents)) if address is None else address.parents

    def _refuse_foreign(self) -> None:
        for one in fields(self):
            if getattr(self, one.name) != one.default and not fits(one.name, self.uri):
                kinds = " and ".join(_TOLD[kind] for kind in _TOLD if kind in ONLY_FOR[one.name])
                told = (
                    "the policy of the bucket says who may read it" if one.name == "readers" else f"uri is {self.uri!r}"
                )
                raise ConfigError(f"{one.name} is only for {kinds}; {told}")


_TOLD = {"folder": "a folder", "s3": "s3://", "gcs": "gs://", "azure": "Azure"}


def fits(name: str, uri: str) -> bool:
    """Whether a lake at this address, which may be wrong yet, has this setting."""
    kind = OBJECT_STORES.get(uri.partition("://")[0], "folder") if "://" in uri else "folder"
    return name not in ONLY_FOR or kind in ONLY_FOR[name]


def moved(values: Mapping[str, Any], uri: str) -> dict[str, Any]:
    """The same settings for a lake elsewhere, without those that a lake there does not have."""
    return {name: value for name, value in values.items() if fits(name, uri)} | {"uri": uri}


def _check_formats(names: tuple[str, ...]) -> None:
    if not names:
        raise ConfigError(f"format must be one of {', '.join(FORMATS)}, or a list of them, and not empty")
    for name in names:
        if name not in FORMATS:
            raise ConfigError(f"format has an unknown word{nearest(name, FORMATS)}")


def _check_catalog(catalog: str, names: tuple[str, ...]) -> None:
    if catalog and ICEBERG not in names:
        raise ConfigError(f"catalog is that of Iceberg tables; add {ICEBERG} to format, or leave it out")
    if not _CATALOG.fullmatch(catalog):
        raise ConfigError("catalog must be the name of a catalog, or of one and a namespace, such as glue.security")


def _normal_lake(uri: str) -> str:
    if not uri.strip() or not uri.isprintable():
        raise ConfigError(f"uri must be a folder, or begin with {_STARTS}, without invisible characters")
    if _LAKE_SECRET.search(uri):
        raise ConfigError("uri must not contain a password, key or token")
    scheme, colon, rest = uri.partition(":")
    if not colon or not (rest.startswith("//") or scheme in ("file", *OBJECT_STORES)):
        return str(Path(uri).expanduser()) if uri.startswith("~") else uri
    if scheme == "file" and rest.startswith("///"):
        return unquote(rest[2:])
    if scheme in OBJECT_STORES and rest.startswith("//"):
        return _address(uri).uri
    raise ConfigError(f"uri must be a folder or begin with {_STARTS}")


def _address(uri: str) -> Address:
    scheme, _, rest = uri.partition("://")
    place, _, prefix = rest.partition("/")
    prefix = prefix.rstrip("/")
    if any(letter in rest for letter in "?#"):
        raise ConfigError("uri must not contain ? or #; region and endpoint are settings of their own")
    if any(one in ("", ".", "..") for one in prefix.split("/")) and prefix:
        raise ConfigError("uri must not have an empty part, . or .. between its slashes")
    if any(letter in prefix for letter in "\\*[]{}") or len(prefix.encode()) > _LONGEST_PREFIX:
        told = (
            f"have at most {_LONGEST_PREFIX} bytes behind its bucket, without backslash, asterisk, brackets or braces"
        )
        raise ConfigError(f"uri must {told}")
    bucket, at, host = place.partition("@")
    account = _ACCOUNT.fullmatch(host)
    is_azure = OBJECT_STORES[scheme] == "azure"
    if at and not (is_azure and account):
        example = "abfss://container@account.dfs.core.windows.net/prefix"
        raise ConfigError(f"uri must name an Azure storage account behind the @, as in {example}")
    if not _BUCKET.fullmatch(bucket):
        what, example = ("container", "container/prefix") if is_azure else ("bucket", "bucket/prefix")
        raise ConfigError(f"uri must name a {what}, as in {scheme}://{example}")
    return Address(scheme, bucket, prefix, *(account.groups() if account else ()))
