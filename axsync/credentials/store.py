"""The named credentials of this machine: where a secret is stored, and which host it belongs to.

A name is looked up in the folder that systemd gives to a unit, then in a folder named by a variable, then in the
store's own list. Names and hosts are in a readable list; key and secret are in a vault, sealed together with the host.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from axsync.credentials.credential import Credential
from axsync.credentials.encrypted_file import Cost, FileVault, KeySource, asks_a_person, find_opener, open_to_others
from axsync.credentials.files import config_folder, locked, read_private, state_folder, write_private
from axsync.credentials.folders import folders, open_in, record_in, records_in
from axsync.credentials.records import Index, Record, pack_entry, read_index, sealed_facts, unpack_entry
from axsync.credentials.references import resolve_credential
from axsync.credentials.system_keyring import KeyringVault
from axsync.errors import ConfigError, EntryMissing, StoreDamaged, StoreError, UnknownCredential, WrongHost
from axsync.settings import CredentialReference, InstanceSettings, nearest

_VAULTS = ("keyring", "file")
_INDEX, _VAULT, _LOCK = "credentials.json", "credentials.vault", ".credentials.lock"
_USES, _USES_LOCK = "last-used.json", ".last-used.lock"  # a lock of its own: a run must not wait for a prompt elsewhere


class Vault(Protocol):
    """A place for secrets, by name."""

    def fetch(self, name: str) -> str | None:
        """The text of this name; None if there is none. Raises: StoreError."""
        ...

    def keep(self, name: str, text: str) -> None:
        """Add or replace the text. Raises: StoreError."""
        ...

    def forget(self, name: str) -> None:
        """Remove the text, if there is one. Raises: StoreError."""
        ...

    def unlock(self) -> None:
        """Prompt now for what is needed, so that later calls do not. Raises: StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """A record in a list. `last_used` is a time, or empty; `hidden_by` is the place of the record used instead."""

    record: Record
    last_used: str = ""
    hidden_by: str = ""


class CredentialStore:
    """All credentials that this process can use by name."""

    def __init__(self, environ: Mapping[str, str] | None = None, *, cost: Cost | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._cost = cost
        self._keyring = KeyringVault()
        self._opened: FileVault | None = None

    @property
    def folder(self) -> Path:
        """The folder of the list and the encrypted file. Raises: StoreError."""
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
        """The record of this name; None if there is none. Raises: StoreError."""
        found = (record_in(folder, name) for folder in folders(self._environ))
        return next((record for record in found if record is not None), None) or self._index().find(name)

    def own(self, name: str) -> Record:
        """A record that may be changed. Raises: UnknownCredential, StoreError if a platform folder provides it."""
        record = self.find(name)
        if record.kept == "folder":
            raise StoreError(f"credential {name!r} comes from the {record.place}; change it there")
        return record

    def listed(self) -> tuple[Listed, ...]:
        """All records by name; of several with one name, the one that is used comes first. Raises: StoreError."""
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
            raise self._missing(record)
        found = unpack_entry(text, record)
        return replace(found, told=open_to_others(self._environ)) if record.kept == "file" else found

    def _missing(self, record: Record) -> EntryMissing:
        told = f"the {record.place} has no entry for credential {record.name!r}"
        if record.kept == "file" and self._file().kdf is None:
            told = (
                f"the encrypted file {str(self.folder / _VAULT)!r}, which held credential {record.name!r}, is missing"
            )
        return EntryMissing(told, name=record.name)

    def as_sealed(self, record: Record) -> Record:
        """The record with the properties that were sealed with its secret, even if the list was changed.

        An update that starts from it sends no new key to a host that somebody wrote into the list. Raises: StoreError.
        """
        text = self._vault(record.kept).fetch(record.name) if record.kept in _VAULTS else None
        with suppress(EntryMissing):  # a damaged entry proves nothing, and may be replaced
            return replace(record, **sealed_facts(text or "", record))
        return record

    def keep(self, record: Record, credential: Credential | None, *, new: bool = False) -> None:
        """Add or replace a record. None keeps its secret; `new` refuses to replace one. Raises: StoreError."""
        if credential is not None:
            self.unlock(record)
        if (known := self._index().find(record.name)) and known.kept != record.kept:
            self.unlock(known)  # its secret will be removed from there
        with locked(self.folder / _LOCK):
            if new:
                self._refuse_taken(record.name)
            before = self._index().find(record.name)
            if credential is not None and record.kept in _VAULTS:
                self._vault(record.kept).keep(record.name, pack_entry(record, credential))
            self._write(self._index().with_record(record))
            if before is not None and before.kept != record.kept:
                self._forget(before)

    def _refuse_taken(self, name: str) -> None:
        """Checked again under the lock: two processes may add the same name at the same time."""
        if self.known(name) is not None:
            raise StoreError(f"there is already a credential {name!r}")

    def rename(self, record: Record, name: str) -> None:
        """Rename a record. Raises: StoreError, also if the name is taken."""
        renamed = replace(record, name=name)
        self._refuse_taken(name)
        self.unlock(record)
        with locked(self.folder / _LOCK):
            self._refuse_taken(name)
            if record.kept in _VAULTS:
                self._vault(record.kept).keep(name, pack_entry(renamed, self.open(record)))
            self._write(self._index().without(record.name).with_record(renamed))
            self._forget(record)
        self._move_use(record.name, name)

    def remove(self, record: Record) -> str:
        """Remove a record and its secret. Returns a note on what remains if its vault is damaged or missing.

        Raises: StoreError.
        """
        left = self._beyond_reach(record)
        with locked(self.folder / _LOCK):
            if not left:
                self._forget(record)
            self._write(self._index().without(record.name))
        self._move_use(record.name, "")
        return left

    def _beyond_reach(self, record: Record) -> str:
        try:
            if record.kept == "file" and self._file().kdf is None:
                return (
                    f"the encrypted file {str(self.folder / _VAULT)!r} is missing; a copy of it may still hold the key"
                )
            self.unlock(record)
        except StoreDamaged as error:
            return f"{error}; it was not changed and may still hold the key"
        return ""

    def troubles(self) -> tuple[StoreError, ...]:
        """What prevents listed credentials from being opened, as far as can be told without opening them."""
        try:
            held = [one for one in self._index().credentials if one.kept == "file"]
            gone = self._file().kdf is None
        except StoreError as error:
            return (error,)
        return tuple(self._missing(one) for one in held) if gone else ()

    def rekey(self, opener: KeySource) -> None:
        """Lock the encrypted file with another key source, atomically.

        Raises: StoreError; ConfigError if this key source opens it already.
        """
        self.unlock_file()
        with locked(self.folder / _LOCK):
            self._file().rekey(opener)
            for draft in self.folder.glob(f".{_VAULT}.*"):  # left by a killed process; the old passphrase opens it
                draft.unlink(missing_ok=True)

    def unlock_file(self) -> None:
        """Find what opens the encrypted file, and test it. Raises: StoreError, also if there is no file."""
        if self._file().kdf is None:
            raise StoreError(f"there is no encrypted file {str(self.folder / _VAULT)!r}")
        self._file().unlock()

    def unlock(self, record: Record) -> None:
        """Prompt before the lock is taken, so that no other process waits for a person.

        Raises: StoreError.
        """
        if record.kept in _VAULTS:
            self._vault(record.kept).unlock()

    def wants_passphrase(self, name: str) -> bool:
        """Whether opening this credential needs a prompt. Raises: StoreError."""
        record = self.known(name)
        return record is not None and record.kept == "file" and asks_a_person(self._environ, self._file().kdf)

    def used(self, name: str, moment: str) -> None:
        """Record a successful use. A run does not fail if it cannot be written."""
        with suppress(StoreError, OSError), locked(state_folder(self._environ) / _USES_LOCK):
            self._write_uses(self._uses() | {name: moment})

    def _move_use(self, old: str, new: str) -> None:
        with suppress(StoreError, OSError), locked(state_folder(self._environ) / _USES_LOCK):
            uses = self._uses()
            if moment := uses.pop(old, ""):
                self._write_uses(uses | ({new: moment} if new else {}))

    def _write_uses(self, uses: dict[str, str]) -> None:
        write_private(state_folder(self._environ) / _USES, msgspec.json.encode(uses))

    def _uses(self) -> dict[str, str]:
        try:
            content = read_private(state_folder(self._environ) / _USES)
            return msgspec.json.decode(content or b"{}", type=dict[str, str])
        except (StoreError, msgspec.MsgspecError):
            return {}

    def _index(self) -> Index:
        path = self.folder / _INDEX
        content = read_private(path)
        try:
            return read_index(content)
        except StoreError as error:
            raise type(error)(f"the list of credentials {str(path)!r} cannot be read: {error}") from error

    def _write(self, index: Index) -> None:
        write_private(self.folder / _INDEX, index.text())

    def _vault(self, kept: str) -> Vault:
        return self._keyring if kept == "keyring" else self._file()

    def _file(self) -> FileVault:
        if self._opened is None:
            find = partial(find_opener, self._environ)
            self._opened = FileVault(self.folder / _VAULT, find, cost=self._cost)
        return self._opened

    def _forget(self, record: Record) -> None:
        if record.kept in _VAULTS:
            self._vault(record.kept).forget(record.name)


def credential_for(instance: InstanceSettings, store: CredentialStore, *, environ: Mapping[str, str]) -> Credential:
    """Key and secret for this instance, and only for the host they belong to.

    Raises: WrongHost, UnknownCredential, StoreError, ConfigError.
    """
    reference = instance.credential
    if isinstance(reference, CredentialReference):
        return resolve_credential(reference, environ=environ)
    record = store.known(reference.name)
    if record is None:
        return _by_old_name(reference.name, store, environ)
    if record.url != instance.url:
        raise WrongHost(name=record.name, bound=record.url, asked=instance.url)
    return store.open(record)


def _by_old_name(name: str, store: CredentialStore, environ: Mapping[str, str]) -> Credential:
    """Before there was a store, `credential = "NAME"` meant two keyring entries."""
    old = CredentialReference(f"keyring:axsync/{name}/key", f"keyring:axsync/{name}/secret")
    try:
        found = resolve_credential(old, environ=environ)
    except ConfigError:
        store.find(name)  # raises UnknownCredential
        raise
    told = f"credential {name!r} is bound to no host; bind it with `axsync credential add {name}`"
    return replace(found, told=(told,))


def stored(instance: InstanceSettings) -> str | None:
    """The name of the instance's credential in the store; None if it uses references."""
    return None if isinstance(instance.credential, CredentialReference) else instance.credential.name


def needs_keyring(instance: InstanceSettings, store: CredentialStore) -> bool:
    """Whether a secret of this instance lies in the keyring of this system, where nobody else gets at it.

    Raises: StoreError.
    """
    references = [instance.client_key_password, instance.proxy_password]
    if isinstance(instance.credential, CredentialReference):
        references += [instance.credential.api_key, instance.credential.api_secret]
    elif (record := store.known(instance.credential.name)) is not None:
        if record.kept == "keyring":
            return True
        references += [record.key_reference, record.secret_reference]
    return any(reference.startswith("keyring:") for reference in references)
