"""How changes are written and shown."""

import io
import json
from typing import Any

import pytest
from rich.console import Console

from axsync.console.diff import Examples, change_text, show_diff
from axsync.model import Lane
from axsync.snapshots.changes import Change
from axsync.snapshots.diff import Diff, LaneDiff, Wish
from tests.unit.console.test_runs import DEVICES, found

LANE = Lane("prod", "devices")


def changed(name: str, before: dict[str, Any], after: dict[str, Any]) -> Change:
    return Change(LANE, name, "changed", before, after)


def shown(examples: Examples, *lanes: LaneDiff) -> list[str]:
    stream = io.StringIO()
    run = found(DEVICES)
    console = Console(file=stream, width=200, markup=False, highlight=False)
    show_diff(Diff(run, run, lanes, (Lane("prod", "gone"),), ()), examples, console, Wish())
    return [" ".join(line.split()) for line in stream.getvalue().splitlines()]


def lane(**facts: Any) -> LaneDiff:
    return LaneDiff("prod", "devices", 10, 12, **facts)


def test_a_change_is_one_line_of_json() -> None:
    """Fields in alphabetical order; a side that was not served is missing; numbers to the last digit."""
    text = change_text(changed("a1", {"z": 2**64 + 5, "é": None}, {"b": [1.5], "é": 0}))

    assert text.isascii()
    assert f'"before": {2**64 + 5}' in text
    assert json.loads(text)["fields"] == {
        "b": {"after": [1.5]},
        "z": {"before": 2**64 + 5},
        "é": {"before": None, "after": 0},
    }


@pytest.mark.parametrize("names", [range(100), range(99, -1, -1)])
def test_examples_are_the_smallest_ids_in_whatever_order_they_come(names: range) -> None:
    """So that two looks at the same snapshots show the same assets; few are held at any time."""
    examples = Examples(3)
    for name in names:
        examples(changed(f"{name:03}", {}, {"a": 1}))

    assert [change.id for change in examples.of(LANE, "changed")] == ["000", "001", "002"]
    assert max(map(len, examples._kept.values())) <= 6
    assert examples.of(LANE, "added") == []


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (["a", "b", "b"], ["b", "c"], 'f […, "a", "b"] […, "c"]'),
        (["a"], ["a", "b"], 'f […] […, "b"]'),
        (["a", "b"], ["b", "a"], 'f ["a", "b"] ["b", "a"]'),
        (["a"], ["b"], 'f ["a"] ["b"]'),
        ({"a": 1}, {"a": 2}, 'f {"a": 1} {"a": 2}'),
        (None, ["a"], 'f null ["a"]'),
        (["é\u202e"], {"é": "Kōjō"}, 'f ["é"] {"é": "Kōjō"}'),
        ("\x1b[2J", "x" * 100, f'f "\\u001b[2J" "{"x" * 68}…'),
    ],
)
def test_of_two_lists_only_what_differs_is_shown(before: Any, after: Any, line: str) -> None:  # noqa: ANN401  # JSON
    """What both have would hide it; long values are cut, and no terminal obeys one."""
    examples = Examples(1)
    examples(changed("a1", {"f": before}, {"f": after}))

    assert line in shown(examples, lane(changed=1))


def test_what_was_not_compared_is_told() -> None:
    """Columns that came, went or changed their type; types of one side only; what always moves."""
    told = shown(
        Examples(1),
        lane(
            appeared=("x",), gone=("y",), retyped={"z": ("int64", "double")}, ignored=("axsync_run_id", "s.last_seen")
        ),
    )

    assert told[-7:-1] == [
        "",
        "devices: columns appeared: x",
        "devices: columns gone: y",
        "devices: z was int64 and is double",
        "only in r1: prod/gone",
        "not compared: axsync_run_id, axsync_fetched_at, s.last_seen",
    ]
