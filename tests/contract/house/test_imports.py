"""Whether modules import at their top, where a reader, a type checker and the import contracts see it."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "axsync"


def imports_inside_functions() -> list[str]:
    """Room, module and line of each."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        parts = [part for function in functions for part in ast.walk(function)]
        lines = {part.lineno for part in parts if isinstance(part, ast.Import | ast.ImportFrom)}
        found += [f"{path.relative_to(PACKAGE).parts[0]}:{path.stem}:{line}" for line in sorted(lines)]
    return found


def test_the_command_line_has_no_import_inside_a_function() -> None:
    """What a command needs is imported in one way: `cli.lazy_import`."""
    assert [place for place in imports_inside_functions() if place.startswith(("cli:", "console:"))] == []


def test_few_imports_are_inside_functions() -> None:
    """Extras, and what few runs need and takes long."""
    found = imports_inside_functions()

    assert len(found) < 12, found
