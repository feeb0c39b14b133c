"""`axsync forget`: what goes with a snapshot, and what `latest` is then."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime

import click
from rich.console import Console

from axsync.console.invocation import Invocation
from axsync.console.output import plain_console, print_line
from axsync.console.text import counted, volume
from axsync.snapshots.forget import Forgotten, look
from axsync.snapshots.forget import forget as forget_snapshots


def forget(given: Invocation, run: str, *, yes: bool) -> None:
    """Show what would go; with `yes`, remove it."""
    found = (forget_snapshots if yes else look)(given.lake(), run)
    if given.as_json:
        click.echo(json.dumps(asdict(found), indent=2))
        return
    if given.output_options.verbosity > 0:
        click.echo("".join(f"{path}\n" for path in found.files), nl=False)
    show_forgotten(found, plain_console(sys.stdout))


def show_forgotten(found: Forgotten, console: Console) -> None:
    """Print the runs, what goes with them, what stays, and what to do."""
    for run_id in found.runs:
        print_line(f"run {run_id} of {', '.join(found.days)}", console)
    did = "removed" if found.removed else "would be removed"
    goes = f"{counted(len(found.files), 'file')}, {counted(found.rows, 'row')}, {volume(found.bytes)} {did}"
    stays = f"; {counted(found.kept, 'file')} kept for other snapshots" if found.kept else ""
    print_line(goes + stays, console)
    print_line(_latest(found), console)
    if found.lost:
        print_line(_lost(found, datetime.now(UTC).date().isoformat()), console)
    if not found.removed:
        print_line("run the same command with --yes to remove it", console)


def _lost(found: Forgotten, today: str) -> str:
    day = found.days[0]
    told = f"lost: {', '.join(found.lost)} of {day}, which this had replaced"
    if day == today:
        return f"{told}; the next `axsync run` reads what is lost again"
    return f"{told}; `axsync run --as-of {day}` reads its history, if the instance keeps it"


def _latest(found: Forgotten) -> str:
    if found.latest is None:
        return "latest: none is left"
    return f"latest: {'' if found.moves else 'as before, '}run {found.latest} of {found.latest_day}"
