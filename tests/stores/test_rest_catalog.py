"""Iceberg tables in the REST catalog of SeaweedFS, which is written in Go: nothing of it is ours or pyiceberg's.

Its catalog takes tables in a table bucket alone, and such a bucket takes files of tables alone, but for folders whose
names begin with an underscore. So a lake lies in one: `s3://tables/…/…/_lake`.
"""

from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pyiceberg.catalog
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.table import Table
from pyiceberg.utils.config import Config

from axsync.lake.history import find_run
from axsync.lake.iceberg import IcebergTables
from axsync.lake.objects import ObjectStore
from axsync.lake.publish import Lake
from axsync.lake.store import Store
from tests.stores.servers import BUCKET, KEY, REGION, SECRET, TABLE_BUCKET, Server, s3
from tests.stores.test_uri import Desk
from tests.unit.lake.test_iceberg import ONE, OTHER, WIDER, change, part

pytestmark = pytest.mark.stores
CUT_OFF = """
import os, sys
from axsync.cli import main
from axsync.lake.publish import Lake
Lake._put = lambda *_: os._exit(9)  # that of the manifest, which comes behind the commits
main(sys.argv[1:])
"""
FIELDS = "[entities.{entity}]\nfields = [{names}]\n"
INSTANCE = '[instances.{name}]\nurl = "{url}"\napi_key = "env:AX_KEY"\napi_secret = "env:AX_SECRET"\n'
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def server() -> Server:
    return s3()


class House:
    """A lake, and a namespace for it in the catalog."""

    def __init__(self, server: Server, bucket: str = TABLE_BUCKET) -> None:
        self.namespace, self._server, self._bucket = f"n{uuid4().hex}", server, bucket
        self._prefix = f"lakes/{self.namespace}/_lake"
        self.uri = f"s3://{bucket}/{self._prefix}"
        self._settings = {"type": "rest", "uri": server.catalog, "warehouse": f"s3://{TABLE_BUCKET}"}
        self._settings["oauth2-server-uri"] = f"{server.catalog}/v1/oauth/tokens"
        self._settings["credential"] = f"{KEY}:{SECRET}"

    @property
    def environ(self) -> Mapping[str, str]:
        """What pyiceberg finds the catalog by."""
        return {
            f"PYICEBERG_CATALOG__HOUSE__{key.upper().replace('-', '_')}": one for key, one in self._settings.items()
        }

    def desk(self, folder: Path, url: str) -> Desk:
        """Where commands are given."""
        toml = f'uri = "{self.uri}"\nendpoint = "{self._server.endpoint}"\nformat = "iceberg"\n'
        toml += f'catalog = "house.{self.namespace}"\nkeep_last = 1\n'
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION}
        return Desk(folder, toml, url, **keys, **self.environ)

    def table(self, entity: str) -> Table:
        """As somebody else opens it, who knows the catalog alone."""
        keys = {"s3.access-key-id": KEY, "s3.secret-access-key": SECRET}
        place = {"s3.endpoint": self._server.endpoint, "s3.region": REGION}
        with load_catalog("other", **self._settings, **place, **keys) as catalog:
            return catalog.load_table((self.namespace, entity))

    def store(self, drafts: Path) -> ObjectStore:
        """The lake without its command."""
        return ObjectStore(self._server.bucket(bucket=self._bucket), self._prefix, self.uri, drafts=drafts / "drafts")


def values(table: pa.Table) -> list[str]:
    """Without objects in lists: pyiceberg reads null as none of them."""
    names = sorted(one.name for one in table.schema if "struct" not in str(one.type))
    return sorted(map(repr, table.select(names).to_pylist()))


def test_nights_are_seen_through_the_catalog(
    tmp_path: Path, server: Server, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one brings columns and an instance, and is killed between the commits and the manifest."""
    house = House(server)
    desk, settings = house.desk(tmp_path, url), tmp_path / "axsync.toml"
    lake = settings.read_text()
    settings.write_text(lake + FIELDS.format(entity="devices", names='"name"'))
    desk.axsync("run", "-q", "--date", "2026-11-20", "devices")
    instances = "".join(INSTANCE.format(name=name, url=url) for name in ("default", "lab"))
    settings.write_text(lake + FIELDS.format(entity="devices", names='"name", "last_seen", "tags"') + instances)
    night = ("run", "-q", "--date", "2026-11-21", "devices")
    desk.axsync(*night, code=9, program=("-c", CUT_OFF))
    assert len(house.table("devices").snapshots()) == 2

    desk.axsync(*night)
    assert "everything matches the manifest" in desk.axsync("verify")
    found = house.table("devices")
    rows = found.scan().to_arrow()
    assert (rows.num_rows, len(found.snapshots())) == (3 * 400, 2)
    assert "last_seen" in rows.column_names
    desk.axsync("gc", "--yes")

    found, store = house.table("devices"), house.store(tmp_path)
    snapshot = find_run(Lake(store), "latest").snapshot
    tags = {name for name in found.refs() if name != "main"}
    assert tags == {f"axsync-{snapshot.run_id}"}
    files = [file.path for lane in snapshot.lanes for file in lane.files]
    there = pa.concat_tables([pq.read_table(store.open(key), partitioning=None) for key in files])
    now = found.scan().to_arrow()
    assert values(now.drop_columns(["instance", "dt"])) == values(there)
    assert not [one.key for one in store.list("**/*") if SECRET.encode() in store.read(one.key)]


def test_a_lake_where_the_catalog_takes_no_tables_is_refused(tmp_path: Path, server: Server) -> None:
    """In one sentence, before its instances are asked."""
    house = House(server, BUCKET)
    told = house.desk(tmp_path, NOWHERE).axsync("run", code=2)

    refused = (
        f"error: the catalog 'house' takes no tables of '{house.uri}': BadRequestException: table location must be"
    )
    assert told.startswith(refused)
    assert len(told.splitlines()) == 1
    assert not list(house.store(tmp_path).list("**/*"))


class _Overtaken(IcebergTables):
    """Somebody else commits between its look at the table and its commit."""

    def _found(self, catalog: Catalog, store: Store, entity: str) -> Table | None:
        found = super()._found(catalog, store, entity)
        tables = IcebergTables(self.catalog)
        if OTHER not in {one for pin in [tables.newest(store, entity)] if pin for one in tables.files(store, pin)}:
            tables.commit(store, change("r2", {OTHER: {part(store, OTHER, "b", WIDER)}}, WIDER))
        return found


def test_two_commits_at_once_both_come(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server refuses the second one, which is tried again."""
    house = House(server)
    for name, value in house.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(pyiceberg.catalog, "_ENV_CONFIG", Config())
    store, tables = house.store(tmp_path), IcebergTables(f"house.{house.namespace}")
    tables.commit(store, change("r1", {ONE: {part(store, ONE, "a")}}))

    other = part(store, ONE, "c")
    pin = _Overtaken(f"house.{house.namespace}").commit(store, change("r3", {ONE: {other}}))

    found = tables.files(store, pin)
    assert {place: len(keys) for place, keys in found.items()} == {ONE: 1, OTHER: 1}
    assert found[ONE] == {other}
    refs = house.table("devices").refs()
    assert (set(refs), refs["axsync-r3"].snapshot_id) == (
        {"main", "axsync-r1", "axsync-r2", "axsync-r3"},
        pin.snapshot_id,
    )
