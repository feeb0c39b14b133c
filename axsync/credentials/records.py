"""What a store writes about a credential: a readable record without secrets, and a sealed entry with them.

The readable list can be edited by others; the entry repeats the host and how it is reached, so that no edit of the list
sends the secret elsewhere.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from axsync.credentials.credential import Credential, Kind, Secret
from axsync.errors import AxsyncError, ConfigError, EntryChanged, EntryMissing, ListDamaged, StoreError
from axsync.settings import check_names, check_reference, normal_url

Kept = Literal["keyring", "file", "references", "folder"]
"""Where a secret is stored: system keyring, encrypted file, elsewhere by reference, platform folder."""

MAX_DESCRIPTION = 200
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Record:
    """A credential without its secrets. Times are UTC, such as 2026-11-23T02:00:00Z."""

    name: str
    url: str  # scheme://host[:port]; the secret is sent nowhere else
    kept: Kept
    kind: Kind = "api-key"
    description: str = ""
    key_reference: str = ""  # if `kept` is references
    secret_reference: str = ""
    folder: str = ""  # if `kept` is folder
    ca_file: str = ""  # how the host is reached, unless the configuration says so
    allow_plain_http: bool = False
    created_at: str = ""
    updated_at: str = ""

    def __post_init__(self) -> None:
        check_names("the name of a credential", [self.name])
        called = f"the url of credential {self.name!r}"
        object.__setattr__(self, "url", normal_url(self.url, allow_plain_http=self.allow_plain_http, called=called))
        if len(self.description) > MAX_DESCRIPTION or not self.description.isprintable():
            raise ConfigError(f"the description must be one line of at most {MAX_DESCRIPTION} characters")
        if self.kept == "references":
            check_reference(self.key_reference, called="the reference to the key")
            check_reference(self.secret_reference, called="the reference to the secret")

    @property
    def bound(self) -> dict[str, object]:
        """The properties that are sealed with the secret, so that a changed list cannot redirect it."""
        plain = self.allow_plain_http
        return {"url": self.url, "kind": self.kind, "ca_file": self.ca_file, "allow_plain_http": plain}

    @property
    def place(self) -> str:
        """Where the secret is stored, for display."""
        if self.kept == "references":
            return f"{shown_reference(self.key_reference)}, {shown_reference(self.secret_reference)}"
        return {"keyring": "system keyring", "file": "encrypted file", "folder": f"folder {self.folder}"}[self.kept]


def shown_reference(reference: str) -> str:
    """A reference for display. Arguments of a command are hidden, since they may be secret."""
    kind, _, rest = reference.partition(":")
    return f"command:{rest.split()[0]} …" if kind == "command" and len(rest.split()) > 1 else reference


@dataclass(frozen=True, slots=True)
class Index:
    """All records of one store, sorted by name."""

    format: int = FORMAT
    credentials: tuple[Record, ...] = field(default=())

    def find(self, name: str) -> Record | None:
        """The record of this name, or None."""
        return next((one for one in self.credentials if one.name == name), None)

    def without(self, name: str) -> "Index":
        """The index without this name."""
        return Index(FORMAT, tuple(one for one in self.credentials if one.name != name))

    def with_record(self, record: Record) -> "Index":
        """The index with the record added or replaced."""
        return Index(FORMAT, tuple(sorted((*self.without(record.name).credentials, record), key=lambda one: one.name)))

    def text(self) -> bytes:
        """The content of the file, readable by people."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def read_index(content: bytes | None) -> Index:
    """The records of a file; none without a file. Raises: StoreError, without the path."""
    if content is None:
        return Index()
    try:
        found = msgspec.json.decode(content, type=dict[str, object]).get("format")
        if not (isinstance(found, int) and found > FORMAT):
            return msgspec.json.decode(content, type=Index)
    except (msgspec.MsgspecError, UnicodeDecodeError, AxsyncError) as error:
        raise ListDamaged("it is damaged") from error
    raise StoreError(f"it was written by a newer axsync (format {found})")


def pack_entry(record: Record, credential: Credential) -> str:
    """The text of a vault entry: the secrets together with the host they belong to."""
    secrets = {"key": credential.key.reveal(), "secret": credential.secret.reveal()}
    return json.dumps({"name": record.name, **record.bound, **secrets})


def unpack_entry(text: str, record: Record) -> Credential:
    """Key and secret of an entry. Raises: EntryMissing if damaged, EntryChanged if sealed for another host."""
    kept = _parsed_entry(text, record)
    key, secret = Secret(kept.pop("key")), Secret(kept.pop("secret"))
    if kept != {"name": record.name, **record.bound}:
        raise _changed(record, kept)
    return Credential(key, secret, record.kind)


def sealed_facts(text: str, record: Record) -> dict[str, Any]:
    """The properties of the record that were sealed with its secrets. Raises: EntryMissing if damaged."""
    kept = _parsed_entry(text, record)
    return {name: kept[name] for name in record.bound if name in kept}


def _changed(record: Record, kept: dict[str, Any]) -> EntryChanged:
    """The error for a record that contradicts what was sealed."""
    told = f"its secret was sealed for {kept.get('url')}, the list says {record.url}"
    if kept.get("url") == record.url:
        others = [name for name, value in record.bound.items() if kept.get(name) != value]
        told = f"the list contradicts what was sealed with its secret ({', '.join(others) or 'name'})"
    return EntryChanged(f"credential {record.name!r} was changed outside of axsync: {told}", name=record.name)


def _parsed_entry(text: str, record: Record) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        return kept | {"key": str(kept["key"]), "secret": str(kept["secret"])}
    except (msgspec.MsgspecError, KeyError) as error:
        told = f"the entry of credential {record.name!r} in the {record.place} is damaged"
        raise EntryMissing(told, name=record.name) from error
