"""A vault entry of a credential: its secrets, sealed together with the host they belong to."""

import json
from typing import Any

import msgspec

from axsync.credentials.records import Record
from axsync.credentials.values import Credential, Secret
from axsync.errors import EntryChanged, EntryMissing


def pack(record: Record, credential: Credential) -> str:
    """The text of an entry."""
    secrets = {"key": credential.key.reveal(), "secret": credential.secret.reveal()}
    return json.dumps({"name": record.name, **record.bound, **secrets})


def unpack(text: str, record: Record) -> Credential:
    """Key and secret. Raises: EntryMissing if damaged, EntryChanged if sealed for another host."""
    kept = _parsed(text, record)
    key, secret = Secret(kept.pop("key")), Secret(kept.pop("secret"))
    if kept != {"name": record.name, **record.bound}:
        raise changed(record, kept)
    return Credential(key, secret, record.kind)


def sealed_facts(text: str, record: Record) -> dict[str, Any]:
    """The properties of the record that were sealed. Raises: EntryMissing if damaged."""
    kept = _parsed(text, record)
    return {name: kept[name] for name in record.bound if name in kept}


def changed(record: Record, kept: dict[str, Any]) -> EntryChanged:
    """The error for a record that contradicts what was sealed."""
    told = f"its secret was sealed for {kept.get('url')}, the list says {record.url}"
    if kept.get("url") == record.url:
        others = [name for name, value in record.bound.items() if kept.get(name) != value]
        told = f"the list contradicts what was sealed with its secret ({', '.join(others) or 'name'})"
    return EntryChanged(f"credential {record.name!r} was changed outside of axsync: {told}", name=record.name)


def _parsed(text: str, record: Record) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        return kept | {"key": str(kept["key"]), "secret": str(kept["secret"])}
    except (msgspec.MsgspecError, KeyError) as error:
        told = f"the entry of credential {record.name!r} in the {record.place} is damaged"
        raise EntryMissing(told, name=record.name) from error
