"""What a vault keeps for a credential: its secrets, sealed together with where they may go."""

import json
from typing import Any

import msgspec

from axsync.credentials.records import Record
from axsync.credentials.values import Credential, Secret
from axsync.errors import EntryChanged, EntryMissing


def packed(record: Record, credential: Credential) -> str:
    """The text that a vault keeps."""
    secrets = {"key": credential.key.reveal(), "secret": credential.secret.reveal()}
    return json.dumps({"name": record.name, **record.bound, **secrets})


def unpacked(text: str, record: Record) -> Credential:
    """Key and secret. Raises: EntryMissing for what is damaged, EntryChanged for what was sealed for another host."""
    kept = _parsed(text, record)
    key, secret = Secret(kept.pop("key")), Secret(kept.pop("secret"))
    if kept != {"name": record.name, **record.bound}:
        raise changed(record, kept)
    return Credential(key, secret, record.kind)


def sealed_facts(text: str, record: Record) -> dict[str, Any]:
    """What was sealed of the record. Raises: EntryMissing for what is damaged."""
    kept = _parsed(text, record)
    return {name: kept[name] for name in record.bound if name in kept}


def changed(record: Record, kept: dict[str, Any]) -> EntryChanged:
    """What to raise for a record that says something else than was sealed."""
    told = f"its secret was sealed for {kept.get('url')}, the list says {record.url}"
    if kept.get("url") == record.url:
        others = [name for name, value in record.bound.items() if kept.get(name) != value]
        told = f"the list says something else of {', '.join(others) or 'it'} than was sealed with its secret"
    return EntryChanged(f"credential {record.name!r} was changed outside of axsync: {told}", name=record.name)


def _parsed(text: str, record: Record) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        return kept | {"key": str(kept["key"]), "secret": str(kept["secret"])}
    except (msgspec.MsgspecError, KeyError) as error:
        told = f"what the {record.place} holds for credential {record.name!r} is damaged"
        raise EntryMissing(told, name=record.name) from error
