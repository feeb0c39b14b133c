"""Registries made from the manifests of a lake that has none, or a damaged one."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from axsync.errors import RegistryDamaged
from axsync.lake import layout
from axsync.lake.publish import RunTargets
from axsync.lake.rebuild import clash_texts, rebuild, rebuild_alone
from axsync.lake.schemas import registries
from axsync.model import ID_FIELD, Lane
from axsync.runs.registries import known_registries
from axsync.schema.columns import Column
from axsync.schema.kinds import Atom, Many
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import DEVICES, Type, facts, publish

TEXT, INTEGER = Atom("text"), Atom("integer")
ID = Column(ID_FIELD, ID_FIELD, ID_FIELD, TEXT)
LAB = Lane("lab", "devices")
TARGETS = RunTargets(["devices"], ["prod"], "2026-11-25")


def column(name: str, field: str, kind: Atom | Many = TEXT) -> Column:
    return Column(name, field, field, kind)


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """Two days of two instances, written by a version that gave names and types to each of them."""
    lake = FolderLake(tmp_path / "lake")
    first = Type(columns=(ID, column("id", "_id"), column("n", "n", INTEGER), column("t", "t")))
    second = Type(LAB, (ID, column("id", "data.id", Many(TEXT)), column("n", "n"), column("t", "t", Many(TEXT))))
    publish(lake, facts("2026-11-21"), first)
    publish(lake, facts("2026-11-22"), first, second)
    for day in ("2026-11-21", "2026-11-22"):
        lake.as_version_1(facts(day).run_id)
    shutil.rmtree(lake.root / layout.SCHEMAS)
    return lake


def test_the_oldest_manifest_has_the_first_word(lake: FolderLake) -> None:
    """What clashes is told once, lane by lane; a lake that is rebuilt again stays as it is."""
    found = rebuild(lake)

    columns = {c.name: (c.field, c.kind, c.since[:8]) for c in found.registries["devices"].columns}
    (other,) = columns.keys() - {ID_FIELD, "id", "n", "t", "n_json"}
    assert columns == {
        ID_FIELD: (ID_FIELD, TEXT, "20261121"),
        "id": ("_id", TEXT, "20261121"),
        "n": ("n", INTEGER, "20261121"),
        "t": ("t", Many(TEXT), "20261121"),
        other: ("data.id", Many(TEXT), "20261122"),
        "n_json": ("n", Atom("json"), "20261122"),
    }
    assert clash_texts(found) == [
        f"lab/devices: values of data.id were in id, new ones go to {other}",
        "lab/devices: values of n were in n, new ones go to n_json",
    ]
    assert registries(lake.store) == found.registries == rebuild_alone(lake).registries


def test_a_lake_without_a_registry_gets_one_from_its_first_run(lake: FolderLake) -> None:
    """Which says what clashes; the next one finds it in place."""
    known, told = known_registries(lake)

    assert known == registries(lake.store)
    assert len(told) == 2
    assert known_registries(lake) == (known, [])


def test_a_damaged_registry_is_refused_and_made_anew(lake: FolderLake) -> None:
    """Before anything is sent or written; what can be read stays, also what no manifest has any more."""
    rebuild(lake)
    extra = replace(Type(Lane("prod", "users")), columns=(ID,))
    publish(lake, facts("2026-11-23"), extra)
    (lake.root / lake.manifest_name(facts("2026-11-23").run_id)).unlink()
    before = registries(lake.store)
    (lake.root / layout.registry("devices")).write_text("{")

    with pytest.raises(RegistryDamaged, match=r"registry of 'devices' .* _axsync/schemas/devices\.json"):
        lake.preflight(TARGETS)

    (lake.root / layout.POINTER).unlink()
    assert rebuild_alone(lake).registries == before
    lake.preflight(TARGETS)


def test_only_what_a_run_brings_is_written(lake: FolderLake) -> None:
    """A registry that is as before is not touched."""
    rebuild(lake)
    place = lake.root / layout.registry("devices")
    before = place.stat().st_ino

    publish(lake, facts("2026-11-23"), Type(DEVICES, (ID, column("t", "t"))))
    assert place.stat().st_ino == before
    publish(lake, facts("2026-11-24"), Type(DEVICES, (ID, column("fresh", "fresh"))))
    assert registries(lake.store)["devices"].columns[-1].since == facts("2026-11-24").run_id
