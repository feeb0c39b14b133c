"""`axsync history`: one asset through all snapshots, as text, JSON or CSV."""

import json
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import click
from rich.console import Console

from axsync.console.cells import sheet
from axsync.console.diff import called, change_text, sheet_value, show_fields_of
from axsync.console.invocation import Invocation
from axsync.console.output import plain_console, print_line
from axsync.console.text import counted
from axsync.lake.history import read_as_meant, unreadable
from axsync.snapshots.asset_history import AssetHistory, asset_history
from axsync.snapshots.join import Ignoring

TITLES = ("day", "run", "instance", "entity", "id", "label", "change", "field", "before", "after")

_print = partial(print_line, most=4000)


def history(given: Invocation, entity: str, asset: str, *, ignore: tuple[str, ...], compare: tuple[str, ...]) -> None:
    """Print what became of an asset. Raises: after that, where a manifest cannot be read."""
    lake, output = given.lake(), given.output_options.output
    ignoring = Ignoring(ignore, compare)
    # Begun anew where a run publishes meanwhile, since it removes the files of the day that it replaces.
    found, errors = read_as_meant(lake, ("latest",), lambda _runs: asset_history(lake, entity, asset, ignoring))
    if output == "json":
        click.echo(history_json(found))
    elif output == "text":
        show_history_of(found, plain_console(sys.stdout))
    else:
        write_history(found, excel=output == "excel")
    if errors:
        raise unreadable(errors)


def history_json(found: Sequence[AssetHistory]) -> str:
    """A list with one object per instance that has the asset, in plain ASCII."""
    return json.dumps(list(map(_asset_json, found)), indent=2)


def _asset_json(one: AssetHistory) -> dict[str, Any]:
    head = {"instance": one.lane.instance, "entity": one.lane.entity, "id": one.id, "label": one.label}
    told = [json.loads(change_text(step.change)) for step in one.steps]
    steps = [
        {"day": step.day, "run_id": step.run_id, "change": line["change"], "fields": line["fields"]}
        for step, line in zip(one.steps, told, strict=True)
    ]
    return {**head, "days": one.days, "seen": one.seen, "changes": steps}


def write_history(found: Sequence[AssetHistory], *, excel: bool) -> None:
    """Write one line of CSV per field that changed, and one per day on which the asset came or went."""
    add = sheet(sys.stdout, TITLES, excel=excel)
    for one in found:
        for step in one.steps:
            change, lane = step.change, one.lane
            head = (step.day, step.run_id, lane.instance, lane.entity, one.id, change.label, change.kind)
            for name in change.fields or [""]:
                add((*head, name, sheet_value(change.before, name), sheet_value(change.after, name)))


def show_history_of(found: Sequence[AssetHistory], console: Console) -> None:
    """Print when the asset was there, then each day on which something became of it."""
    for number, one in enumerate(found):
        lane = str(one.lane) if len(found) > 1 else one.lane.entity
        _print(("\n" if number else "") + f"{lane} {called(one.id, one.label)}", console)
        looked_at = f"{counted(len(one.days), 'day')}, {one.days[0]} to {one.days[-1]}"
        _print(f"first seen {one.seen[0]}, last seen {one.seen[-1]}, on {len(one.seen)} of {looked_at}", console)
        for step in one.steps:
            _print(f"\n{step.day} {step.change.kind}", console)
            if step.change.fields:
                show_fields_of(step.change, console, most=len(step.change.fields))
