"""Whether the code keeps to the field's words: no private metaphors, no name for two things."""

import ast
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "axsync"

PRIVATE = frozenset(
    [
        "Yard",
        "Shop",
        "Stock",
        "Shelf",
        "Load",
        "Ledger",
        "Aims",
        "Held",
        "Pace",
        "Place",
        "Steer",
        "AtOnce",
        "PerSecond",
        "Witnesses",
        "Breaker",
        "Queueing",
        "Portion",
        "Wire",
        "Way",
        "Told",
        "Hopeless",
        "Ask",
        "Desk",
        "Doors",
        "Standing",
        "Thrift",
        "Story",
        "Manner",
        "Fenced",
        "Misfits",
        "MarkWalk",
        "OffsetWalk",
        "Walk",
        "Specimen",
        "Press",
        "Sheet",
        "sibling",
        "recall",
        "taste",
        "hush",
        "woven",
        "twins",
        "girth",
        "yard",
        "shop",
        "shelf",
        "stock",
        "ledger",
        "bury",
    ]
)
"""Words that needed a glossary: each has a word of the field instead."""


def modules() -> dict[str, ast.Module]:
    """Path → syntax tree of each module."""
    return {str(path.relative_to(PACKAGE)): ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}


def defined(tree: ast.Module) -> set[str]:
    """The names that a module gives: to classes, functions, parameters, variables and attributes."""
    return {name for node in ast.walk(tree) if (name := given(node)) is not None}


def given(node: ast.AST) -> str | None:
    """The name that this part of a syntax tree gives to something."""
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
        case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            return name
        case _:
            return None


def test_no_private_words_name_anything() -> None:
    """A newcomer needs no glossary."""
    found = {name: sorted(defined(tree) & PRIVATE) for name, tree in modules().items()}

    assert {name: words for name, words in found.items() if words} == {}


def test_no_two_public_classes_share_a_name() -> None:
    """A name that means two things is imported from the wrong module sooner or later."""
    classes = Counter(
        node.name
        for tree in modules().values()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )

    assert [name for name, count in classes.items() if count > 1] == []
