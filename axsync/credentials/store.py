"""The named credentials of this machine: who knows a name, where its secret is, which host it belongs to.

The first that knows a name wins: the folder that systemd gives to a unit, a folder named by a variable, the store's own
list. Names and hosts are in a readable list; key and secret are in a vault, sealed together with the host.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from axsync.credentials.folders import folders, open_in, record_in, records_in
from axsync.credentials.opening import asks_a_person, find_opener, open_to_others
from axsync.credentials.places import INDEX, LOCK, USES, USES_LOCK, VAULT, config_folder, state_folder
from axsync.credentials.private import alone, read_private, write_private
from axsync.credentials.records import Index, Record, read_index
from axsync.credentials.references import resolve_credential
from axsync.credentials.sealing import Cost
from axsync.credentials.values import Credential, Secret
from axsync.credentials.vaults import FileVault, KeyringVault, Vault
from axsync.errors import StoreDamaged, StoreError, UnknownCredential
from axsync.settings import CredentialReference, nearest


@dataclass(frozen=True, slots=True)
class Listed:
    """A record as a list shows it. `last_used` is a moment, or empty; `hidden_by` is the place that wins instead."""

    record: Record
    last_used: str = ""
    hidden_by: str = ""


class CredentialStore:
    """All credentials that this process can name."""

    def __init__(self, environ: Mapping[str, str] | None = None, *, cost: Cost | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._cost = cost
        self._vaults: dict[str, Vault] = {}

    @property
    def folder(self) -> Path:
        """Where list and encrypted file are. Raises: StoreError."""
        return config_folder(self._environ)

    def find(self, name: str) -> Record:
        """The record of this name. Raises: UnknownCredential, StoreError."""
        found = self.known(name)
        if found is None:
            names = [one.record.name for one in self.listed()]
            near = nearest(name, names) if names else "; the store is empty"
            raise UnknownCredential(f"there is no credential {name!r}{near}", name=name)
        return found

    def known(self, name: str) -> Record | None:
        """The record of this name, None where nobody knows it. Raises: StoreError."""
        found = (record_in(folder, name) for folder in folders(self._environ))
        return next((record for record in found if record is not None), None) or self._index().find(name)

    def own(self, name: str) -> Record:
        """A record that may be changed. Raises: UnknownCredential, StoreError where a folder of the platform has it."""
        record = self.find(name)
        if record.kept == "folder":
            raise StoreError(f"credential {name!r} comes with the {record.place} and is changed there")
        return record

    def listed(self) -> tuple[Listed, ...]:
        """All records by name; of the same name the one that wins first. Raises: StoreError."""
        given = [record for folder in folders(self._environ) for record in records_in(folder)]
        used, winners = self._uses(), dict[str, Record]()
        rows = []
        for record in (*given, *self._index().credentials):
            winner = winners.setdefault(record.name, record)
            hidden = "" if winner is record else winner.place
            rows.append(Listed(record, used.get(record.name, ""), hidden))
        return tuple(sorted(rows, key=lambda row: (row.record.name, row.hidden_by != "")))

    def open(self, record: Record) -> Credential:
        """Key and secret of a record. Raises: ConfigError, StoreError."""
        if record.kept == "folder":
            return open_in(record)
        if record.kept == "references":
            reference = CredentialReference(record.key_reference, record.secret_reference)
            return replace(resolve_credential(reference, environ=self._environ), kind=record.kind)
        text = self._vault(record.kept).fetch(record.name)
        if text is None:
            raise StoreDamaged(f"the {record.place} holds nothing for credential {record.name!r}")
        found = _unpacked(text, record)
        return replace(found, told=open_to_others(self._environ)) if record.kept == "file" else found

    def keep(self, record: Record, credential: Credential | None) -> None:
        """Add or replace a record; None leaves its secret as it is. Raises: StoreError."""
        if credential is not None:
            self.unlock(record)
        if (known := self._index().find(record.name)) and known.kept != record.kept:
            self.unlock(known)  # it will have to forget
        with alone(self.folder / LOCK):
            before = self._index().find(record.name)
            if credential is not None and record.kept in ("keyring", "file"):
                self._vault(record.kept).keep(record.name, _packed(record, credential))
            self._write(self._index().with_record(record))
            if before is not None and before.kept != record.kept:
                self._forget(before)

    def rename(self, record: Record, name: str) -> None:
        """Give a record another name. Raises: StoreError, where the name is taken too."""
        if self.known(name) is not None:
            raise StoreError(f"there is a credential {name!r} already")
        renamed = replace(record, name=name)
        self.unlock(record)
        with alone(self.folder / LOCK):
            if record.kept in ("keyring", "file"):
                self._vault(record.kept).keep(name, _packed(renamed, self.open(record)))
            self._write(self._index().without(record.name).with_record(renamed))
            self._forget(record)
        self._move_use(record.name, name)

    def remove(self, record: Record) -> None:
        """Forget a record and its secret. Raises: StoreError."""
        self.unlock(record)
        with alone(self.folder / LOCK):
            self._forget(record)
            self._write(self._index().without(record.name))
        self._move_use(record.name, "")

    def unlock(self, record: Record) -> None:
        """Ask what has to be asked before this record can be changed: nobody shall wait for a person meanwhile.

        Raises: StoreError.
        """
        if record.kept in ("keyring", "file"):
            self._vault(record.kept).unlock()

    def wants_passphrase(self, name: str) -> bool:
        """Whether a person has to be asked before this credential can be opened. Raises: StoreError."""
        record = self.known(name)
        return record is not None and record.kept == "file" and asks_a_person(self._environ, self._file().kdf)

    def used(self, name: str, moment: str) -> None:
        """Remember a successful use, where that can be written; a run does not fail for it."""
        with suppress(StoreError, OSError), alone(state_folder(self._environ) / USES_LOCK):
            self._write_uses(self._uses() | {name: moment})

    def _move_use(self, old: str, new: str) -> None:
        with suppress(StoreError, OSError), alone(state_folder(self._environ) / USES_LOCK):
            uses = self._uses()
            if moment := uses.pop(old, ""):
                self._write_uses(uses | ({new: moment} if new else {}))

    def _write_uses(self, uses: dict[str, str]) -> None:
        write_private(state_folder(self._environ) / USES, msgspec.json.encode(uses))

    def _uses(self) -> dict[str, str]:
        try:
            content = read_private(state_folder(self._environ) / USES)
            return msgspec.json.decode(content or b"{}", type=dict[str, str])
        except (StoreError, msgspec.MsgspecError):
            return {}

    def _index(self) -> Index:
        path = self.folder / INDEX
        content = read_private(path)
        try:
            return read_index(content)
        except StoreError as error:
            raise type(error)(f"the list of credentials {str(path)!r} cannot be read: {error}") from error

    def _write(self, index: Index) -> None:
        write_private(self.folder / INDEX, index.text())

    def _vault(self, kept: str) -> Vault:
        if kept not in self._vaults:
            self._vaults[kept] = KeyringVault() if kept == "keyring" else self._file()
        return self._vaults[kept]

    def _file(self) -> FileVault:
        return FileVault(self.folder / VAULT, lambda kdf: find_opener(self._environ, kdf), cost=self._cost)

    def _forget(self, record: Record) -> None:
        if record.kept in ("keyring", "file"):
            self._vault(record.kept).forget(record.name)


def _packed(record: Record, credential: Credential) -> str:
    secrets = {"key": credential.key.reveal(), "secret": credential.secret.reveal()}
    return json.dumps({"name": record.name, **record.bound, **secrets})


def _unpacked(text: str, record: Record) -> Credential:
    try:
        kept: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        key, secret = str(kept.pop("key")), str(kept.pop("secret"))
    except (msgspec.MsgspecError, KeyError) as error:
        raise StoreDamaged(f"what the {record.place} holds for credential {record.name!r} is damaged") from error
    if kept != {"name": record.name, **record.bound}:
        told = f"its secret was sealed for {kept.get('url')}, the list says {record.url}"
        raise StoreDamaged(f"credential {record.name!r} was changed outside of axsync: {told}")
    return Credential(Secret(key), Secret(secret), record.kind)
