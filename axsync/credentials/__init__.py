"""API keys and client secrets: their names, where they are stored, which host they belong to."""

from axsync.credentials.child_environment import child_environment
from axsync.credentials.credential import Credential, Kind, Redactor, Secret, basic
from axsync.credentials.encrypted_file import (
    KEY_VARIABLE,
    PASSPHRASE_VARIABLE,
    PERSON,
    good_passphrase,
    opener_of_file,
    opener_of_key,
    opener_of_person,
)
from axsync.credentials.records import Record, shown_reference
from axsync.credentials.references import resolve, resolve_credential, secret_word
from axsync.credentials.store import CredentialStore, Listed, credential_for, stored
from axsync.credentials.system_keyring import keyring_at_hand

__all__ = [
    "KEY_VARIABLE",
    "PASSPHRASE_VARIABLE",
    "PERSON",
    "Credential",
    "CredentialStore",
    "Kind",
    "Listed",
    "Record",
    "Redactor",
    "Secret",
    "basic",
    "child_environment",
    "credential_for",
    "good_passphrase",
    "keyring_at_hand",
    "opener_of_file",
    "opener_of_key",
    "opener_of_person",
    "resolve",
    "resolve_credential",
    "secret_word",
    "shown_reference",
    "stored",
]
