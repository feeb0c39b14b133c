"""The command line: what each command takes and says. Its work is elsewhere, mostly in `console`.

A command's module is imported when the command is used, and its work when it is performed, so that help is quick.
"""

import os
import sys

import click

from axsync.cli.lazy_group import LazyGroup

COMMANDS = {
    "init": ("axsync.cli.init:init", "Ask four questions and write a first settings file."),
    "config": ("axsync.cli.init:config", "Print the settings in force and where each is from, or all defaults."),
    "run": ("axsync.cli.run:run", "Dump entity types into the lake."),
    "plan": ("axsync.cli.run:plan", "Estimate what a run would read and cost: counts, requests, MB, minutes, rights."),
    "check": (
        "axsync.cli.check:check",
        "Test connection, TLS, credential, version, clock, and rights per entity type.",
    ),
    "entities": ("axsync.cli.check:entities", "List the entity types that the instance offers, with counts."),
    "fields": ("axsync.cli.check:fields", "List the fields of an entity type, with column names and types."),
    "queries": ("axsync.cli.check:queries", "List the saved queries of the instance, with AQL and fields."),
    "runs": ("axsync.cli.runs:runs", "List past runs with their verdicts, newest first."),
    "show": ("axsync.cli.runs:show", "Show one run in full: counts, retries, repairs, drift, dead letters, files."),
    "report": ("axsync.cli.runs:report", "Write an HTML page about a run."),
    "diff": ("axsync.cli.diff:diff", "Compare two snapshots: assets added, removed, changed, field by field."),
    "verify": ("axsync.cli.gc:verify", "Read every file of a snapshot and compare it with the manifest."),
    "gc": ("axsync.cli.gc:gc", "Show or remove what is no longer needed in the lake."),
    "forget": ("axsync.cli.forget:forget", "Show or remove one snapshot, or all of a day."),
    "credential": (
        "axsync.cli.credential:credential",
        "Manage named credentials, stored safely and bound to their hosts.",
    ),
    "completion": ("axsync.cli.init:completion", "Print a completion script for bash, zsh or fish."),
    "sql": ("axsync.cli.sql:sql", "Query a snapshot with DuckDB."),
    "head": ("axsync.cli.sql:head", "Show the first rows of an entity type."),
    "ddl": (
        "axsync.cli.sql:ddl",
        "Print statements that create tables over the lake in Athena, Trino, Snowflake, DuckDB.",
    ),
    "emulate": ("axsync.emulator.command:emulate", "Serve a small Axonius on loopback, with faults on demand."),
    "demo": ("axsync.cli.run:demo", "Emulate an Axonius, dump it, and query the lake; needs no account."),
}
"""Module and attribute of each command, and its line in the list."""

EPILOG = """\b
Examples:
  axsync demo
  AX_URL=https://acme.on.axonius.com AX_KEY=... AX_SECRET=... axsync run
  axsync credential add prod
  axsync run devices users --credential prod --lake lake

\b
Exit codes: 0 complete, 1 failed, 2 usage or configuration, 3 partial or drifted,
4 refused credential, 5 a guard refused to publish, 75 try later, 130/143 signals,
141 the reader of the result has gone (`| head`)."""


def allocate_steadily() -> None:
    """Make all of Arrow allocate with jemalloc. Its Parquet writer reads only this variable, at load time.

    Mimalloc, the default, keeps 35 to 40 MB more (ADR 0018). Only wheels for glibc are sure to have jemalloc.
    """
    if sys.platform == "linux" and "CS_GNU_LIBC_VERSION" in os.confstr_names:
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")


allocate_steadily()


@click.group(
    cls=LazyGroup, commands_by_name=COMMANDS, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(None, "-V", "--version", package_name="axsync", message="axsync %(version)s")
def main() -> None:
    """Copy everything an Axonius instance knows into a Parquet lake."""
