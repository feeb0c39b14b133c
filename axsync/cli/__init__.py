"""The command line. A command's module is imported when it is asked for, so that help comes at once."""

import os
import sys

import click

from axsync.cli.lazy_group import LazyGroup

COMMANDS = {
    "init": ("axsync.cli.init:init", "Ask four questions and write a settings file to begin with."),
    "run": ("axsync.cli.run:run", "Dump entity types into the lake."),
    "plan": ("axsync.cli.plan:plan", "What a run would read and cost: counts, requests, MB, minutes, rights."),
    "check": ("axsync.cli.look:check", "Connection, TLS, credential, version, clock, and rights per entity type."),
    "entities": ("axsync.cli.look:entities", "Entity types that the instance offers, with counts."),
    "fields": ("axsync.cli.look:fields", "Fields of an entity type, with column names and types."),
    "runs": ("axsync.cli.past:runs", "Past runs with their verdicts, newest first."),
    "show": ("axsync.cli.past:show", "One run in full: counts, retries, repairs, drift, dead letters, files."),
    "report": ("axsync.cli.report:report", "One HTML page about a run."),
    "diff": ("axsync.cli.diff:diff", "Assets added, removed, changed between two snapshots, field by field."),
    "verify": ("axsync.cli.keep:verify", "Read every file of a snapshot again, and compare it with its manifest."),
    "gc": ("axsync.cli.keep:gc", "Show what of the lake nobody needs any more, or remove it."),
    "credential": ("axsync.cli.credential:credential", "Named credentials, kept safely and bound to their hosts."),
    "completion": ("axsync.cli.init:completion", "Completion of commands and names for bash, zsh and fish."),
    "sql": ("axsync.cli.ask:sql", "Ask a snapshot with DuckDB."),
    "head": ("axsync.cli.ask:head", "The first rows of an entity type."),
    "ddl": ("axsync.cli.ask:ddl", "Statements that make the lake tables in Athena, Trino, Snowflake, DuckDB."),
    "emulate": ("axsync.emulator.command:emulate", "A small Axonius on loopback, with faults on demand."),
    "demo": ("axsync.cli.run:demo", "Emulate, run, and a look at the lake; needs no account."),
}
"""Where each command is, and its line in the list."""

EPILOG = """\b
Examples:
  axsync demo
  AX_URL=https://acme.on.axonius.com AX_KEY=... AX_SECRET=... axsync run
  axsync credential add prod
  axsync run devices users --credential prod --lake lake

\b
Exit codes: 0 complete, 1 failed, 2 usage or configuration, 3 partial or drifted,
4 refused credential, 5 a guard refused to publish, 75 try later, 130/143 signals."""


def allocate_steadily() -> None:
    """Have all of Arrow allocate with jemalloc: its Parquet writer looks at this variable alone, when it is loaded.

    Mimalloc, the default, keeps 35 to 40 MB more (ADR 0018). Elsewhere than on glibc wheels may lack jemalloc.
    """
    if sys.platform == "linux" and "CS_GNU_LIBC_VERSION" in os.confstr_names:
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")


allocate_steadily()


@click.group(
    cls=LazyGroup, commands_by_name=COMMANDS, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="axsync", message="axsync %(version)s")
def main() -> None:
    """Copy everything an Axonius instance knows into a Parquet lake."""
