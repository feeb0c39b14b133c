"""The columns of tables, whatever the format: what two schemas come to, and what no table can be made of."""

import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.errors import ConfigError, LakeError
from axsync.lake.manifest import TablePin
from axsync.lake.publish import RunTargets
from axsync.lake.tables import Conflict, by_partition, format_of, opened, united
from axsync.model import Lane
from axsync.schema.kinds import Atom, Many
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import DEVICES, KEY, Type, column, content, facts, publish

TODAY = RunTargets(("devices",), ("prod",), "2026-11-23")
SINGLE = st.sampled_from([pa.string(), pa.int64(), pa.timestamp("us", tz="UTC")])
NAMES = st.sampled_from("abc")


def structs(kinds: st.SearchStrategy[pa.DataType]) -> st.SearchStrategy[pa.DataType]:
    members = st.dictionaries(NAMES, kinds, min_size=1)
    return members.map(lambda found: pa.struct([pa.field(name, kind) for name, kind in found.items()]))


KINDS = st.recursive(SINGLE, lambda inner: inner.map(pa.list_) | structs(inner), max_leaves=6)
SCHEMAS = st.dictionaries(NAMES, KINDS).map(lambda found: pa.schema(list(found.items())))


@given(SCHEMAS, SCHEMAS)
def test_two_schemas_come_to_one_that_has_both_or_to_none(one: pa.Schema, other: pa.Schema) -> None:
    """Columns keep their order; to unite again changes nothing, and either order has the same columns and types."""
    try:
        both = united(one, other)
    except Conflict:
        with pytest.raises(Conflict):
            united(other, one)
        return

    assert both.names == [*one.names, *(name for name in other.names if name not in one.names)]
    assert united(both, one) == united(both, other) == both
    assert set(united(other, one).names) == set(both.names)


def test_a_list_that_calls_its_items_otherwise_is_the_same() -> None:
    """Each library has its word for them."""
    ours, theirs = (
        pa.schema([("a", pa.list_(pa.string()))]),
        pa.schema([("a", pa.list_(pa.field("element", pa.string())))]),
    )

    assert united(theirs, ours) == theirs


def test_parts_are_known_by_their_partitions() -> None:
    """The instance and the day are in the path alone."""
    key = "tables/devices/instance=prod/dt=2026-11-23/part-x-00000.parquet"

    ((partition, files),) = by_partition([key]).items()

    assert (partition.instance, partition.day, files) == ("prod", "2026-11-23", frozenset({key}))


def test_a_lake_whose_instances_differ_cannot_become_tables(tmp_path: Path) -> None:
    """Both types are named, and nothing is changed."""
    lab, run = Lane("lab", "devices"), facts("2026-11-22")
    plain = FolderLake(tmp_path / "lake")
    many = Type(columns=(KEY, column("os_type", Many(Atom("text")))), rows=[])
    one = Type(lab, (KEY, column("os_type")), [{"internal_axon_id": "1", "os_type": "x"}])
    publish(plain, run, Type(DEVICES, many.columns, [{"internal_axon_id": "1", "os_type": ["x"]}]), one)
    before = content(plain.root)

    with pytest.raises(LakeError, match=r"os_type of devices is list<string> in prod and string in lab.*a new lake"):
        FolderLake(plain.root, "delta").preflight(TODAY)

    plain.preflight(TODAY)
    assert content(plain.root) == before


def test_tables_are_not_left_behind(tmp_path: Path) -> None:
    """A run that does not commit to them would make them tell of yesterday for ever."""
    lake = FolderLake(tmp_path / "lake", "delta")
    publish(lake, facts("2026-11-22"), Type())

    with pytest.raises(LakeError, match="keep delta in"):
        FolderLake(lake.root).preflight(TODAY)

    FolderLake(lake.root, "parquet", "delta").preflight(TODAY)


@pytest.mark.parametrize(("word", "library"), [("delta", "deltalake"), ("iceberg", "pyiceberg")])
def test_a_format_whose_library_is_missing_is_refused_with_the_way_to_install_it(
    monkeypatch: pytest.MonkeyPatch, word: str, library: str
) -> None:
    """Before anything is written or sent."""
    monkeypatch.delitem(sys.modules, f"axsync.lake.{word}", raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(ConfigError, match=rf"{word} needs {library}: pip install 'axsync\[{word}\]'"):
        opened(["parquet", word])


def test_a_format_that_only_a_later_version_knows_is_refused() -> None:
    """Its word comes from a manifest, and names no module of ours."""
    with pytest.raises(ConfigError, match="the format 'local' are not known"):
        format_of(TablePin("local", "tables/devices"))
