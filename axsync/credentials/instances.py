"""Reads the credential of an instance, and only for the host it belongs to."""

from collections.abc import Mapping
from dataclasses import replace

from axsync.credentials.references import resolve_credential
from axsync.credentials.store import CredentialStore
from axsync.credentials.values import Credential
from axsync.errors import ConfigError, WrongHost
from axsync.settings import CredentialReference, InstanceSettings


def credential_for(instance: InstanceSettings, store: CredentialStore, *, environ: Mapping[str, str]) -> Credential:
    """Key and secret for this instance.

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
