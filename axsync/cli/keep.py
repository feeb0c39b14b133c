"""`axsync verify` and `axsync gc`: checks a snapshot against its manifest; removes what is no longer needed."""

from __future__ import annotations

import sys

import click

from axsync.cli.options import OUTPUT, VERBOSITY, complete_runs, lake, lake_options, lake_settings, speech_options

VERIFY = """\b
Examples:
  axsync verify latest
  axsync verify 2026-11-23 --lake /srv/lake
  axsync verify latest --output json | jq '.lanes[].faults'

\b
Exit codes: 0 everything matches the manifest, 1 something differs, 2 there is no such run."""

GC = """\b
Examples:
  axsync gc                      show what would be removed, and why
  axsync gc -v                   list each path as well
  axsync gc --yes                remove it

\b
Retention is set in axsync.toml:
  [lake]
  keep_snapshots = 14            keep this many of the newest complete snapshots,
  keep_days = 90                 and all that are younger than this

\b
Exit codes: 0 done, 1 disk error, 2 there is no lake, or a manifest cannot be read (nothing is removed then),
75 a run is using the lake."""


@click.command(epilog=VERIFY)
@click.argument("run", shell_complete=complete_runs)
@lake_options
@speech_options
@click.pass_context
def verify(context: click.Context, /, run: str) -> None:
    """Read every file of a snapshot and compare it with the manifest.

    Checks SHA-256, size, rows, columns, and that no id occurs twice. Reports missing files, and part files that no
    manifest names. RUN is an id, the start of one, a day such as 2026-11-23, `latest`, or `latest~1`.
    """
    from axsync.console.keeping import bar, show_verified, verified_json, verify_exit_code  # noqa: PLC0415  as below
    from axsync.console.session import plain_console  # noqa: PLC0415  --help must not wait for it
    from axsync.lake.history import find_run  # noqa: PLC0415  as above
    from axsync.snapshots.verify import verify as verify_snapshot  # noqa: PLC0415  as above

    looked_at = lake(context)
    found = find_run(looked_at, run)
    with bar(sys.stderr, found.snapshot) as heard:
        verified = verify_snapshot(looked_at, found, heard)
    if context.meta[OUTPUT] == "json":
        click.echo(verified_json(verified))
    else:
        show_verified(verified, plain_console(sys.stdout))
    context.exit(verify_exit_code(verified))


@click.command(epilog=GC)
@click.option("--yes", is_flag=True, help="Remove it; by default it is only shown.")
@lake_options
@speech_options
@click.pass_context
def gc(context: click.Context, /, *, yes: bool) -> None:
    """Show or remove what is no longer needed in the lake.

    These are: staging of abandoned runs; manifests, part files, journals and dead letters beyond the retention; part
    files that no manifest names; leftovers of interrupted writes. Never removed are: what `latest.json` needs, runs
    that can be resumed, snapshots within the retention, and files that axsync did not write.
    """
    from datetime import UTC, datetime  # noqa: PLC0415  as below

    from axsync.console.keeping import paths_of, show_sweep, sweep_json  # noqa: PLC0415  --help must not wait for it
    from axsync.console.session import plain_console  # noqa: PLC0415  as above
    from axsync.snapshots.gc import look, sweep  # noqa: PLC0415  as above

    looked_at, settings = lake(context), lake_settings(context)
    found = (sweep if yes else look)(looked_at, settings, datetime.now(UTC))
    if context.meta[OUTPUT] == "json":
        click.echo(sweep_json(found))
        return
    if context.meta.get(VERBOSITY, 0) > 0:
        click.echo("".join(f"{line}\n" for line in paths_of(found.leftovers)), nl=False)
    show_sweep(found, plain_console(sys.stdout))
