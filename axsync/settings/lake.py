"""Settings of the lake."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import unquote

from axsync.errors import ConfigError
from axsync.settings.checks import MIB, Between, Bytes, check_bounds, nearest

OBJECT_STORES = ("s3", "gs", "abfs", "abfss")

Compression = Literal["zstd", "snappy", "gzip", "lz4", "none"]
Format = Literal["parquet", "delta", "iceberg"]
Readers = Literal["owner", "group", "all"]

PARQUET: Format = "parquet"
ICEBERG: Format = "iceberg"
FORMATS: tuple[Format, ...] = get_args(Format)

MODES: dict[Readers, tuple[int, int]] = {"owner": (0o600, 0o700), "group": (0o640, 0o750), "all": (0o644, 0o755)}
"""Modes of a published file, and of the folders that lead to it."""

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
class LakeSettings:
    """Where the Parquet files go, and in which form. `uri` is a folder, or starts with s3://, gs:// or abfs://."""

    uri: str = "lake"
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
        raise ConfigError("uri must be a folder or an s3://, gs:// or abfs:// address, without invisible characters")
    if _LAKE_SECRET.search(uri):
        raise ConfigError("uri must not contain a password, key or token")
    scheme, colon, rest = uri.partition(":")
    if not colon or not (rest.startswith("//") or scheme in ("file", *OBJECT_STORES)):
        return str(Path(uri).expanduser()) if uri.startswith("~") else uri
    if scheme == "file" and rest.startswith("///"):
        return unquote(rest[2:])
    if scheme in OBJECT_STORES and re.match(r"//[^/?#]", rest):
        return uri
    raise ConfigError("uri must be a folder or begin with s3://bucket, gs://bucket, abfs://container or file:///")
