"""The command line: what each command takes and says. Its work is elsewhere, mostly in `console`.

A command's module is imported when the command is used, and its work when it is performed, so that help is quick.
"""

import os
import sys
from collections.abc import Mapping

import click

from axsync.cli.lazy_group import LazyGroup

GROUPS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Run": {
        "run": ("axsync.cli.run:run", "Copy entity types"),
        "backfill": ("axsync.cli.backfill:backfill", "Copy past days"),
        "plan": ("axsync.cli.run:plan", "Estimate a run"),
        "work": ("axsync.cli.work:work", "Read one shard of a run"),
        "publish": ("axsync.cli.publish:publish", "Publish all shards"),
        "runs": ("axsync.cli.runs:runs", "List past runs"),
        "show": ("axsync.cli.runs:show", "Show one run in full"),
        "report": ("axsync.cli.runs:report", "Write a run's HTML page"),
    },
    "Look": {
        "entities": ("axsync.cli.check:entities", "List entity types"),
        "fields": ("axsync.cli.check:fields", "List fields and columns"),
        "queries": ("axsync.cli.check:queries", "List saved queries"),
        "head": ("axsync.cli.sql:head", "Show first rows"),
        "sql": ("axsync.cli.sql:sql", "Query with DuckDB"),
        "diff": ("axsync.cli.diff:diff", "Compare two snapshots"),
        "history": ("axsync.cli.diff:history", "Follow one asset"),
        "views": ("axsync.cli.sql:views", "Print views for an engine"),
        "ddl": ("axsync.cli.sql:ddl", "Print CREATE TABLE"),
    },
    "Keep": {
        "verify": ("axsync.cli.gc:verify", "Compare files to manifest"),
        "forget": ("axsync.cli.gc:forget", "Remove a run or a day"),
        "gc": ("axsync.cli.gc:gc", "Remove unneeded files"),
        "schema": ("axsync.cli.schema:schema", "Show or rebuild columns"),
    },
    "Set up and try": {
        "init": ("axsync.cli.init:init", "Write a settings file"),
        "config": ("axsync.cli.init:config", "Print settings in force"),
        "credential": ("axsync.cli.credential:credential", "Manage API credentials"),
        "check": ("axsync.cli.check:check", "Test access and rights"),
        "completion": ("axsync.cli.init:completion", "Print shell completion"),
        "demo": ("axsync.cli.run:demo", "Try it without an account"),
        "emulate": ("axsync.emulator.command:emulate", "Serve a small Axonius"),
    },
}
"""Module and attribute of each command, and its words in the list, under the headings of `axsync --help`.

A new command is one line here. The list, in two columns, has to fit a screen of 80 x 24, which a test checks.
"""

COMMANDS = {name: command for commands in GROUPS.values() for name, command in commands.items()}
"""The same without headings."""

EPILOG = "Start with `axsync demo` or `axsync init`. Details: `axsync help COMMAND`."


def allocate_steadily() -> None:
    """Make all of Arrow allocate with jemalloc. Its Parquet writer reads only this variable, at load time.

    Mimalloc, the default, keeps 35 to 40 MB more (ADR 0018). Only wheels for glibc are sure to have jemalloc.
    """
    if sys.platform == "linux" and "CS_GNU_LIBC_VERSION" in os.confstr_names:
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")


allocate_steadily()


@click.group(cls=LazyGroup, groups=GROUPS, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-V", "--version", package_name="axsync", message="axsync %(version)s")
def main() -> None:
    """Copy everything an Axonius instance knows into a Parquet lake."""
