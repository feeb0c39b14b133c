"""A run of axsync against emulators, and the lake that it left, read as any user reads it: through `latest.json`."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

import axsync
from axsync.convert.exact import Number
from axsync.emulator import Emulator, Seen
from axsync.emulator.rendering import short_key
from axsync.events import Event, Observer
from axsync.model import Outcome
from axsync.settings import CredentialReference, EntitySettings, InstanceSettings, LakeSettings, RunSettings, Settings

T = TypeVar("T")
Record: TypeAlias = dict[str, Any]

WALKS = (
    ("p6164", "offset"),
    ("p6167", "offset"),
    ("p70", "offset"),
    ("p70", "token"),
    ("p90", "offset"),
    ("p90", "token"),
    ("v1", "offset"),
    ("v1", "cursor"),
)
"""Every profile with every way over its rows that it knows."""

ONE_WALK_EACH = tuple(dict(WALKS).items())
"""Every profile with one of its ways."""


def at_once(low: float, _high: float) -> float:
    """The shortest wait that full jitter can choose."""
    return low


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run said and came to."""

    report: axsync.Report
    events: tuple[Event, ...]

    def outcome(self, entity: str, instance: str = "prod") -> Outcome:
        return next(o for o in self.report.outcomes if (o.lane.entity, o.lane.instance) == (entity, instance))

    def verdicts(self) -> dict[str, str]:
        return {str(o.lane): o.verdict for o in self.report.outcomes}

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]


@dataclass(slots=True)
class Lab:
    """A folder for a lake and for keys; settings that suit a test: small pages, no waiting."""

    folder: Path
    lake: Path = field(init=False)

    def __post_init__(self) -> None:
        self.lake = self.folder / "lake"

    def keys(self, name: str, key: str, secret: str) -> CredentialReference:
        """References to files that hold these two."""
        for part, text in (("key", key), ("secret", secret)):
            place = self.folder / f"{name}.{part}"
            place.write_text(text)
            place.chmod(0o600)
        return CredentialReference(f"file:{self.folder / name}.key", f"file:{self.folder / name}.secret")

    def instance(self, emulator: Emulator, name: str = "prod", **settings: Any) -> InstanceSettings:
        keys = self.keys(name, emulator.api_key, emulator.api_secret)
        usual: dict[str, Any] = {"url": emulator.url, "credential": keys, "in_flight": 8, "page_size": 20}
        return InstanceSettings(name, **{**usual, "requests_per_second": 5000.0, **settings})

    def settings(
        self,
        *instances: InstanceSettings,
        types: Mapping[str, EntitySettings] | None = None,
        lake: Mapping[str, Any] | None = None,
        **run: Any,
    ) -> Settings:
        place = LakeSettings(**{"uri": str(self.lake)} | dict(lake or {}))
        return Settings(place, instances, types or {}, RunSettings(**run))

    async def run(self, settings: Settings, *observers: Observer) -> Ran:
        events: list[Event] = []
        report = await axsync.sync(settings, observers=[events.append, *observers], jitter=at_once)
        return Ran(report, tuple(events))

    def manifest(self) -> Record:
        """The newest snapshot, from its pointer."""
        return axsync.load_manifest(self.lake)

    def lane(self, entity: str, instance: str = "prod") -> Record:
        lanes: list[Record] = self.manifest()["lanes"]
        return next(one for one in lanes if (one["entity"], one["instance"]) == (entity, instance))

    def table(self, entity: str, instance: str = "prod") -> pa.Table | None:
        """All rows of one lane's files, None where it has none."""
        files = self.lane(entity, instance)["files"]
        tables = [pq.ParquetFile(self.lake / file["path"]).read() for file in files]
        return pa.concat_tables(tables) if tables else None

    def rows(self, entity: str, instance: str = "prod") -> list[Record]:
        table = self.table(entity, instance)
        rows: list[Record] = [] if table is None else table.to_pylist()
        return rows

    def ids(self, entity: str, instance: str = "prod") -> list[str]:
        table = self.table(entity, instance)
        ids: list[str] = [] if table is None else table.column("internal_axon_id").to_pylist()
        return sorted(ids)

    def published(self) -> list[str]:
        """Files that a glob over the partitions finds."""
        return sorted(str(path.relative_to(self.lake)) for path in self.lake.glob("entity=*/**/*") if path.is_file())

    def everything(self) -> dict[str, bytes]:
        """Every file of the lake with its content, hidden ones included."""
        files = (path for path in sorted(self.lake.rglob("*")) if path.is_file())
        return {str(path.relative_to(self.lake)): path.read_bytes() for path in files}


def pages(log: Sequence[Seen], entity: str | None = None) -> list[Seen]:
    """The requests for pages of one type, or of all.

    Tastes of one row, by which a server is probed, and listings of ids, which prove a walk, are left out.
    """
    return [seen for seen in log if is_page(seen) and (entity is None or seen.path.endswith(f"/{entity}"))]


def is_page(seen: Seen) -> bool:
    asked = attributes(seen)
    page, fields = asked.get("page"), asked.get("fields")
    only_ids = ["internal_axon_id"] in (fields, *(fields.values() if isinstance(fields, dict) else ()))
    return isinstance(page, dict) and page.get("limit") != 1 and not only_ids


def attributes(seen: Seen) -> Record:
    """The part of a body that asks, in either generation."""
    body: Record = seen.body or {}
    with suppress(KeyError, TypeError):
        body = body["data"]["attributes"]
    return body


def fields_asked(log: Sequence[Seen], entity: str) -> list[str]:
    """The fields that a run asked for."""
    asked = attributes(pages(log, entity)[0])["fields"]
    names: list[str] = asked[entity] if isinstance(asked, dict) else asked
    return names


def served(emulator: Emulator, entity: str, fields: Sequence[str]) -> dict[str, Record]:
    """Id → record as the emulator serves it, keys in full; numbers exact."""
    fleet = emulator.fleets[entity]
    full = {short_key(name): name for name in fields} if emulator.instance.profile.short_keys else {}
    texts = (fleet.record(place, fields) for place in range(len(fleet)))
    records = (json.loads(text, parse_float=Decimal, parse_int=Decimal) for text in texts)
    return {r["internal_axon_id"]: {full.get(key, key): exact(value) for key, value in r.items()} for r in records}


def exact(value: object) -> object:
    """A JSON value such that == means: the same JSON; Python alone takes true for 1."""
    match value:
        case bool():
            return ("bool", value)
        case int() | float() | Decimal() | Number():
            return ("number", Decimal(value.text if isinstance(value, Number) else str(value)))
        case list():
            return [exact(item) for item in value]
        case dict():
            return {key: exact(item) for key, item in value.items()}
    return value


def restored(lab: Lab, entity: str) -> dict[str, object]:
    """Id → record as the lake and the manifest give it back."""
    lane = lab.lane(entity)
    return {row["internal_axon_id"]: exact(axsync.restore(row, lane)) for row in lab.rows(entity)}
