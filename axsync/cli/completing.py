"""What a shell offers for each argument: names from the settings, the lake and the credential store, files, folders.

Somebody waits at the keyboard: nothing heavy is imported where that can be avoided, nothing is asked of a server, and
whatever goes wrong offers nothing instead of an error.
"""

import os
import tomllib
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias

import click
from click.shell_completion import CompletionItem

from axsync.cli.lazy_import import load

CONFIG, LAKE = "axsync.config", "axsync.lake"
"""Where `context.meta` holds these two options."""

Names: TypeAlias = Callable[[click.Context], Iterable[object]]
Offered: TypeAlias = Callable[[click.Context, click.Parameter, str], list[str]]


def _offering(names: Names) -> Offered:
    """A `shell_complete` of click that offers those of the names that begin as typed."""

    @wraps(names)
    def offered(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        try:
            texts = dict.fromkeys(name for name in names(context) if isinstance(name, str))
        except Exception:  # noqa: BLE001  a traceback would be printed into the line that somebody is typing
            return []
        return [name for name in texts if name.startswith(incomplete)]

    return offered


def complete_folders(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Folders, by the shell itself."""
    return [CompletionItem(incomplete, type="dir")]


def complete_files(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files, by the shell itself."""
    return [CompletionItem(incomplete, type="file")]


@_offering
def complete_instances(context: click.Context) -> Iterable[object]:
    """Instances of the settings."""
    return _table(_document(context), "instances")


@_offering
def complete_entities(context: click.Context) -> Iterable[object]:
    """Entity types that the settings name, or else all that are known."""
    return _chosen(context) or load("axsync.api.entity_types:KNOWN_ENTITIES")


@_offering
def complete_held(context: click.Context) -> Iterable[object]:
    """Entity types that the lake holds; without a lake those that the settings name, or else all that are known."""
    of_folder = load("axsync.lake.layout:entity_of")
    found = [of_folder(name) for name in _store(context).folders("")]
    return [name for name in found if name] or _chosen(context) or load("axsync.api.entity_types:KNOWN_ENTITIES")


@_offering
def complete_runs(context: click.Context) -> Iterable[object]:
    """Snapshots of the lake, newest first, behind `latest` and, where there is more than one, `latest~1`."""
    runs: list[str] = []
    try:
        runs = load("axsync.lake.history:published")(load("axsync.lake.publish:Lake")(_store(context)))
    except (OSError, load("axsync.errors:UsageError")):  # `latest` is a word that is good to know
        pass
    return ["latest", *(["latest~1"] if len(runs) > 1 else []), *runs]


@_offering
def complete_credentials(_context: click.Context) -> Iterable[object]:
    """Names in the credential store; its secrets stay closed."""
    return [one.record.name for one in load("axsync.credentials:CredentialStore")().listed()]


def _chosen(context: click.Context) -> list[object]:
    document = _document(context)
    named = [*_list(_table(document, "run"), "entities"), *_table(document, "entities")]
    return [name for name in named if name not in ("default", "*")]


def _store(context: click.Context) -> Any:  # noqa: ANN401  `LocalStore`, which is imported late
    of_file = _table(_document(context), "lake").get("uri")
    named = context.meta.get(LAKE) or context.params.get("lake") or of_file or os.environ.get("AXSYNC_LAKE")
    return load("axsync.lake.local:LocalStore")(Path(named if isinstance(named, str) else "lake"))


def _document(context: click.Context) -> dict[str, Any]:
    # The plain file, not the settings: it need not be right while it is being written, and this has to be quick.
    try:
        return tomllib.loads((context.meta.get(CONFIG) or Path("axsync.toml")).read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _table(document: dict[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _list(table: dict[str, Any], name: str) -> list[object]:
    found = table.get(name)
    return found if isinstance(found, list) else []
