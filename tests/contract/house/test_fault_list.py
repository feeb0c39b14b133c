"""The fault list, tests/faults/README.md, and the tests that show its rows: neither is without the other."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
LIST = (TESTS / "faults" / "README.md").read_text("utf-8")

Function = ast.FunctionDef | ast.AsyncFunctionDef
ROW = re.compile(r"^\| (?P<number>\d+) \| (?P<fault>.+) \| (?P<holds>.+) \| (?P<built>\w+) \|$", re.MULTILINE)
UNMARKED = re.compile(r"^\| (?P<number>\d+) \| (?P<tests>`test_\w+`(?:, `test_\w+`)*) \|$", re.MULTILINE)
LOOKS_LIKE_A_ROW = re.compile(r"^\| *\d+ *\|.*$", re.MULTILINE)


def built(text: str) -> dict[int, str]:
    """Row → `yes`, `measured` or `no`."""
    return {int(row["number"]): row["built"] for row in ROW.finditer(text)}


def unmarked(text: str) -> dict[int, list[str]]:
    """Row → the tests that the list names, as they do not name the row themselves."""
    return {int(row["number"]): re.findall(r"\w+", row["tests"]) for row in UNMARKED.finditer(text)}


def rows_of(function: Function) -> Iterator[int]:
    """By its name, `test_fault_21_…`, or by its marks, `@pytest.mark.fault(11, 13)`."""
    if named := re.match(r"test_fault_(\d+)_", function.name):
        yield int(named[1])
    yield from (row for decorator in function.decorator_list for row in rows_in(decorator))


def rows_in(expression: ast.expr) -> Iterator[int]:
    """The rows of all marks inside an expression."""
    for one in ast.walk(expression):
        if isinstance(one, ast.Call) and ast.unparse(one.func) == "pytest.mark.fault":
            yield from (int(ast.literal_eval(row)) for row in one.args)


@cache
def shown() -> dict[str, list[frozenset[int]]]:
    """Name of a test function → the rows of each function with this name."""
    found: dict[str, list[frozenset[int]]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, Function) and node.name.startswith("test_"):
                found.setdefault(node.name, []).append(frozenset(rows_of(node)))
    return found


def marked() -> set[int]:
    return {row for functions in shown().values() for rows in functions for row in rows}


def test_the_list_has_sixty_five_rows_in_order() -> None:
    """Each once, with a fault, what must hold, and a word that the legend explains."""
    legend = LIST.partition("| built | means |\n|---|---|\n")[2].partition("\n\n")[0]

    assert [int(row["number"]) for row in ROW.finditer(LIST)] == list(range(1, 66))
    assert set(built(LIST).values()) == set(re.findall(r"^\| (\w+) \|", legend, re.MULTILINE))


def test_every_row_that_is_built_has_a_test() -> None:
    """Also the other way round: a row that a test shows is not called unbuilt or only measured."""
    wanted = {row for row, word in built(LIST).items() if word == "yes"}

    assert marked() | unmarked(LIST).keys() == wanted


def test_every_mark_names_a_row() -> None:
    assert marked() - built(LIST).keys() == set()


def test_tests_that_the_list_names_exist_and_do_not_name_the_row_themselves() -> None:
    """One function of that name each: a test that was renamed, or has got a mark, does not stay in the list."""
    named = [(row, test) for row, tests in unmarked(LIST).items() for test in tests]

    assert [(row, test) for row, test in named if len(shown().get(test, ())) != 1] == []
    assert [(row, test) for row, test in named if row in shown()[test][0]] == []


def test_no_line_of_the_list_is_passed_over() -> None:
    """A line that looks like a row is read as one."""
    read = Counter(match[0] for pattern in (ROW, UNMARKED) for match in pattern.finditer(LIST))

    assert Counter(LOOKS_LIKE_A_ROW.findall(LIST)) == read


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        ("def test_fault_21_a(): ...", {21}),
        ("async def test_fault_7_a(): ...", {7}),
        ("@pytest.mark.fault(11, 13)\ndef test_a(): ...", {11, 13}),
        ("@pytest.mark.fault(3)\ndef test_fault_21_a(): ...", {3, 21}),
        ("@pytest.mark.parametrize('a', [pytest.param(1, marks=pytest.mark.fault(5))])\ndef test_a(a): ...", {5}),
        ("@pytest.mark.slow\ndef test_default(): ...", set()),
    ],
)
def test_rows_are_read_from_names_and_marks(source: str, rows: set[int]) -> None:
    function = ast.parse(source).body[0]

    assert isinstance(function, Function)
    assert set(rows_of(function)) == rows
