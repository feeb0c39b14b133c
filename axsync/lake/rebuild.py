"""The registries of a lake made from its manifests, oldest first: for lakes that have none, and for damaged ones."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import orjson

from axsync.errors import ManifestError, RegistryDamaged
from axsync.lake import layout
from axsync.lake.history import snapshots
from axsync.lake.lane_files import match_lane_files
from axsync.lake.manifest import columns_in
from axsync.lake.publish import Lake
from axsync.lake.schemas import put_registries, read_ids, registered, registry
from axsync.lake.store import storage_errors
from axsync.model import Lane
from axsync.schema.registry import Clash, Registry, extended


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Registries by entity type, columns that do not go on as they were, and why manifests cannot be read."""

    registries: Mapping[str, Registry]
    clashes: tuple[tuple[Lane, Clash], ...] = ()
    errors: tuple[ManifestError, ...] = ()


def rebuilt(lake: Lake) -> Rebuilt:
    """What the manifests come to, beside registries that can be read; nothing is written. Raises: NoLake."""
    found, errors = snapshots(lake)
    known, wrong = _readable(lake), list(errors)
    clashes: dict[tuple[str, str, str], tuple[Lane, Clash]] = {}
    seen = set[tuple[str, bytes]]()
    for snapshot in reversed(found):
        for lane in snapshot.lanes:
            written = (lane.entity, orjson.dumps(lane.columns))  # most lanes have the columns of another one
            if not lane.columns or written in seen:
                continue
            seen.add(written)
            try:
                columns = columns_in(snapshot, lane)
            except ManifestError as error:
                wrong.append(error)
                continue
            run_id = lane.from_run or snapshot.run_id
            known[lane.entity], told = extended(known.get(lane.entity, Registry()), columns, run_id)
            for clash in told:
                clashes.setdefault((lane.entity, clash.name, clash.field), (lane.lane, clash))
    return Rebuilt(known, tuple(clashes.values()), tuple(wrong))


def _readable(lake: Lake) -> dict[str, Registry]:
    known: dict[str, Registry] = {}
    for entity in registered(lake.store):
        with suppress(RegistryDamaged):
            known[entity] = registry(lake.store, entity)
    return known


def rebuild(lake: Lake) -> Rebuilt:
    """Make the registries anew, with the lake held. Raises: NoLake, StorageError."""
    found = rebuilt(lake)
    with storage_errors("write the registry"):
        put_registries(lake.store, found.registries)
        _drop_damaged_ids(lake)
    return found


def _drop_damaged_ids(lake: Lake) -> None:
    """Field ids are in the metadata of tables as well, whence the next run takes them."""
    for name in lake.store.names(layout.FIELD_IDS):
        if entity := layout.entity_of_registry(name):
            try:
                read_ids(lake.store, entity)
            except RegistryDamaged:
                lake.store.delete(layout.field_ids(entity))


def rebuild_alone(lake: Lake) -> Rebuilt:
    """The same for whoever does not hold the lake. Raises: NoLake, LakeError, Busy, StorageError."""
    rebuilt(lake)  # so that what is no lake stays none
    lake.store.preflight((layout.SCHEMAS,))
    with lake.store.hold(layout.LOCK, what=f"the lake {lake.name}", run="schema rebuild"):
        lake.prepare()
        with storage_errors("write the verdicts of runs"):
            match_lane_files(lake)
        return rebuild(lake)


def clash_texts(found: Rebuilt) -> list[str]:
    """One sentence for each column that does not go on as it was, in words for people."""
    return [
        f"{lane}: values of {clash.field} were in {clash.name}, new ones go to {clash.instead}"
        for lane, clash in found.clashes
    ]
