"""Whether each row of tests/faults/README.md that concerns what is built has a test that names it."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROWS = range(1, 40)


def rows_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[int]:
    """By its name, `test_fault_21_…`, or by its marks, `@pytest.mark.fault(11, 13)`."""
    if function.name.startswith("test_fault_"):
        yield int(function.name.split("_")[2])
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.fault":
            yield from (int(ast.literal_eval(one)) for one in decorator.args)


def test_every_row_has_a_test() -> None:
    """Rows 1 to 39: process and host, network, HTTP, paging, payload."""
    shown = {
        row
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for row in rows_of(node)
    }

    assert set(ROWS) - shown == set()
