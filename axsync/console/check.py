"""`axsync check`, `entities`, `fields` and `queries`: what instances say of themselves, as tables or JSON."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console
from rich.text import Text

from axsync.console.explain import FAILED, LATER, REFUSED, USAGE
from axsync.console.invocation import Invocation
from axsync.console.output import Side, Table, notices, plain_console, print_line, print_table
from axsync.console.services import services_of
from axsync.console.signals import until_done_or_interrupted
from axsync.console.text import as_json, clean, counted, number, visible
from axsync.runs import CheckStep, EntityCheck, EntityRow, FieldRow, InstanceCheck, QueryRow
from axsync.schema.selection import GENERIC

_CODES = {"refused": REFUSED, "unreachable": LATER, "unknown": USAGE, "other": FAILED}
"""Exit code per kind of failure."""

MOST_AQL = 100_000
"""Characters of a query that are shown; no page of Axonius holds more."""

Found = TypeVar("Found")


def check(given: Invocation, probe: Path | None) -> int:
    """Test each chosen instance step by step; write the shapes of its values to `probe`."""
    settings, observers = given.settings(), [notices(given.output_options)]
    checks = until_done_or_interrupted(lambda: services_of(given).check(settings, observers=observers, probe_to=probe))
    _print(checks, show_checks, given)
    return check_exit_code(checks)


def entities(given: Invocation) -> None:
    """List the entity types that the chosen instances offer."""
    settings, observers = given.settings(), [notices(given.output_options)]
    rows = until_done_or_interrupted(lambda: services_of(given).entities(settings, observers=observers))
    _print(rows, show_entities, given)


def fields(given: Invocation, entity: str) -> None:
    """List the fields of an entity type."""
    settings, observers = given.settings(), [notices(given.output_options)]
    rows = until_done_or_interrupted(lambda: services_of(given).fields(settings, entity, observers=observers))
    _print(rows, show_fields, given)


def queries(given: Invocation, entity: str | None) -> None:
    """List the saved queries of the chosen instances."""
    settings, observers = given.settings(), [notices(given.output_options)]
    rows = until_done_or_interrupted(lambda: services_of(given).queries(settings, entity, observers=observers))
    _print(rows, show_queries, given)


def _print(found: Sequence[Found], show: Callable[[Sequence[Found], Console], None], given: Invocation) -> None:
    if given.as_json:
        click.echo(as_json(found))
    else:
        show(found, plain_console(sys.stdout))


def show_checks(checks: Sequence[InstanceCheck], console: Console) -> None:
    for check in checks:
        console.print(Text(clean(f"{check.name}  {check.url}"), style="bold"), soft_wrap=True)
        steps = tuple((step.name, _mark(step), step.text) for step in check.steps)
        print_table(Table(("step", "result", ""), ("left", "left", "left"), steps), console)
        for step in check.steps:
            if step.advice:
                console.print(Text(clean(f"{step.name}: {step.advice}")), soft_wrap=True)
        if check.entities:
            print_table(_rights(check.entities), console)


def _mark(step: CheckStep) -> str:
    if step.ok is None:
        return "look" if step.advice else "–"
    return "ok" if step.ok else "failed"


def _rights(entities: Sequence[EntityCheck]) -> Table:
    rows = tuple((e.entity, e.title, e.state, "" if e.count is None else number(e.count), e.note) for e in entities)
    titles = ("entity type", "title", "right", "count", "")
    return Table(titles, ("left", "left", "left", "right", "left"), rows).without_empty()


def check_exit_code(checks: Sequence[InstanceCheck]) -> int:
    """0 if every step of every instance passed, otherwise the code of the first failure."""
    failed = [step for check in checks for step in check.steps if step.ok is False]
    return _CODES.get(failed[0].failure, FAILED) if failed else 0


def show_entities(rows: Sequence[EntityRow], console: Console) -> None:
    several = len({row.instance for row in rows}) > 1
    cells = tuple((row.instance if several else "", row.entity, row.title, *_count_and_note(row)) for row in rows)
    known = sum(row.count or 0 for row in rows)
    total = ("", counted(len(rows), "entity type"), "", number(known), "")
    titles = ("instance", "entity type", "title", "count", "")
    table = Table(titles, ("left", "left", "left", "right", "left"), cells, total)
    print_table(table.without_empty() if cells else table, console)


def _count_and_note(row: EntityRow) -> tuple[str, str]:
    return "" if row.count is None else number(row.count), row.note


def show_fields(rows: Sequence[FieldRow], console: Console) -> None:
    several = len({row.instance for row in rows}) > 1
    cells = tuple(
        (row.instance if several else "", row.column, row.title, row.adapter or "", row.field, row.type) for row in rows
    )
    titles = ("instance", "column", "title", "adapter", "Axonius name", "type")
    table = Table(titles, tuple[Side, ...](["left"] * len(titles)), cells)
    print_table(table.without_empty() if cells else table, console)


def show_queries(rows: Sequence[QueryRow], console: Console) -> None:
    """Print one query below the other: AQL is long, and is to be copied whole."""
    several = len({row.instance for row in rows}) > 1
    for row in rows:
        parts = (row.instance if several else "", row.entity, row.name, row.id)
        heading = "  ".join(clean(part) for part in parts if part)
        console.print(Text(heading, style="bold"), soft_wrap=True)
        columns = ", ".join(name.removeprefix(GENERIC) for name in row.columns)
        for title, text in (("query", row.query or "(all)"), ("fields", columns)):
            if text:
                console.print(Text(f"  {title:<8}{visible(text, most=MOST_AQL)}"), soft_wrap=True)
    print_line(counted(len(rows), "saved query", "saved queries"), console)
