"""Lakes and the statements for them, in the folder that is given; for `check_spark.py`, which has no axsync."""

import asyncio
import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

from axsync.cli import main
from axsync.cli.demo import demo_settings, emulator
from axsync.console.output import OutputOptions
from axsync.console.run import dump
from axsync.runs.run import sync
from tests.contract.five_days import five_days

TYPES = ("devices", "users", "certificates", "secrets")
ENGINES = ("athena", "trino", "snowflake")
DIALECTS = ("athena", "trino", "snowflake", "duckdb")


def make(folder: Path) -> None:
    """A dump of four types, one of them empty, and `ddl-DIALECT.sql`."""
    os.chdir(folder)
    with emulator(["--drift", "2", *(word for name in TYPES for word in ("--type", name))]) as url:
        assert dump(sync, demo_settings(url, "lake"), OutputOptions(verbosity=-1)).exit_code == 0
    for dialect in DIALECTS:
        location = folder.joinpath("lake").as_uri() if dialect != "duckdb" else "lake"
        with Path(f"ddl-{dialect}.sql").open("w", encoding="utf-8") as file, redirect_stdout(file):
            main(["ddl", dialect, "--location", location], standalone_mode=False)


def make_five_days(folder: Path) -> None:
    """The lake of five days and two instances, and how many rows it has: day → instance → entity type → rows."""
    folder.mkdir()
    served = asyncio.run(five_days(folder))
    rows: dict[str, dict[str, dict[str, int]]] = {}
    for (day, instance, entity), records in served.records.items():
        rows.setdefault(day, {}).setdefault(instance, {})[entity] = len(records)
    (folder / "rows.json").write_text(json.dumps(rows), "utf-8")
    for dialect in ENGINES:
        with (folder / f"views-{dialect}.sql").open("w", encoding="utf-8") as file, redirect_stdout(file):
            main(["views", dialect, "--lake", str(served.lake)], standalone_mode=False)


if __name__ == "__main__":
    make(Path(sys.argv[1]).resolve())
    make_five_days(Path(sys.argv[1]).resolve() / "five")
