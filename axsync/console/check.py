"""`axsync check`, `entities`, `fields` and `queries`: what instances say of themselves, as tables or JSON."""

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console
from rich.text import Text

from axsync.console.explain import FAILED, LATER, REFUSED, USAGE
from axsync.console.invocation import Invocation
from axsync.console.output import (
    COLOURS,
    FEW_INSTANCES,
    MOST_INSTANCES,
    MOST_REMARKS,
    Side,
    Table,
    cut,
    plain_console,
    print_line,
    print_table,
    room_for,
    status_line,
)
from axsync.console.signals import until_done_or_interrupted
from axsync.console.text import as_json, clean, counted, number, visible
from axsync.runs import inspect
from axsync.runs.check import ALL_STEPS, CheckStep, EntityCheck, InstanceCheck
from axsync.runs.check import check as check_instances
from axsync.runs.inspect import EntityRow, FieldRow, QueryRow
from axsync.schema.selection import GENERIC

_CODES = {"refused": REFUSED, "unreachable": LATER, "unknown": USAGE, "lake": USAGE, "other": FAILED}
"""Exit code per kind of failure."""
STEP_COLUMNS = max(map(len, ALL_STEPS))
MARK_COLUMNS = len("result")

MOST_AQL = 100_000
"""Characters of a query that are shown; no page of Axonius holds more."""

Found = TypeVar("Found")
LEAST_TYPE = 16  # characters that a type gets in the list of fields


def check(given: Invocation, probe: Path | None, lake: str | None) -> int:
    """Test each chosen instance and the store of the lake step by step; write the shapes of values to `probe`."""
    settings = given.settings(lake=lake)
    with status_line(given.output_options) as line:
        printer = CheckPrinter(plain_console(sys.stdout), line.clear, {i.name: i.url for i in settings.chosen()})
        tell = {} if given.as_json else {"tell": printer}
        checks = until_done_or_interrupted(
            lambda: given.service(check_instances)(settings, observers=[line], probe_to=probe, **tell)
        )
    _print(checks, lambda found, _: printer.finish(found), given)
    return check_exit_code(checks)


def entities(given: Invocation) -> None:
    """List the entity types that the chosen instances offer."""
    settings = given.settings()
    with status_line(given.output_options) as line:
        rows = until_done_or_interrupted(lambda: given.service(inspect.entities)(settings, observers=[line]))
    _print(rows, show_entities, given)


def fields(given: Invocation, entity: str) -> None:
    """List the fields of an entity type."""
    settings = given.settings()
    with status_line(given.output_options) as line:
        rows = until_done_or_interrupted(lambda: given.service(inspect.fields)(settings, entity, observers=[line]))
    _print(rows, show_fields, given)


def queries(given: Invocation, entity: str | None) -> None:
    """List the saved queries of the chosen instances."""
    settings = given.settings()
    with status_line(given.output_options) as line:
        rows = until_done_or_interrupted(lambda: given.service(inspect.queries)(settings, entity, observers=[line]))
    _print(rows, show_queries, given)


def _print(found: Sequence[Found], show: Callable[[Sequence[Found], Console], None], given: Invocation) -> None:
    if given.as_json:
        click.echo(as_json(found))
    else:
        show(found, plain_console(sys.stdout))


@dataclass(slots=True)
class CheckPrinter:
    """Prints the steps of the first instance as they are done, and in the end whatever is not printed yet.

    Lines of several instances would not be told apart, so the others wait until the first one is through.
    """

    console: Console
    clear: Callable[[], None]  # what must go before a line is printed
    urls: Mapping[str, str]  # of the instances, in their order
    _printed: set[tuple[str, str, str]] = field(default_factory=set)
    _headed: set[str] = field(default_factory=set)

    def __call__(self, instance: str, step: CheckStep) -> None:
        if instance == next(iter(self.urls), None) and len(self.urls) <= FEW_INSTANCES:
            self._print(instance, self.urls[instance], step)

    def finish(self, checks: Sequence[InstanceCheck]) -> None:
        """Print the rest: a step that came out otherwise than it first seemed is printed again.

        Of many instances each has a line, and what is wrong with the worst of them is told below.
        """
        if len(checks) > FEW_INSTANCES:
            self.clear()
            print_table(_by_instance(checks), self.console)
            for line in _wrong(checks):
                print_line(line, self.console)
            return
        for check in checks:
            for step in check.steps:
                self._print(check.name, check.url, step)
            for step in check.steps:
                if step.advice:
                    print_line(f"{step.name}: {step.advice}", self.console)
            if check.entities:
                print_table(_rights(check.entities), self.console)

    def _print(self, instance: str, url: str, step: CheckStep) -> None:
        self.clear()
        if instance not in self._headed:
            self._headed.add(instance)
            self.console.print(Text(clean(f"{instance} {url}"), style="bold"), soft_wrap=True)
            self.console.print(_line("step", "result", ""), soft_wrap=True, style="bold")
        if (instance, step.name, step.text) not in self._printed:
            self._printed.add((instance, step.name, step.text))
            self.console.print(_line(step.name, _mark(step), step.text), soft_wrap=True)
        self.console.file.flush()


def _by_instance(checks: Sequence[InstanceCheck]) -> Table:
    """One line per instance, those with a failed step first."""
    ordered = sorted(checks, key=lambda one: (not _failed(one), not _looks(one), one.name))
    lines = [(one.name, *_types(one.entities), _result(one)) for one in ordered[:MOST_INSTANCES]]
    if others := ordered[MOST_INSTANCES:]:
        results = Counter(map(_result, others))
        told = ", ".join(f"{number(count)} {result}" for result, count in results.items())
        of_others = [entity for one in others for entity in one.entities]
        lines.append((f"{number(len(others))} others", *_types(of_others), told))
    total = (f"total: {number(len(checks))}", *_types([e for one in checks for e in one.entities]), "")
    titles = ("instance", "types", "readable", "result")
    return Table(titles, ("left", "right", "right", "left"), tuple(lines), total).without_empty()


def _types(entities: Sequence[EntityCheck]) -> tuple[str, str]:
    """How many entity types there are, and how many can be read."""
    readable = sum(one.state in ("readable", "empty") for one in entities)
    return (number(len(entities)), number(readable)) if entities else ("", "")


def _failed(check: InstanceCheck) -> CheckStep | None:
    return next((step for step in check.steps if step.ok is False), None)


def _looks(check: InstanceCheck) -> CheckStep | None:
    return next((step for step in check.steps if step.advice), None)


def _result(check: InstanceCheck) -> str:
    if failed := _failed(check):
        return f"failed: {failed.name}"
    return "look" if _looks(check) else "ok"


def _wrong(checks: Sequence[InstanceCheck]) -> list[str]:
    """What failed, or is to be looked at, and what to try; failures first, as many as fit a screen."""
    wrong = [(check, step) for check in checks for step in check.steps if step.ok is False or step.advice]
    wrong.sort(key=lambda one: one[1].ok is not False)
    told = [f"{check.name}: {step.name}: {' '.join(filter(None, (step.text, step.advice)))}" for check, step in wrong]
    more = len(told) - MOST_REMARKS
    return told if more <= 0 else [*told[:MOST_REMARKS], f"{number(more)} more: --output json lists them"]


def _line(name: str, mark: str, text: str) -> Text:
    """A step, in columns that fit each of them."""
    cells = (name.ljust(STEP_COLUMNS), mark.ljust(MARK_COLUMNS), clean(text))
    line = Text(f"{cells[0]}  ").append(cells[1], style=COLOURS.get(mark, ""))
    return line.append(f"  {cells[2]}" if text else "")


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
    sides: tuple[Side, ...] = ("left", "name", "left", "left", "name", "left")
    table = Table(titles, sides, cells)
    _print_fields(table.without_empty() if cells else table, console)


def _print_fields(table: Table, console: Console) -> None:
    """Print the table; on a narrow terminal without titles, then without adapters, then on two lines for each field.

    Names are never broken, so that they can be copied. Long types are cut.
    """
    shapes = [table.without(*left_out) for left_out in ((), ("title",), ("title", "adapter"))]
    fitting = [shape for shape in shapes if _room_for_types(shape, console) >= min(shape.widths[-1], LEAST_TYPE)]
    if not console.is_terminal:
        print_table(table, console)
    elif fitting:
        room = max(_room_for_types(fitting[0], console), len(fitting[0].titles[-1]))
        rows = tuple((*row[:-1], cut(row[-1], room)) for row in fitting[0].rows)
        print_table(replace(fitting[0], rows=rows), console)
    else:
        for *place, name, kind in shapes[-1].rows:
            before = "  ".join(map(clean, place))
            of_type = cut(clean(kind), max(console.width - len(before) - 2, LEAST_TYPE))
            console.print(Text(f"{before}  {of_type}\n  {clean(name)}"), soft_wrap=True)
    if console.is_terminal and fitting[:1] != [table]:
        print_line("without titles and adapters, and long types are cut; --output json for all", console)


def _room_for_types(table: Table, console: Console) -> int:
    """Characters that are left for the last column where all others are whole."""
    return room_for(len(table.titles), console.width) - sum(table.widths[:-1])


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
