"""`axsync verify` and `axsync gc`: whether a snapshot is still whole, and what of a lake nobody needs any more."""

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
Exit codes: 0 all is as the manifest says, 1 something is not, 2 no such run."""

GC = """\b
Examples:
  axsync gc                      what would be removed, and why
  axsync gc -v                   each single path as well
  axsync gc --yes                remove it

\b
What is kept is set in axsync.toml:
  [lake]
  keep_snapshots = 14            the newest so many whole snapshots, and
  keep_days = 90                 all that are younger

\b
Exit codes: 0 done, 1 the disk failed, 2 no lake, or a manifest that cannot be read (nothing is removed then),
75 a run is using the lake."""


@click.command(epilog=VERIFY)
@click.argument("run", shell_complete=complete_runs)
@lake_options
@speech_options
@click.pass_context
def verify(context: click.Context, /, run: str) -> None:
    """Read every file of a snapshot again, and compare it with its manifest.

    SHA-256, size, rows, columns, and that no id comes twice; files that are missing, and part files that no manifest
    names. RUN is an id, the beginning of one, a day such as 2026-11-23, `latest`, or `latest~1`.
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
@click.option("--yes", is_flag=True, help="Remove it. Without this, nothing is written.")
@lake_options
@speech_options
@click.pass_context
def gc(context: click.Context, /, *, yes: bool) -> None:
    """Show what of the lake nobody needs any more, or remove it.

    Staging of runs that were given up; manifests, part files, journals and dead letters beyond the retention; part
    files that no manifest names; drafts of writes that were cut short. Never what `latest.json` needs, nor a run that
    can be gone on with, nor the retention, nor files that axsync did not write.
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
