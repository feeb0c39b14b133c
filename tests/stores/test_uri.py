"""Commands as people run them, each a process of its own, with a lake in a store that a settings file names."""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

import axsync
from axsync.emulator.options import DEMO_KEY, DEMO_SECRET
from axsync.lake.history import find_run
from axsync.lake.manifest import TablePin
from axsync.lake.publish import Lake, open_lake
from axsync.lake.tables import format_of
from axsync.settings import LakeSettings
from tests.stores.servers import (
    AZURE_KEY,
    BUCKET,
    KEY,
    REGION,
    SECRET,
    SERVERS,
    Server,
    gcs_config,
    s3,
    s3_client,
)

pytestmark = pytest.mark.stores
PROFILES = "".join(
    f"[{name}]\naws_access_key_id = {KEY}\naws_secret_access_key = {secret}\n"
    for name, secret in (("lakes", SECRET), ("wrong", "another-one"))
)


@pytest.fixture(scope="module")
def server() -> Server:
    return s3()


class Desk:
    """A home folder with profiles of AWS, a settings file, and the variables of a shell."""

    def __init__(self, folder: Path, lake: str, url: str, **environ: str) -> None:
        self.folder = folder
        (folder / ".aws").mkdir()
        (folder / ".aws/credentials").write_text(PROFILES)
        (folder / "axsync.toml").write_text(f"[lake]\n{lake}")
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(Path.cwd()), **environ}
        self.environ |= {"AX_URL": url, "AX_KEY": DEMO_KEY, "AX_SECRET": DEMO_SECRET}

    def set(self, **options: str) -> None:
        """More options of the lake."""
        with (self.folder / "axsync.toml").open("a") as file:
            file.writelines(f'{name} = "{value}"\n' for name, value in options.items())

    def axsync(self, *arguments: str, code: int = 0, program: Sequence[str] = ("-m", "axsync"), **environ: str) -> str:
        """What a command prints; stderr where it fails."""
        told = subprocess.run(
            [sys.executable, *program, *arguments],
            cwd=self.folder,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == code, told.stderr
        assert SECRET not in told.stdout + told.stderr
        return told.stderr if code else told.stdout


@pytest.fixture
def prefix() -> str:
    return f"desks/{uuid4().hex}"


@pytest.fixture
def desk(tmp_path: Path, server: Server, url: str, prefix: str) -> Desk:
    place = f'uri = "s3://{BUCKET}/{prefix}"\nendpoint = "{server.endpoint}"\nregion = "{REGION}"\n'
    return Desk(tmp_path, f'{place}storage_class = "STANDARD_IA"\n', url, AWS_PROFILE="lakes")


def fill_and_read(desk: Desk, uri: str) -> None:
    """Each command a process of its own."""
    assert desk.axsync("check", "--output", "json").count('"ok": true') >= 5
    assert f"complete: {uri}" in desk.axsync("run", "-q")
    assert desk.axsync("run", "--output", "json").count('"verdict": "complete"') > 1
    assert "everything matches the manifest" in desk.axsync("verify")
    assert int(desk.axsync("sql", "--output", "csv", "select count(*) from users").split()[-1]) > 0
    assert desk.axsync("report").strip().startswith(f"{uri}/_axsync/runs/")


def place(cloud: str, prefix: str) -> tuple[str, str, dict[str, str]]:
    """URI, endpoint, and the variables with its credentials that the client of the cloud knows."""
    server = SERVERS[cloud]()
    if cloud == "azure":
        keys = {"AZURE_STORAGE_ACCOUNT_NAME": KEY, "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY}
        return f"az://{BUCKET}/{prefix}", server.endpoint.removesuffix(f"/{KEY}"), keys
    if cloud == "gcs":
        account = gcs_config(server.endpoint)["service_account_key"]
        return f"gs://{BUCKET}/{prefix}", server.endpoint, {"GOOGLE_SERVICE_ACCOUNT_KEY": account}
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION}
    return f"s3://{BUCKET}/{prefix}", server.endpoint, keys


@pytest.mark.parametrize("cloud", ["azure", "gcs"])
def test_other_clouds_are_filled_and_read_by_processes(tmp_path: Path, url: str, prefix: str, cloud: str) -> None:
    """Their credentials are in the variables that their clients know."""
    uri, endpoint, keys = place(cloud, prefix)
    fill_and_read(Desk(tmp_path, f'uri = "{uri}"\nendpoint = "{endpoint}"\n', url, **keys), uri)


TWO_NIGHTS = (("--date", "2026-11-20"), ("--date", "2026-11-21"))
CATALOG = "catalog:\n  house:\n    type: sql\n    uri: sqlite:///{folder}/catalog.db\n"


@pytest.mark.parametrize(
    ("cloud", "form"), [("s3", "delta"), ("azure", "delta"), ("gcs", "delta"), ("s3", "iceberg"), ("s3", "parquet")]
)
def test_tables_in_a_store_are_what_the_files_are(
    tmp_path: Path, url: str, prefix: str, cloud: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nights: the pinned version has the rows and values of the snapshot, null lists included."""
    uri, endpoint, keys = place(cloud, prefix)
    (tmp_path / ".pyiceberg.yaml").write_text(CATALOG.format(folder=tmp_path))
    catalog = 'catalog = "house"\n' if form == "iceberg" else ""
    lake = f'uri = "{uri}"\nendpoint = "{endpoint}"\nformat = "{form}"\n{catalog}'
    desk = Desk(tmp_path, lake, url, **keys, PYICEBERG_HOME=str(tmp_path))
    for night in TWO_NIGHTS:
        assert f"complete: {uri}" in desk.axsync("run", "-q", "--replace-worse", *night)
    assert "everything matches the manifest" in desk.axsync("verify")

    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    opened = open_lake(LakeSettings(uri=uri, endpoint=endpoint, format=(form,), catalog=catalog and "house"))
    found = find_run(opened, "latest").snapshot
    for entity in ("users", "devices"):
        table = axsync.open(LakeSettings(uri=uri, endpoint=endpoint)).table(entity).to_arrow()
        assert table.num_rows > 0
        for pin in found.tables.get(entity, ()):
            read = _of_version(opened, uri, pin.entry)
            columns = [name for name in table.column_names if name in read.column_names and name not in PARTITIONED]
            assert len(columns) > 10
            assert _rows(read, columns) == _rows(table, columns)
    assert (form == "parquet") == (not found.tables)


PARTITIONED = ("entity", "instance", "dt")


def _of_version(lake: Lake, uri: str, pin: dict[str, Any]) -> pa.Table:
    """The newest night of a table, at the version that the manifest names, read by somebody else."""
    if pin["format"] == "delta":
        where = [("dt", "=", date.fromisoformat(TWO_NIGHTS[-1][1]))]
        table = DeltaTable(f"{uri}/{pin['path']}", version=pin["version"], storage_options=lake.store.options())
        return table.to_pyarrow_table(filters=where)
    files = format_of(TablePin(**pin)).files(lake.store, TablePin(**pin))
    keys = [key for partition, names in files.items() if partition.day == TWO_NIGHTS[-1][1] for key in names]
    return pa.concat_tables([pq.read_table(lake.store.open(key), partitioning=None) for key in keys])


def _rows(table: pa.Table, columns: list[str]) -> list[str]:
    return sorted(map(repr, table.select(columns).to_pylist()))


@pytest.mark.parametrize("visible", ["copy", "manifest"])
def test_a_lake_is_filled_and_read_by_processes(desk: Desk, server: Server, prefix: str, visible: str) -> None:
    """The profile has the keys; what is published is in the class that was asked for, and nothing else."""
    desk.set(visible=visible)
    fill_and_read(desk, f"s3://{BUCKET}/{prefix}")

    found = s3_client(server.endpoint).list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    classed = {one["Key"] for one in found if one["StorageClass"] == "STANDARD_IA"}
    assert classed == {one["Key"] for one in found if "/entity=" in one["Key"]}


@pytest.mark.parametrize(
    ("arguments", "environ", "told"),
    [
        (
            ("run", "--lake", "s3://no-such-bucket/lake"),
            {},
            "the bucket does not exist\n  advice: Correct the lake",
        ),
        (("run",), {"AWS_PROFILE": "nobody"}, "The config profile (nobody) could not be found"),
        (("run",), {"AWS_PROFILE": "wrong"}, "the secret key is wrong\n  advice: Correct the store's credentials"),
        (("sql", "select 1", "--lake", "s3://lake/nothing/here"), {}, "there is no lake 's3://lake/nothing/here' yet"),
    ],
)
def test_what_cannot_work_is_one_sentence(
    desk: Desk, arguments: tuple[str, ...], environ: dict[str, str], told: str
) -> None:
    """And exit code 2, before anything is written."""
    said = desk.axsync(*arguments, code=2, **environ)

    assert told in said
    assert said.count("error: ") == 1
    assert "Traceback" not in said
