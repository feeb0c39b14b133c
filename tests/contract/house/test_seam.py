"""Whether the lake is reached through its store alone: folders are known to `axsync/lake/local.py` and nobody else."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "axsync"
ROOMS = ("engine", "lake", "runs", "snapshots", "sql")
FOLDERS = {"os", "pathlib", "shutil", "tempfile", "fcntl", "stat", "axsync.lake.local"}
"""What a module imports that looks at folders."""

REASONS = {
    ("lake/local.py", "*"): "it is the store for folders",
    ("lake/layout.py", "pathlib"): "names alone, taken apart",
    ("lake/buckets.py", "os"): "the environment",
    ("lake/buckets.py", "pathlib"): "the folder that `scratch` names",
    ("lake/lease.py", "os"): "the process that holds a lock, and whether it has ended",
    ("lake/lease.py", "pathlib"): "what tells one machine from another",
    ("lake/objects.py", "os"): "whose folder for drafts it is",
    ("lake/objects.py", "pathlib"): "drafts, on this machine",
    ("lake/objects.py", "tempfile"): "the same",
    ("lake/objects.py", "axsync.lake.local"): "the same",
    ("lake/history.py", "pathlib"): "the folder that `load_manifest` is given",
    ("lake/publish.py", "axsync.lake.local"): "it picks the store that the settings name",
    ("runs/check.py", "pathlib"): "the file that `check --probe` names",
    ("runs/probe_record.py", "os"): "the same file",
    ("runs/probe_record.py", "pathlib"): "the same file",
    ("runs/probe_record.py", "tempfile"): "the same file",
    ("runs/probe_record.py", "axsync.lake.local"): "the same file",
    ("runs/setup.py", "pathlib"): "locks of hosts, in the state folder that machines share",
    ("runs/setup.py", "axsync.lake.local"): "the same locks",
    ("runs/cluster.py", "os"): "the environment, and chance for the names of tasks",
    ("runs/instances.py", "os"): "the environment",
    ("runs/run.py", "os"): "how many cores there are",
    ("runs/stream.py", "os"): "how many cores there are",
    ("snapshots/changes.py", "pathlib"): "the file that `diff --into` names",
    ("snapshots/dataset.py", "pathlib"): "the folder that `axsync.open` is given",
    ("snapshots/diff.py", "pathlib"): "the folder that `diff --temporary` names",
    ("snapshots/join.py", "pathlib"): "the same folder",
    ("sql/spill.py", "pathlib"): "the same folder",
    ("sql/spill.py", "tempfile"): "where DuckDB spills",
}
"""(module, import) → why it is there though the lake is not meant by it."""


def imported(tree: ast.Module) -> Iterator[str]:
    """The modules that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_only_the_local_store_knows_that_a_lake_may_be_a_folder() -> None:
    """Every other import of what looks at folders has a reason in the list, and every reason an import."""
    found = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for room in ROOMS
        for path in (PACKAGE / room).rglob("*.py")
        for name in imported(ast.parse(path.read_text("utf-8")))
        if name in FOLDERS
    }
    free = {module for module, name in REASONS if name == "*"}

    assert {one for one in found if one[0] not in free} == {one for one in REASONS if one[1] != "*"}
