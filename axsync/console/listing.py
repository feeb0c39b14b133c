"""Results of `check`, `entities` and `fields` as tables or JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from axsync.console.explain import FAILED, LATER, REFUSED, USAGE
from axsync.console.table import Side, Table, show
from axsync.console.words import clean, counted, number
from axsync.runs import CheckStep, EntityCheck, EntityRow, FieldRow, InstanceCheck

_CODES = {"refused": REFUSED, "unreachable": LATER, "unknown": USAGE, "other": FAILED}
"""Exit code per kind of failure."""


def as_json(found: Sequence[Any]) -> str:
    """Frozen values as one JSON document in plain ASCII, so that nothing in it can control a terminal."""
    return json.dumps([asdict(one) for one in found], indent=2, default=str)


def as_json_object(document: dict[str, Any]) -> str:
    """One JSON object, in plain ASCII for the same reason."""
    return json.dumps(document, indent=2, default=str)


def show_checks(checks: Sequence[InstanceCheck], console: Console) -> None:
    for check in checks:
        console.print(Text(clean(f"{check.name}  {check.url}"), style="bold"), soft_wrap=True)
        steps = tuple((step.name, _mark(step), step.text) for step in check.steps)
        show(Table(("step", "result", ""), ("left", "left", "left"), steps), console)
        for step in check.steps:
            if step.advice:
                console.print(Text(clean(f"{step.name}: {step.advice}")), soft_wrap=True)
        if check.entities:
            show(_rights(check.entities), console)


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
    show(table.without_empty() if cells else table, console)


def _count_and_note(row: EntityRow) -> tuple[str, str]:
    return "" if row.count is None else number(row.count), row.note


def show_fields(rows: Sequence[FieldRow], console: Console) -> None:
    several = len({row.instance for row in rows}) > 1
    cells = tuple(
        (row.instance if several else "", row.column, row.title, row.adapter or "", row.field, row.type) for row in rows
    )
    titles = ("instance", "column", "title", "adapter", "Axonius name", "type")
    table = Table(titles, tuple[Side, ...](["left"] * len(titles)), cells)
    show(table.without_empty() if cells else table, console)
