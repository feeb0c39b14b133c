"""Whether modules import at their top, where a reader, a type checker and the import contracts see it."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "axsync"


REASONS = {
    "client:session": "the extra isal",
    "client:tls": "only `axsync check` looks at certificates",
    "credentials:encrypted_file": "most people have no such file",
    "credentials:system_keyring": "the extra keyring",
    "lake:buckets": "boto3, of the extra s3",
    "lake:local": "a shell completes names without pyarrow",
    "lake:publish": "the extras s3, gcs and azure",
    "runs:cluster": "the extra dask",
    "snapshots:dataset": "polars, where it is installed",
    "telemetry:__init__": "the extras otel and openlineage, and what only a metrics file needs",
}
"""Extras, and what few runs need and takes long."""


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
    """Each has a reason, and each reason an import."""
    assert {place.rpartition(":")[0] for place in imports_inside_functions()} == REASONS.keys()
