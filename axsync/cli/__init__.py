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
        "run": ("axsync.cli.run:run", "Dump entity types into the lake."),
        "backfill": ("axsync.cli.backfill:backfill", "Fill in days of history, newest first."),
        "plan": ("axsync.cli.run:plan", "Estimate requests, MB and minutes of a run."),
        "work": ("axsync.cli.work:work", "Read one part of a run that several machines share."),
        "publish": ("axsync.cli.publish:publish", "Publish what all of them have read."),
        "runs": ("axsync.cli.runs:runs", "List past runs with their verdicts, newest first."),
        "show": ("axsync.cli.runs:show", "Show one run in full: counts, repairs, drift, files."),
        "report": ("axsync.cli.runs:report", "Write an HTML page about a run."),
    },
    "Look": {
        "entities": ("axsync.cli.check:entities", "List the entity types of an instance, with counts."),
        "fields": ("axsync.cli.check:fields", "List the fields of an entity type, with column names."),
        "queries": ("axsync.cli.check:queries", "List the saved queries of an instance."),
        "head": ("axsync.cli.sql:head", "Show the first rows of an entity type."),
        "sql": ("axsync.cli.sql:sql", "Query a snapshot with DuckDB."),
        "diff": ("axsync.cli.diff:diff", "List assets added, removed or changed between two days."),
        "history": ("axsync.cli.diff:history", "Follow one asset through all snapshots."),
        "views": ("axsync.cli.sql:views", "Print views for another engine, or dbt models."),
        "ddl": ("axsync.cli.sql:ddl", "Print CREATE TABLE statements for a warehouse."),
    },
    "Keep": {
        "verify": ("axsync.cli.gc:verify", "Compare every file of a snapshot with its manifest."),
        "forget": ("axsync.cli.gc:forget", "Show or remove one snapshot, or all of a day."),
        "gc": ("axsync.cli.gc:gc", "List files the lake no longer needs; --yes deletes them."),
        "schema": ("axsync.cli.schema:schema", "Show or rebuild the registry of names and types."),
    },
    "Set up and try": {
        "init": ("axsync.cli.init:init", "Ask four questions and write a settings file."),
        "config": ("axsync.cli.init:config", "Print the settings in force, or all defaults."),
        "credential": ("axsync.cli.credential:credential", "Manage named credentials, bound to their hosts."),
        "check": ("axsync.cli.check:check", "Test connection, credential, clock, and rights per type."),
        "completion": ("axsync.cli.init:completion", "Print a completion script for bash, zsh or fish."),
        "demo": ("axsync.cli.run:demo", "Emulate an Axonius, dump it, query the lake; no account."),
        "emulate": ("axsync.emulator.command:emulate", "Serve a small Axonius on loopback, with faults on demand."),
    },
}
"""Module and attribute of each command, and its line in the list, under the headings of `axsync --help`.

A new command is one line here; the list has to fit a screen of 80 columns and 40 lines, which a test checks.
"""

COMMANDS = {name: command for commands in GROUPS.values() for name, command in commands.items()}
"""The same without headings."""

EPILOG = "Start with `axsync demo`, or `axsync init`. Exit codes: `axsync run -h`."


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
