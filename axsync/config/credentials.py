"""Finds the credential of an instance, and fills gaps in the file from the store. No secret is read."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from axsync.config.expansion import Environ
from axsync.credentials import CredentialStore
from axsync.errors import ConfigError
from axsync.settings import CredentialReference, InstanceSettings, StoredCredential

VARIABLES = ("AX_URL", "AX_KEY", "AX_SECRET")
REFERENCES = ("credential", "api_key", "api_secret")
FROM_STORE = ("url", "ca_file", "allow_plain_http")


def credential_of(references: Mapping[str, str]) -> CredentialReference | StoredCredential:
    """The credential of an instance table; `references` holds its keys of `REFERENCES`. Raises: ConfigError."""
    if name := references.get("credential", "").strip():
        if len(references) > 1:
            raise ConfigError("needs either credential, or api_key and api_secret, not both")
        return StoredCredential(name)
    missing = [key for key in ("api_key", "api_secret") if key not in references]
    if missing:
        raise ConfigError(f"has no {' and no '.join(missing)}; write a reference such as env:AX_KEY")
    return CredentialReference(references["api_key"], references["api_secret"])


def stored_values(
    credential: CredentialReference | StoredCredential, environ: Environ, said: Collection[str] = ()
) -> dict[str, Any]:
    """How to reach the host of a stored credential, for keys that the file does not set (`said`).

    Raises: UnknownCredential, StoreError.
    """
    if isinstance(credential, CredentialReference):
        return {}
    record = CredentialStore(environ).find(credential.name)
    # With insecure_tls a list of trusted authorities would be refused.
    unwanted = {*said, "ca_file"} if "insecure_tls" in said else said
    return {name: getattr(record, name) for name in FROM_STORE if name not in unwanted}


def chosen_by_credential(
    configured: Sequence[InstanceSettings], names: Sequence[str], environ: Environ
) -> tuple[InstanceSettings, ...]:
    """The configured instances that use these credentials; a new one for a credential that none uses.

    Raises: UnknownCredential, StoreError, ConfigError if an instance has its name but another credential.
    """
    return tuple(instance for name in dict.fromkeys(names) for instance in _with(configured, name, environ))


def _with(configured: Sequence[InstanceSettings], name: str, environ: Environ) -> Iterator[InstanceSettings]:
    wanted = StoredCredential(name)
    found = [instance for instance in configured if instance.credential == wanted]
    if not found and name.lower() in {instance.name.lower() for instance in configured}:
        raise ConfigError(
            f"instance {name!r} in the configuration uses another credential; choose it with --instance {name}"
        )
    yield from found or [InstanceSettings(name, credential=wanted, **stored_values(wanted, environ))]


def unused_variables(instances: Sequence[InstanceSettings], environ: Environ) -> tuple[str, ...]:
    """Those of `VARIABLES` that are set but have no effect, because stored credentials determine the hosts.

    Raises: StoreError.
    """
    used = {f"env:{name}" for name in VARIABLES} & {text for one in instances for text in _references(one, environ)}
    hosts = {instance.url for instance in instances}
    unused = [name for name in VARIABLES if environ.get(name) and f"env:{name}" not in used]
    return tuple(name for name in unused if name != "AX_URL" or environ[name].strip().rstrip("/") not in hosts)


def _references(instance: InstanceSettings, environ: Environ) -> tuple[str, str]:
    found = instance.credential
    if isinstance(found, CredentialReference):
        return found.api_key, found.api_secret
    record = CredentialStore(environ).known(found.name)
    return (record.key_reference, record.secret_reference) if record else ("", "")
