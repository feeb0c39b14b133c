"""Who reads the tables: programs of other people, in an environment of their own, find what is in the files.

One lake in a folder and one in S3, each with tables of Delta Lake and of Iceberg over the same files. The second night
brings columns, values that do not fit, and another instance.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from axsync.emulator import Emulator, Options
from axsync.emulator.options import DEMO_KEY, DEMO_SECRET
from axsync.lake.history import Snapshot, find_run
from axsync.lake.local import LocalStore
from axsync.lake.objects import ObjectStore
from axsync.lake.publish import Lake
from axsync.lake.store import Store
from axsync.lake.tables import PARTITION_COLUMNS, partition_of, united
from axsync.sql import query_session, tables_of
from axsync.sql.days import all_days
from axsync.sql.ddl import view_statements
from axsync.sql.histories import of_days
from tests.flow.tiny import Tiny, serving
from tests.stores.readers.canonical import form_of
from tests.stores.servers import BUCKET, KEY, REGION, SECRET, s3

pytestmark = pytest.mark.stores

Row: TypeAlias = dict[str, Any]
Emptied: TypeAlias = Callable[[Any, pa.DataType], Any]
HOME = os.environ.get("AXSYNC_READERS")
SCRIPTS = Path(__file__).with_name("readers")
NIGHTS = ("2026-11-22", "2026-11-23")
TYPES = ("devices", "users")
ENVIRON = {"AX_KEY": DEMO_KEY, "AX_SECRET": DEMO_SECRET, "PYTHONPATH": str(Path.cwd())}
INSTANCE = """
[instances.{name}]
url = "{url}"
api_key = "env:AX_KEY"
api_secret = "env:AX_SECRET"
requests_per_second = 5000
"""
CATALOG = "catalog:\n  house:\n    type: sql\n    uri: sqlite:///{folder}/catalog.db\n"


def odd(number: int, **fields: object) -> Row:
    return {"internal_axon_id": f"{number:032x}", **{f"specific_data.data.{name}": one for name, one in fields.items()}}


ODD = Tiny(
    [
        odd(
            1, boxes=[{"a": 1, "b": None, "c": ["x"]}, {"a": None, "b": "y", "c": []}], box={"a": 1}, words=["x", None]
        ),
        odd(2, boxes=[], box={"a": 2}, words=[]),
        odd(3, boxes=None, box=None, words=None),
        odd(4, boxes=[None, {"a": 3}], box={"a": None}, words=[None]),
        odd(5, boxes=[{}], box={}, words=["y"]),
        odd(6),
    ],
    {"generic": [{"name": f"specific_data.data.{name}", "type": "array"} for name in ("boxes", "box", "words")]},
)
"""Lists, objects, and lists of objects: null, empty, with nulls and empty ones inside, and absent."""


@dataclass(frozen=True, slots=True)
class Place:
    """A lake, what the settings file says of it, and the variables by which it is reached."""

    lake: Lake
    settings: str
    environ: Mapping[str, str]

    def run(self, folder: Path, day: str, **urls: str) -> None:
        """A night of these instances."""
        told = "".join(INSTANCE.format(name=name, url=url) for name, url in urls.items())
        lake = f'[lake]\nuri = "{self.lake.store.uri()}"\nformat = ["delta", "iceberg"]\n'
        (folder / "axsync.toml").write_text(lake + self.settings + told)
        (folder / ".pyiceberg.yaml").write_text(CATALOG.format(folder=folder))
        ran = subprocess.run(
            [sys.executable, "-m", "axsync", "run", *TYPES, "-q", "--date", day],
            cwd=folder,
            env={**os.environ, **ENVIRON, **self.environ, "PYICEBERG_HOME": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr


def in_folder(folder: Path) -> Place:
    return Place(Lake(LocalStore(folder / "lake")), "", {})


def in_s3(folder: Path) -> Place:
    server, prefix = s3(), f"readers/{uuid4().hex}"
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION}
    environ = {**keys, "AWS_ENDPOINT_URL": server.endpoint, "AWS_ALLOW_HTTP": "true"}
    lake = Lake(ObjectStore(server.bucket(), prefix, f"s3://{BUCKET}/{prefix}", drafts=folder))
    return Place(lake, f'endpoint = "{server.endpoint}"\ncatalog = "house"\n', environ)


async def fill(place: Place, folder: Path) -> None:
    """Two nights."""
    usual = Options(profile="p90", types=TYPES, sizes={"devices": 30, "users": 10}, count_nulls=0, shapes=1)
    drifted = replace(usual, more_fields=5, drift_percent=20.0)
    async with Emulator(usual) as first, Emulator(drifted) as second, serving(ODD) as other:
        await asyncio.to_thread(place.run, folder, NIGHTS[0], prod=first.url)
        await asyncio.to_thread(place.run, folder, NIGHTS[1], prod=second.url, lab=other.url)


@pytest.fixture(scope="module", params=[in_folder, in_s3])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One that has been filled."""
    folder = tmp_path_factory.mktemp("readers")
    made: Place = request.param(folder)
    asyncio.run(fill(made, folder))
    return made


def version_of(snapshot: Snapshot, store: Store, entity: str, form: str) -> Row:
    """What a reader is asked for: the version of a table that belongs to a snapshot."""
    (pin,) = [one.entry for one in snapshot.tables[entity] if one.format == form]
    return pin | {name: store.uri(pin[name]) for name in ("path", "metadata") if name in pin}


def rows_of_files(lake: Lake, nights: Sequence[Snapshot], entity: str, emptied: Emptied) -> list[str]:
    """The rows in the files of these nights, each with all columns and members that any of them has."""
    keys = [file.path for night in nights for lane in night.lanes if lane.entity == entity for file in lane.files]
    tables = {key: pq.ParquetFile(lake.store.open(key)).read() for key in keys}
    schema = reduce(united, (table.schema for table in tables.values()), PARTITION_COLUMNS)
    found = list[Row]()
    for key, table in tables.items():
        where, kinds = partition_of(key), {field.name: field.type for field in table.schema}
        own = dict.fromkeys(schema.names) | {"instance": where.instance, "dt": date.fromisoformat(where.day)}
        for row in table.to_pylist():
            told = {name: emptied(value, kinds[name]) for name, value in row.items()}
            found.append({name: filled(value, schema.field(name).type) for name, value in (own | told).items()})
    return in_order(found)


def filled(value: Any, kind: pa.DataType) -> Any:  # noqa: ANN401  any value
    """A value with the members that its type has: those that it lacks are null."""
    if value is None:
        return None
    if pa.types.is_list(kind):
        return [filled(one, kind.value_type) for one in value]
    if pa.types.is_struct(kind):
        return {member.name: filled(value.get(member.name), member.type) for member in kind}
    return value


def in_order(rows: Iterable[Row]) -> list[str]:
    return sorted(json.dumps(form_of(row), sort_keys=True) for row in rows)


def as_it_is(value: Any, _kind: pa.DataType) -> Any:  # noqa: ANN401  any value
    return value


def null_lists_of_objects_emptied(value: Any, kind: pa.DataType) -> Any:  # noqa: ANN401  any value
    """What pyiceberg 0.12 makes of those that are in a file (iceberg-python#3833)."""
    is_such = pa.types.is_list(kind) and pa.types.is_struct(kind.value_type)
    return [] if value is None and is_such else value


BOTH = ("delta", "iceberg")


@pytest.mark.parametrize(
    ("reader", "forms", "emptied"),
    [
        ("deltalake", ("delta",), as_it_is),
        ("polars", BOTH, as_it_is),
        ("duckdb", BOTH, as_it_is),
        ("daft", BOTH, as_it_is),
        ("sail", BOTH, as_it_is),
        ("pyiceberg", ("iceberg",), null_lists_of_objects_emptied),
    ],
)
def test_a_reader_finds_what_the_files_have(
    place: Place, reader: str, forms: tuple[str, ...], emptied: Emptied
) -> None:
    """Cell by cell, in the versions of both nights, null and empty lists and objects among it."""
    lake = place.lake
    nights = [find_run(lake, day).snapshot for day in NIGHTS]
    asked = [(count, entity, form) for count in (1, 2) for entity in TYPES for form in forms]
    wishes = [version_of(nights[count - 1], lake.store, entity, form) for count, entity, form in asked]

    answers = read(reader, wishes, place.environ)

    for (count, entity, form), rows in zip(asked, answers, strict=True):
        wanted = rows_of_files(lake, nights[:count], entity, emptied)
        assert in_order(rows) == wanted, f"{entity} of night {count} in {form}"
        is_equal = wanted == rows_of_files(lake, nights[:count], entity, as_it_is)
        assert is_equal == (emptied is as_it_is)


def read(reader: str, wishes: Sequence[Row], environ: Mapping[str, str]) -> list[list[Row]]:
    """What one finds, in a process of its own."""
    if HOME is None:
        pytest.skip("needs the readers: make test-stores")
    told = subprocess.run(
        [Path(HOME).absolute() / "bin/python", SCRIPTS / f"by_{reader}.py"],
        input="".join(json.dumps(wish) + "\n" for wish in wishes),
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines()]


@pytest.mark.parametrize("form", BOTH)
def test_duckdb_runs_the_views_that_are_printed(place: Place, form: str) -> None:
    """Over tables each answers what the same view of `axsync sql` does, which reads the files."""
    lake, found = place.lake, find_run(place.lake, "latest")
    now, days = tables_of(found), all_days(place.lake)
    pins = {entity: next(one for one in pins if one.format == form) for entity, pins in found.snapshot.tables.items()}
    days = replace(days, tables={name: replace(table, pin=pins[name]) for name, table in days.tables.items()})
    made = "".join(view_statements("duckdb", now, of_days(days), location=lake.store.uri(), schema=None))
    names = re.findall(r'^CREATE OR REPLACE VIEW "(\w+)" AS$', made, re.MULTILINE)

    wishes = [{"format": "sql", "sql": sql} for sql in (made, *(f'FROM "{name}"' for name in names))]
    _, *answers = read("duckdb", wishes, place.environ)

    assert {"devices", "devices_history", "devices_flat", "devices_rescued", "lanes"} <= set(names)
    with query_session(lake, now) as session:
        for name, rows in zip(names, answers, strict=True):
            known = session.ask(f'FROM "{name}"')
            assert in_order(rows) == in_order(dict(zip(known.names, row, strict=True)) for row in known.rows), name
