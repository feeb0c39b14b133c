"""What a lake shows its readers, and whether it keeps its promises."""

import hashlib
import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

Rows = dict[str, list[str]]  # entity type → its rows as JSON, sorted


def manifest_of(lake: Path) -> dict[str, Any] | None:
    """The newest snapshot's manifest, None where nothing was ever published."""
    pointer = lake / "_axsync" / "latest.json"
    if not pointer.exists():
        return None
    named: dict[str, Any] = json.loads((lake / "_axsync" / json.loads(pointer.read_text())["manifest"]).read_text())
    return named


def readable(lake: Path) -> str | None:
    """The id of the newest snapshot, every file of which must be there, whole and unchanged."""
    manifest = manifest_of(lake)
    if manifest is None:
        return None
    for entry in manifest["lanes"]:
        for file in entry["files"]:
            content = (lake / file["path"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == file["sha256"], file["path"]
    return str(manifest["run_id"])


def rows_of(lake: Path) -> Rows:
    """All rows of the newest snapshot, without what differs from run to run."""
    manifest = manifest_of(lake)
    assert manifest is not None
    return {entry["entity"]: _rows(lake, [f["path"] for f in entry["files"]]) for entry in manifest["lanes"]}


def _rows(lake: Path, paths: list[str]) -> list[str]:
    rows: list[str] = []
    for path in paths:
        rows += _of_table(pq.read_table(lake / path, partitioning=None))
    return sorted(rows)


def _of_table(table: pa.Table) -> list[str]:
    table = table.drop_columns(["axsync_run_id", "axsync_fetched_at"])
    return [json.dumps(row, default=str, sort_keys=True) for row in table.to_pylist()]


def rows_of_tables(lake: Path) -> Rows:
    """All rows of the tables, in the versions that the newest snapshot pins."""
    manifest = manifest_of(lake)
    assert manifest is not None
    return {entity: sorted(_of_version(lake, *pins)) for entity, pins in manifest["tables"].items()}


def _of_version(lake: Path, pin: dict[str, Any]) -> list[str]:
    if pin["format"] == "delta":
        table = DeltaTable(str(lake / pin["path"]), version=pin["version"]).to_pyarrow_table()
    else:
        table = pl.scan_iceberg(str(lake / pin["metadata"]), snapshot_id=pin["snapshot_id"]).collect().to_arrow()
    return _of_table(table.drop_columns(["instance", "dt"]))


def strays(lake: Path) -> set[str]:
    """Parquet files under `entity=…` that the newest snapshot does not name, and leftovers of staging."""
    manifest = manifest_of(lake) or {"lanes": []}
    named = {file["path"] for entry in manifest["lanes"] for file in entry["files"]}
    seen = {str(path.relative_to(lake)) for path in lake.glob("entity=*/**/*") if path.is_file()}
    staged = {str(path.relative_to(lake)) for path in lake.glob("_axsync/runs/*/staging/**/*") if path.is_file()}
    return (seen - named) | staged
