"""The schemas of a lake in its store.

A registry for each entity type, replaced whole; the numbers of its columns, where Iceberg tables need them; and the
columns of lanes, which manifests name by their SHA-256: most lanes have those of another one, or of the night before.
Outside of this module and `manifest` an entry of a lane has `columns`, wherever they are kept.
"""

import errno
import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa

from axsync.errors import ManifestError, RegistryDamaged
from axsync.lake import layout
from axsync.lake.store import Store, each, read_if_there
from axsync.model import Lane, Outcome
from axsync.schema.columns import Column, columns_of
from axsync.schema.field_ids import FieldIds, read_field_ids, with_field_ids, write_field_ids
from axsync.schema.registry import Registry, extended, read_registry, write_registry


def registries(store: Store) -> dict[str, Registry]:
    """Entity type → its registry, of all that have one. Raises: RegistryDamaged."""
    entities = registered(store)
    return dict(zip(entities, each(store, lambda entity: registry(store, entity), entities), strict=True))


def registered(store: Store) -> list[str]:
    """The entity types that have a registry, readable or not."""
    named = [layout.entity_of_registry(name) for name in store.names(layout.SCHEMAS)]
    return [entity for entity in named if entity]


def registry(store: Store, entity: str) -> Registry:
    """The registry of an entity type; an empty one where it has none. Raises: RegistryDamaged."""
    key = layout.registry(entity)
    try:
        return read_registry(store.read(key))
    except FileNotFoundError:
        return Registry()
    except (OSError, ValueError) as error:
        raise RegistryDamaged(f"the registry of {entity!r} cannot be read", file=key) from error


def put_registries(store: Store, found: Mapping[str, Registry]) -> None:
    """Put these in place, with the lake held. Raises: OSError."""

    def put(entity: str) -> None:
        key = layout.registry(entity)
        seen = read_if_there(store, key)
        if not store.replace_if_unchanged(key, seen, write_registry(entity, found[entity]), shared=True):
            raise OSError(errno.EBUSY, f"{key} was changed by another process meanwhile")

    deque(each(store, put, list(found)), maxlen=0)


def register(store: Store, run_id: str, outcomes: Iterable[Outcome]) -> None:
    """Enter the columns that these lanes bring, with the lake held. Raises: OSError, RegistryDamaged."""
    brought = list(columns_brought(outcomes))
    entities = list(dict.fromkeys(lane.entity for lane, _ in brought))
    before = dict(zip(entities, each(store, lambda entity: registry(store, entity), entities), strict=True))
    now = dict(before)
    for lane, columns in brought:
        now[lane.entity], _ = extended(now[lane.entity], columns, run_id)
    put_registries(store, {entity: one for entity, one in now.items() if one != before[entity]})


def columns_brought(outcomes: Iterable[Outcome]) -> Iterator[tuple[Lane, tuple[Column, ...]]]:
    """The columns that lanes bring, once for all lanes of a type that have the same, as most have."""
    seen = set[tuple[str, bytes]]()
    for outcome in outcomes:
        written = outcome.lane.entity, orjson.dumps(outcome.columns)
        if outcome.columns and written not in seen:
            seen.add(written)
            yield outcome.lane, columns_of({"columns": outcome.columns})


# --------------------------------------------------------------------------------------------------- numbers of columns


def read_ids(store: Store, entity: str) -> FieldIds | None:
    """The numbers of an entity type's columns; None where none were given away. Raises: RegistryDamaged."""
    return _seen_ids(store, entity)[1]


def _seen_ids(store: Store, entity: str) -> tuple[bytes | None, FieldIds | None]:
    """The same with the content that has them."""
    key = layout.field_ids(entity)
    try:
        content = store.read(key)
        return content, read_field_ids(content)
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError) as error:
        raise RegistryDamaged(f"the field ids of {entity!r} cannot be read", file=key) from error


@dataclass(slots=True)
class FieldNumbers:
    """Numbers the columns of the parts of a run, with the lake held. In whatever thread, or process of the run.

    They are durable before any part has them: a part that is published by a later process, after another run has
    brought columns, has the numbers that were meant for it. `seed` tells those of a table whose file here is lost.
    """

    store: Store
    seed: Callable[[str], FieldIds] = lambda _: FieldIds()
    _ids: dict[str, FieldIds] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def numbered(self, entity: str, schema: pa.Schema) -> pa.Schema:
        """The schema of a part with its numbers. Raises: OSError, RegistryDamaged."""
        with self._turn:
            known = self._ids.get(entity)
            while known is None or known.extended(schema) is not known:
                known = self._extended(entity, schema)
            self._ids[entity] = known
            return with_field_ids(schema, known.known)

    def _extended(self, entity: str, schema: pa.Schema) -> FieldIds | None:
        """What is durable now, with numbers for this schema; None where another process of the run was quicker."""
        seen, known = _seen_ids(self.store, entity)
        known = known or self.seed(entity)
        ids = known.extended(schema)
        if ids is known:
            return known
        key, content = layout.field_ids(entity), write_field_ids(entity, ids)
        if seen is None:
            is_ours = self.store.write_if_absent(key, content, shared=True)
        else:
            is_ours = self.store.replace_if_unchanged(key, seen, content, shared=True)
        return ids if is_ours else None


# ---------------------------------------------------------------------------------------------------- columns by hash


def digest_of_columns(columns: Mapping[str, Any]) -> str:
    """The SHA-256 by which a manifest names these columns."""
    return hashlib.sha256(orjson.dumps(columns)).hexdigest()


def put_schemas(store: Store, lanes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The entries of lanes as a manifest has them, each with the hash of its columns, which are in place by then.

    Raises: OSError.
    """
    fresh: dict[str, bytes] = {}
    contents: dict[int, tuple[Mapping[str, Any], str]] = {}  # by identity: entries of one schema share their columns
    found = []
    for lane in lanes:
        columns = lane.get("columns", {})
        if id(columns) not in contents:
            content = orjson.dumps(columns)
            digest = hashlib.sha256(content).hexdigest()
            contents[id(columns)] = columns, digest
            if columns:
                fresh[digest] = content
        named = {"schema": contents[id(columns)][1] if columns else None}
        found.append(_replaced(lane, "columns", named))
    deque(each(store, lambda digest: _put(store, layout.schema(digest), fresh[digest]), list(fresh)), maxlen=0)
    return found


def _put(store: Store, key: str, content: bytes) -> None:
    if read_if_there(store, key) != content:  # a damaged one is made good
        store.write(key, content, shared=True)


def with_columns(lane: Mapping[str, Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of a lane with its columns beside their hash."""
    return _replaced(lane, "schema", {"schema": lane["schema"], "columns": columns})


def _replaced(lane: Mapping[str, Any], key: str, by: Mapping[str, Any]) -> dict[str, Any]:
    """The entry with other keys in the place of one."""
    found: dict[str, Any] = {}
    for name, value in lane.items():
        if name == key:
            found |= by
        elif name not in by:
            found[name] = value
    return found


def schema(store: Store, digest: str) -> dict[str, dict[str, Any]]:
    """The columns that have this SHA-256. Raises: ManifestError where they are missing or others."""
    key = layout.schema(digest)
    try:
        content = store.read(key)
        columns: dict[str, dict[str, Any]] = orjson.loads(content)
    except (OSError, ValueError) as error:
        raise ManifestError("the columns of a snapshot cannot be read", file=key) from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise ManifestError("the columns of a snapshot are damaged", file=key)
    return columns
