"""A small lake and the statements for it, in the folder that is given; for `check_spark.py`, which has no axsync."""

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

from axsync.cli import main
from axsync.cli.demo import demo_settings, emulator
from axsync.console.output import OutputOptions
from axsync.console.run import dump
from axsync.runs.run import sync

TYPES = ("devices", "users", "certificates", "secrets")
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


if __name__ == "__main__":
    make(Path(sys.argv[1]).resolve())
