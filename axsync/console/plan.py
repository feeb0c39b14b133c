"""`axsync plan`: what a run would read and cost, as tables or JSON."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click
from rich.console import Console

from axsync.console.explain import PARTIAL
from axsync.console.invocation import Invocation
from axsync.console.output import (
    FEW_INSTANCES,
    MOST_INSTANCES,
    MOST_REMARKS,
    Side,
    Table,
    plain_console,
    print_line,
    print_table,
    status_line,
)
from axsync.console.signals import until_done_or_interrupted
from axsync.console.text import counted, megabytes, number
from axsync.runs.plan import GUESSED_BYTES, GUESSED_SECONDS, Plan, PlanInstance, PlanRow
from axsync.runs.plan import plan as make_plan
from axsync.runs.shard_plan import plan_shards, write_plan


def plan(given: Invocation, *, shards: int | None, **overrides: object) -> int:
    """Print the plan of the run that these options ask for; with `shards` the one that its processes work by."""
    settings = given.settings(**overrides)
    if shards is not None:
        with status_line(given.output_options) as line:
            made = until_done_or_interrupted(lambda: plan_shards(settings, shards, observers=[line]))
        click.echo(write_plan(made))
        return 0
    with status_line(given.output_options) as line:
        planned = until_done_or_interrupted(lambda: given.service(make_plan)(settings, observers=[line]))
    if given.as_json:
        click.echo(plan_json(planned))
    else:
        show_plan(planned, plain_console(sys.stdout))
    return plan_exit_code(planned)


def plan_json(plan: Plan) -> str:
    """The plan as one JSON document in plain ASCII; seconds and bytes are not rounded."""
    return json.dumps(asdict(plan), indent=2)


def plan_exit_code(plan: Plan) -> int:
    """3 if an instance could not be asked."""
    return PARTIAL if any(instance.error for instance in plan.instances) else 0


def show_plan(plan: Plan, console: Console) -> None:
    """Print what would be read, from where, and at what cost."""
    for line in _head(plan):
        print_line(line, console)
    if plan.rows:
        print_table(_table(plan), console)
    for line in _foot(plan):
        print_line(line, console)


def _head(plan: Plan) -> Iterator[str]:
    yield f"run: {_what(plan)}"
    yield f"data: {'live' if plan.as_of is None else f'as of {plan.as_of}'}, into {plan.lake}"


def _what(plan: Plan) -> str:
    if plan.run_id is None:
        return f"new, for {plan.logical_date}"
    if plan.finished:
        return f"{plan.run_id} of {plan.logical_date} is finished; nothing to do (use --fresh to read it again)"
    done = sum(row.state == "done" for row in plan.rows)
    return f"resumes {plan.run_id} of {plan.logical_date}: {done} of {counted(len(plan.rows), 'lane')} done"


def _table(plan: Plan) -> Table:
    return _by_instance(plan) if len(plan.instances) > FEW_INSTANCES else _by_type(plan)


def _by_instance(plan: Plan) -> Table:
    """One line per instance: first those that cannot be asked, then those that take longest."""
    rows: dict[str, list[PlanRow]] = {one.name: [] for one in plan.instances}
    for row in plan.rows:
        rows[row.instance].append(row)
    ordered = sorted(plan.instances, key=lambda one: (not one.error, -one.seconds, one.name))
    shown, others = ordered[:MOST_INSTANCES], ordered[MOST_INSTANCES:]
    lines = [
        _instance_cells(one.name, rows[one.name], one.seconds, "cannot be queried" * bool(one.error)) for one in shown
    ]
    if others:
        of_others = [row for one in others for row in rows[one.name]]
        failed = sum(bool(one.error) for one in others)
        note = f"{number(failed)} cannot be queried" if failed else ""
        longest = max(one.seconds for one in others)
        lines.append(_instance_cells(f"{number(len(others))} others", of_others, longest, note))
    titles = ("instance", "types", "count", "requests", "MB", "minutes", "")
    total = _instance_cells(f"total: {number(len(ordered))}", plan.rows, plan.seconds, "")
    return Table(titles, ("left", *(("right",) * 5), "left"), tuple(lines), (*total[:-1], "")).without_empty()


def _instance_cells(name: str, rows: Sequence[PlanRow], seconds: float, error: str) -> tuple[str, ...]:
    known, requests, size = (sum(getattr(row, key) or 0 for row in rows) for key in ("count", "requests", "bytes"))
    rights = Counter(row.right for row in rows if row.right not in ("readable", "empty"))
    note = error or ", ".join(f"{number(count)} {right}" for right, count in sorted(rights.items()))
    cost = (number(requests), megabytes(size), _minutes(seconds)) if requests else ("", "", "")
    return (name, number(len(rows)), number(known), *cost, note)


def _by_type(plan: Plan) -> Table:
    titles = ("instance", "entity type", "right", "count", "page size", "requests", "MB", "minutes", "", "note")
    several = len({row.instance for row in plan.rows}) > 1
    known = sum(row.count or 0 for row in plan.rows)
    requests, size = (sum(getattr(row, name) for row in plan.rows) for name in ("requests", "bytes"))
    head = ("total", "") if several else ("", "total")
    total = (*head, "", number(known), "", number(requests), megabytes(size), _minutes(plan.seconds), "", "")
    sides = tuple[Side, ...]("right" if title in _NUMBERS else "left" for title in titles)
    table = Table(titles, sides, tuple(map(_cells, plan.rows)), total)
    return (table if several else table.without_first()).without_empty()


_NUMBERS = {"count", "page size", "requests", "MB", "minutes"}


def _cells(row: PlanRow) -> tuple[str, ...]:
    cost = ("", "", "", "")
    if row.requests:
        cost = (number(row.page_size), number(row.requests), megabytes(row.bytes), _minutes(row.seconds))
    state = {"to do": "", "done": "done", "goes on": f"resumes after {counted(row.durable, 'row')}"}[row.state]
    count = "" if row.count is None else number(row.count)
    return (row.instance, row.entity, row.right, count, *cost, state, row.note)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.1f}" if seconds >= 60 else f"{seconds / 60:.2f}"


def _foot(plan: Plan) -> Iterator[str]:
    many = len(plan.instances) > FEW_INSTANCES
    told = [one for one in plan.instances if one.error or not (plan.finished or many)]
    for one in told[: MOST_REMARKS if many else None]:
        yield f"{one.name}: {one.error or _pace(one)}"
    if many and len(told) > MOST_REMARKS:
        yield f"{counted(len(told) - MOST_REMARKS, 'instance')} more cannot be queried: --output json lists them"
    if plan.finished:
        return
    guessed = [row.entity for row in plan.rows if row.guessed and row.requests]
    if guessed and len(guessed) < sum(bool(row.requests) for row in plan.rows):
        yield f"assuming {number(GUESSED_BYTES)} bytes per row: {', '.join(dict.fromkeys(guessed))}"
    elif guessed:
        yield f"there is no earlier run to compare with; assuming {number(GUESSED_BYTES)} bytes per row"
    if not many:
        yield "each line assumes that the type is read alone; the total assumes that all types share the request limit"


def _pace(one: PlanInstance) -> str:
    bounds = f"at most {one.requests_per_second:g} requests per second, {one.in_flight} in flight"
    if one.speed is None:
        return f"{bounds}; assuming {GUESSED_SECONDS:g} s per request"
    before = f"{one.speed.requests_per_second:.1f} requests and {one.speed.bytes_per_second / 1e6:.1f} MB per second"
    return f"{bounds}; {before} in run {one.speed.run_id}"
