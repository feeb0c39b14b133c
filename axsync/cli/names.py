"""Names that a shell can complete: instances and entity types of the settings, runs of the lake."""

import tomllib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any


def instance_names(config: Path | None, incomplete: str) -> list[str]:
    """Instances of the settings."""
    return _beginning(incomplete, _table(_document(config), "instances"))


def entity_names(config: Path | None, incomplete: str) -> list[str]:
    """Entity types that the settings name, or else all that are known."""
    document = _document(config)
    named = [*_list(_table(document, "run"), "entities"), *_table(document, "entities")]
    return _beginning(incomplete, [name for name in named if name not in ("default", "*")] or _known())


def run_names(config: Path | None, lake: str | None, incomplete: str) -> list[str]:
    """Snapshots of the lake, newest first, behind `latest` and, where there is more than one, `latest~1`."""
    from axsync.lake import layout  # noqa: PLC0415  only where a run is to be completed
    from axsync.lake.local import LocalStore  # noqa: PLC0415  as above

    uri = lake or _table(_document(config), "lake").get("uri")
    runs: list[str] = []
    with suppress(OSError):
        names = LocalStore(Path(uri if isinstance(uri, str) else "lake")).names(layout.SNAPSHOTS)
        runs = sorted(filter(None, map(layout.run_of_manifest, names)), reverse=True)
    return _beginning(incomplete, ["latest", *(["latest~1"] if len(runs) > 1 else []), *runs])


def _known() -> tuple[str, ...]:
    from axsync.api import KNOWN_ENTITIES  # noqa: PLC0415  only where a type is to be completed

    return KNOWN_ENTITIES


def _document(config: Path | None) -> dict[str, Any]:
    # The plain file, not the settings: it need not be right while it is being written, and this has to be quick.
    try:
        return tomllib.loads((config or Path("axsync.toml")).read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _table(document: dict[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _list(table: dict[str, Any], name: str) -> list[object]:
    found = table.get(name)
    return found if isinstance(found, list) else []


def _beginning(incomplete: str, names: Iterable[object]) -> list[str]:
    texts = dict.fromkeys(name for name in names if isinstance(name, str))
    return [name for name in texts if name.startswith(incomplete)]
