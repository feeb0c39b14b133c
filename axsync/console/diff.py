"""`axsync diff`: what differs between two snapshots, as a summary for people, CSV, JSON lines or Parquet."""

import heapq
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, TextIO

import click
from rich.console import Console
from rich.text import Text

from axsync.console.cells import AddRow, distinct, sheet, words
from axsync.console.invocation import Invocation
from axsync.console.output import Side, Table, plain_console, print_line, print_table
from axsync.console.text import clean, counted, number
from axsync.errors import StorageError, UsageError
from axsync.lake.history import FoundRun, read_as_meant
from axsync.model import Lane
from axsync.snapshots.changes import Change, Record, changes_file, json_text
from axsync.snapshots.diff import KINDS, Diff, Keep, LaneDiff, Wish
from axsync.snapshots.diff import diff as compare
from axsync.snapshots.join import MOVING, OWN, Ignoring

FIELDS_SHOWN, ASSET_FIELDS_SHOWN, WIDTH = 10, 12, 70

_print = partial(print_line, most=4000)


def diff(given: Invocation, before: str, after: str, entity: str | None, **wished: Any) -> None:
    """Compare two snapshots, and print or write what differs."""
    lake, output, wish = given.lake(), given.output_options.output, _wish(entity, wished)
    printed = _printer(output, wish.columns)

    def work(pair: tuple[FoundRun, ...]) -> tuple[Diff, Examples]:
        examples = Examples(wished["show"])
        keepers: list[Keep] = [printed or examples]
        with ExitStack() as open_files:
            if wished["into"]:
                keepers.append(open_files.enter_context(changes_file(wished["into"])))
            try:
                return compare(lake, (pair[0], pair[1]), wish, partial(_each, keepers)), examples
            except UsageError as error:
                if printed and printed.written:  # what is printed cannot be taken back to begin anew
                    raise StorageError(f"{error}; what is printed is not all") from error
                raise

    found, examples = read_as_meant(lake, (before, after), work)
    if output == "json":
        click.echo(diff_json(found, examples, wish))
    elif output == "text":
        show_diff(found, examples, plain_console(sys.stdout), wish)
    elif isinstance(printed, ChangeRows):
        printed.begin()


def _each(keepers: Sequence[Keep], change: Change) -> None:
    for keep in keepers:
        keep(change)


def _wish(entity: str | None, wished: dict[str, Any]) -> Wish:
    ignoring = Ignoring(wished["ignore"], wished["compare"])
    names = ("ids", "records", "memory", "kinds", "columns")
    return Wish(entity, ignoring=ignoring, folder=wished["temporary"], **{name: wished[name] for name in names})


@dataclass(slots=True)
class Examples:
    """Keeps the assets with the smallest ids of each kind and lane: the same ones whatever the order of changes."""

    most: int
    _kept: dict[tuple[Lane, str], list[tuple[str, int, Change]]] = field(default_factory=dict)
    _count: int = 0

    def __call__(self, change: Change) -> None:
        kept = self._kept.setdefault((change.lane, change.kind), [])
        self._count += 1
        entry = (change.id, self._count, change)
        kept.append(entry)
        if len(kept) > 2 * self.most:
            kept[:] = heapq.nsmallest(self.most, kept)

    def of(self, lane: Lane, kind: str) -> list[Change]:
        """The examples of this kind, sorted by id."""
        return [change for *_, change in heapq.nsmallest(self.most, self._kept.get((lane, kind), []))]


@dataclass(slots=True)
class Lines:
    """Writes one line of plain ASCII per asset."""

    stream: TextIO
    written: int = 0

    def __call__(self, change: Change) -> None:
        self.stream.write(change_text(change) + "\n")
        self.written += 1


@dataclass(slots=True)
class ChangeRows:
    """Writes one line of CSV per field that differs, and one per asset that came or went."""

    stream: TextIO
    columns: tuple[str, ...] = ()
    excel: bool = False
    written: int = 0
    _add: AddRow | None = None

    def begin(self) -> AddRow:
        """Write the titles, once. With the first change and not before, so that a comparison can begin anew."""
        titles = ("instance", "entity", "id", "label", "change", *self.columns, "field", "before", "after")
        self._add = self._add or sheet(self.stream, distinct(titles), excel=self.excel)
        return self._add

    def __call__(self, change: Change) -> None:
        add, lane = self.begin(), change.lane
        head = (lane.instance, lane.entity, change.id, change.label, change.kind, *change.shown.values())
        for name in change.fields or [""]:
            add((*head, name, *(sheet_value(side, name) for side in (change.before, change.after))))
            self.written += 1


def sheet_value(side: Record, name: str) -> object:
    """The value of a field for CSV, null included; None, an empty cell, where it was not served."""
    if name not in side:
        return None
    value = side[name]
    return value if isinstance(value, str | int | float) else json_text(value, quote=_quoted)


def _printer(output: str, columns: tuple[str, ...]) -> "Lines | ChangeRows | None":
    """What prints each change as it is found, where the output is a list of them."""
    if output == "jsonl":
        return Lines(sys.stdout)
    return ChangeRows(sys.stdout, columns, excel=output == "excel") if output in ("csv", "excel") else None


def change_text(change: Change) -> str:
    """The change as one line of JSON. A side of a field is missing if the field was not served."""
    place = {"instance": change.lane.instance, "entity": change.lane.entity}
    head: dict[str, Any] = {**place, "id": change.id, "label": change.label, "change": change.kind}
    if change.shown:
        head["columns"] = dict(change.shown)
    fields = ", ".join(f"{json.dumps(name)}: {_both(change, name)}" for name in change.fields)
    return f"{json.dumps(head)[:-1]}, {json.dumps('fields')}: {{{fields}}}}}"


def _both(change: Change, name: str) -> str:
    sides = (("before", change.before), ("after", change.after))
    return "{" + ", ".join(f"{json.dumps(w)}: {json_text(side[name])}" for w, side in sides if name in side) + "}"


def diff_json(found: Diff, examples: Examples, wish: Wish) -> str:
    """The summary as one JSON document in plain ASCII. Of kinds that were not looked for, the count is null."""
    lanes = [_lane_json(lane, examples, wish) for lane in found.lanes]
    only = {"only_before": list(map(str, found.only_before)), "only_after": list(map(str, found.only_after))}
    odd = [asdict(one) | {"lane": str(one.lane)} for one in found.incomparable]
    runs = {"before": _run_json(found.before), "after": _run_json(found.after)}
    return json.dumps({**runs, "lanes": lanes, **only, "not_comparable": odd}, indent=2)


def _run_json(run: FoundRun) -> dict[str, str]:
    return {"run_id": run.snapshot.run_id, "logical_date": run.snapshot.logical_date}


def _lane_json(lane: LaneDiff, examples: Examples, wish: Wish) -> dict[str, Any]:
    counts: dict[str, int | None] = {"rows_before": lane.rows_before, "rows_after": lane.rows_after}
    counts |= {kind: getattr(lane, kind) if kind in wish.kinds else None for kind in KINDS}
    shown = [
        json.loads(change_text(change))
        for kind in wish.kinds
        for change in examples.of(Lane(lane.instance, lane.entity), kind)
    ]
    columns = {
        "ignored": lane.ignored,
        "appeared": lane.appeared,
        "gone": lane.gone,
        "retyped": {name: {"before": old, "after": new} for name, (old, new) in lane.retyped.items()},
    }
    head = {"instance": lane.instance, "entity": lane.entity}
    return {**head, **counts, "fields": dict(lane.fields.most_common()), **columns, "examples": shown}


def show_diff(found: Diff, examples: Examples, console: Console, wish: Wish) -> None:
    """Print the counts, the fields that changed most, and a few assets field by field."""
    for title, run in (("from", found.before), ("to", found.after)):
        _print(f"{title:<6}{run.snapshot.run_id}  {run.snapshot.logical_date}", console)
    several = len({lane.instance for lane in found.lanes}) > 1
    _show(_counts(found.lanes, wish.kinds), console, several=several)
    fields = _fields(found.lanes)
    if fields.rows:
        console.print(Text("\nFields that changed in the most assets", style="bold"), soft_wrap=True)
        _show(fields, console, several=several)
    for lane in found.lanes:
        _show_lane(lane, examples, console, several=several)
    for line in _remarks(found):
        _print(line, console)


def _counts(lanes: Sequence[LaneDiff], kinds: Sequence[str]) -> Table:
    numbers = partial(_numbers, kinds=kinds)
    rows = [(lane.instance, lane.entity, *map(number, numbers(lane))) for lane in lanes]
    total = ("total", "", *map(number, map(sum, zip(*map(numbers, lanes), strict=True))))
    titles = ("instance", "entity type", "rows before", "rows after", *kinds)
    return Table(titles, _sides(titles), tuple(rows), total if len(rows) > 1 else ())


def _numbers(lane: LaneDiff, kinds: Sequence[str]) -> tuple[int, ...]:
    return (lane.rows_before, lane.rows_after, *(getattr(lane, kind) for kind in kinds))


def _fields(lanes: Sequence[LaneDiff]) -> Table:
    rows = [
        (lane.instance, lane.entity, name, number(count))
        for lane in lanes
        for name, count in sorted(lane.fields.items(), key=lambda one: (-one[1], one[0]))[:FIELDS_SHOWN]
    ]
    titles = ("instance", "entity type", "field", "assets")
    return Table(titles, ("left", "left", "left", "right"), tuple(rows))


def _sides(titles: Sequence[str]) -> tuple[Side, ...]:
    return tuple[Side, ...]("left" if title in {"instance", "entity type"} else "right" for title in titles)


def _show(table: Table, console: Console, *, several: bool) -> None:
    if several:
        print_table(table, console)
        return
    total = ("total", *table.total[2:]) if table.total else ()
    print_table(Table(table.titles[1:], table.sides[1:], tuple(row[1:] for row in table.rows), total), console)


def _show_lane(lane: LaneDiff, examples: Examples, console: Console, *, several: bool) -> None:
    place = Lane(lane.instance, lane.entity)
    name = str(place) if several else lane.entity
    for kind, count in (("added", lane.added), ("removed", lane.removed)):
        if shown := examples.of(place, kind):
            more = f" and {count - len(shown):,} more" if count > len(shown) else ""
            if shown[0].shown:
                _print(f"\n{name}, {kind}: {len(shown)}{more}", console)
                print_table(_shown_table(shown), console)
            else:
                _print(f"\n{name}, {kind}: {', '.join(called(one.id, one.label) for one in shown)}{more}", console)
    for change in examples.of(place, "changed"):
        _print(f"\n{name} {called(change.id, change.label)}", console)
        if change.shown:
            print_table(_shown_table([change]), console)
        show_fields_of(change, console)


def called(name: str, label: str | None) -> str:
    """The id of an asset, and its label in parentheses if it has one."""
    return f"{name} ({clean(label, most=WIDTH)})" if label else name


def _shown_table(changes: Sequence[Change]) -> Table:
    titles = ("id", "label", *changes[0].shown)
    cells = [(one.id, one.label, *one.shown.values()) for one in changes]
    rows = tuple(tuple(words(value, most=WIDTH) for value in row) for row in cells)
    return Table(titles, tuple[Side, ...]("name" if title == "id" else "left" for title in titles), rows)


def show_fields_of(change: Change, console: Console, *, most: int = ASSET_FIELDS_SHOWN) -> None:
    """Print the fields that differ, with both values of each."""
    names = change.fields[:most]
    rows = tuple((name, *(clean(text, most=WIDTH) for text in _sides_of(change, name))) for name in names)
    print_table(Table(("field", "before", "after"), ("name", "left", "left"), rows), console)
    if more := len(change.fields) - len(names):
        _print(f"and {counted(more, 'more field')}", console)


def _sides_of(change: Change, name: str) -> tuple[str, str]:
    """Both values of a field; of two lists only the elements that differ, after `…` for the rest.

    Otherwise a list of a hundred programs with one new version would be cut before the difference.
    """
    sides = [side.get(name) if name in side else _ABSENT for side in (change.before, change.after)]
    texts = [_ABSENT if side is _ABSENT else _readable(side) for side in sides]
    if isinstance(sides[0], list) and isinstance(sides[1], list):
        counts = [Counter(map(_readable, side)) for side in sides if isinstance(side, list)]
        own = [list((counts[0] - counts[1]).elements()), list((counts[1] - counts[0]).elements())]
        if any(own) and any(counts[0] & counts[1]):
            return f"[{', '.join(['…', *own[0]])}]", f"[{', '.join(['…', *own[1]])}]"
    return texts[0], texts[1]


_quoted = partial(json.dumps, ensure_ascii=False)
_readable = partial(json_text, quote=_quoted)
_ABSENT = "–"


def _remarks(found: Diff) -> Iterable[str]:
    yield ""
    for lane in found.lanes:
        for what, names in (("appeared", lane.appeared), ("gone", lane.gone)):
            if names:
                yield f"{lane.entity}: columns {what}: {', '.join(names)}"
        for name, (old, new) in lane.retyped.items():
            yield f"{lane.entity}: {name} was {old} and is {new}"
    for run, lanes in ((found.before, found.only_before), (found.after, found.only_after)):
        if lanes:
            yield f"only in {run.snapshot.run_id}: {', '.join(map(str, lanes))}"
    for one in found.incomparable:
        yield f"not comparable: {one}"
    left_out = sorted({name for lane in found.lanes for name in lane.ignored} - set(OWN))
    yield f"not compared: {', '.join((*OWN, *left_out))}"
    yield f"(left out by default: fields that end in {', '.join(MOVING)})"
