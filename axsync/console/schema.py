"""`axsync schema …`: what the registry of a lake holds, and the registry made anew."""

import sys

import click

from axsync.console.invocation import Invocation
from axsync.console.output import Table, plain_console, print_line, print_table
from axsync.console.text import as_json_object, counted, number
from axsync.errors import UsageError
from axsync.lake.history import unreadable
from axsync.lake.publish import Lake
from axsync.lake.rebuild import clash_texts, rebuild_alone
from axsync.lake.schemas import registries
from axsync.schema.kinds import type_text
from axsync.schema.registry import Registry
from axsync.settings import nearest

LONGEST = 60
"""So many characters of a type are shown in text; JSON has all."""
NO_REGISTRY = "has no registry yet; the next run makes it, and so does `axsync schema rebuild`"


def show(given: Invocation, entity: str | None) -> None:
    """List the columns of an entity type, or the types."""
    lake = given.lake()
    lake.store.refuse_no_lake()
    found = registries(lake.store)
    if entity is not None and not found:
        raise UsageError(f"the lake {lake.name!r} {NO_REGISTRY}")
    if entity is not None and entity not in found:
        raise UsageError(f"the lake {lake.name!r} has no registry of {entity!r}{nearest(entity, sorted(found))}")
    chosen = found if entity is None else {entity: found[entity]}
    if given.as_json:
        click.echo(as_json_object({name: _columns(one) for name, one in sorted(chosen.items())}))
    elif entity is None:
        rows = tuple((name, number(len(one.columns))) for name, one in sorted(found.items()))
        _print(Table(("entity type", "columns"), ("left", "right"), rows))
    else:
        cells = tuple((c.name, _short(type_text(c.kind)), c.field, c.since) for c in found[entity].columns)
        _print(Table(("column", "type", "field", "since"), ("left", "left", "left", "left"), cells))


def rebuild_registry(given: Invocation) -> None:
    """Make the registry from the manifests, and say what clashes."""
    lake: Lake = given.lake()
    found = rebuild_alone(lake)
    if given.as_json:
        counts = {name: len(one.columns) for name, one in sorted(found.registries.items())}
        click.echo(as_json_object({"columns": counts, "clashes": clash_texts(found)}))
    else:
        console = plain_console(sys.stdout)
        for text in clash_texts(found):
            print_line(text, console)
        columns = sum(len(one.columns) for one in found.registries.values())
        print_line(f"{counted(columns, 'column')} of {counted(len(found.registries), 'entity type')}", console)
    if found.errors:
        raise unreadable(found.errors)


def _columns(registry: Registry) -> dict[str, dict[str, str]]:
    return {c.name: {"field": c.field, "type": type_text(c.kind), "since": c.since} for c in registry.columns}


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _print(table: Table) -> None:
    console = plain_console(sys.stdout)
    print_table(table, console) if table.rows else print_line(f"the lake {NO_REGISTRY}", console)
