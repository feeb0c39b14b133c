"""Credentials as they are listed, shown and exported: where a secret is kept, never the secret."""

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from axsync.console.table import Side, Table, show
from axsync.console.words import clean
from axsync.credentials import Listed, Record, shown_reference

TITLES = ("name", "description", "host", "kind", "kept in", "last used")


def show_list(rows: Sequence[Listed], console: Console) -> None:
    """Print a table, and a line for each credential that is hidden by another of the same name."""
    if not rows:
        console.print(Text("there are no credentials; add one with `axsync credential add NAME`"), soft_wrap=True)
        return
    cells = tuple(_cells(row) for row in rows)
    show(Table(TITLES, tuple[Side, ...](["left"] * len(TITLES)), cells), console)
    for row in rows:
        if row.hidden_by:
            told = (
                f"{row.record.name} in the {row.record.place} is not used; the one in the {row.hidden_by} has priority"
            )
            console.print(Text(clean(told)), soft_wrap=True)


def _cells(row: Listed) -> tuple[str, ...]:
    record = row.record
    used = "hidden" if row.hidden_by else row.last_used or "never"
    return tuple(clean(text) for text in (record.name, record.description, record.url, record.kind, record.place, used))


def show_one(row: Listed, console: Console) -> None:
    """Print one credential, a line per property."""
    facts = {key: value for key, value in as_facts(row).items() if value not in ("", False)}
    width = max(len(key) for key in facts)
    for key, value in facts.items():
        console.print(Text(f"{key.replace('_', ' ').ljust(width)}  {clean(str(value))}"), soft_wrap=True)


def as_facts(row: Listed) -> dict[str, Any]:
    """The properties of one credential, without its secret."""
    record = row.record
    return {
        "name": record.name,
        "description": record.description,
        "url": record.url,
        "kind": record.kind,
        "kept_in": record.place,
        "ca_file": record.ca_file,
        "allow_plain_http": record.allow_plain_http,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "last_used": row.last_used,
        "hidden_by": row.hidden_by,
    }


def list_json(rows: Sequence[Listed]) -> str:
    return json.dumps([as_facts(row) for row in rows], indent=2)


def one_json(row: Listed) -> str:
    return json.dumps(as_facts(row), indent=2)


def export_json(records: Sequence[Record]) -> str:
    """What is needed to recreate the credentials elsewhere, except the secrets."""
    return json.dumps([_exported(record) for record in records], indent=2)


def _exported(record: Record) -> dict[str, Any]:
    facts = {"name": record.name, "description": record.description, "url": record.url, "kind": record.kind}
    more = {"ca_file": record.ca_file, "allow_plain_http": record.allow_plain_http, "kept": record.kept}
    references = {"key_reference": record.key_reference, "secret_reference": record.secret_reference}
    shown = {key: shown_reference(text) for key, text in references.items() if text}
    return facts | more | shown


def export_toml(records: Sequence[Record]) -> str:
    """Tables for axsync.toml of instances that use these credentials."""
    return "\n\n".join(_table(record) for record in records)


def _table(record: Record) -> str:
    name = record.name if "." not in record.name else json.dumps(record.name)
    lines = [f"# {record.description}"] if record.description else []
    lines += [f"[instances.{name}]", f"url = {json.dumps(record.url)}", f"credential = {json.dumps(record.name)}"]
    lines += [f"ca_file = {json.dumps(record.ca_file)}"] if record.ca_file else []
    return "\n".join(lines + (["allow_plain_http = true"] if record.allow_plain_http else []))
