"""The instances of a run: their tables in the file, the variables AX_*, and what the credential store knows of them.

No secret is read.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from axsync.config.inventory import InstanceTables
from axsync.config.tables import Environ, Table, hints_of, named_tables, place, read_table
from axsync.credentials import CredentialStore
from axsync.errors import ConfigError, NoInstance
from axsync.settings import CredentialReference, InstanceSettings, StoredCredential, normal_url, with_scheme

VARIABLES = ("AX_URL", "AX_KEY", "AX_SECRET")
REFERENCES = ("credential", "api_key", "api_secret")
FROM_STORE = ("url", "ca_file", "allow_plain_http")
_FILES = ("ca_file", "client_cert", "client_key")


def read_instances(given: InstanceTables, environ: Environ) -> tuple[InstanceSettings, ...]:
    """The instances that a file or a program names. `environ` tells where the credential store is.

    Raises: ConfigError; UnknownCredential and StoreError if a URL has to come from the credential store.
    """
    with place(f"{given.where}:"):
        tables = named_tables(given.tables, "instances")
        return tuple(_instance(tables, name, given.environ, environ) for name in tables)


def instance_hints() -> dict[str, Any]:
    """The keys of a table of an instance, and the types of their values."""
    hints = hints_of(InstanceSettings) | dict.fromkeys(REFERENCES, str)
    del hints["name"]  # it is the name of the table
    return hints


def _instance(tables: Table, name: str, expanded: Environ | None, environ: Environ) -> InstanceSettings:
    with place(f"[instances.{name}]"):
        values = read_table(tables, name, instance_hints(), expanded)
        credential = take_credential(values)
        if "url" not in values:
            values |= {"url": ""} | _stored_values(credential, environ, values)
        instance = InstanceSettings(name, credential=credential, **values)
        for key in _FILES:
            if (named := getattr(instance, key)) and not Path(named).is_file():
                raise ConfigError(f"{key} names a file that does not exist")
    return instance


def take_credential(values: Table) -> CredentialReference | StoredCredential:
    """The credential that the values of an instance name, which are left without it. Raises: ConfigError."""
    references = {key: values.pop(key) for key in REFERENCES if key in values}
    if name := references.get("credential", "").strip():
        if len(references) > 1:
            raise ConfigError("needs either credential, or api_key and api_secret, not both")
        return StoredCredential(name)
    missing = [key for key in ("api_key", "api_secret") if key not in references]
    if missing:
        raise ConfigError(f"has no {' and no '.join(missing)}; write a reference such as env:AX_KEY")
    return CredentialReference(references["api_key"], references["api_secret"])


def _stored_values(
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


def instance_of_environment(environ: Environ, where: str) -> InstanceSettings:
    """The instance that the variables AX_* describe; `where` says what named none. Raises: ConfigError."""
    if missing := [name for name in VARIABLES if name not in environ]:
        raise NoInstance(f"{where}; set AX_URL, AX_KEY and AX_SECRET (not set: {', '.join(missing)})")
    for name in VARIABLES:
        if not environ[name].strip():
            raise ConfigError(f"{name} is empty")
    url = normal_url(with_scheme(environ["AX_URL"]), called="AX_URL")
    return InstanceSettings("default", url, CredentialReference("env:AX_KEY", "env:AX_SECRET"))


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
    yield from found or [InstanceSettings(name, credential=wanted, **_stored_values(wanted, environ))]


def unused_variables(instances: Sequence[InstanceSettings], environ: Environ) -> tuple[str, ...]:
    """The variables AX_* that are set but have no effect, because stored credentials determine the hosts.

    Raises: StoreError.
    """
    used = {f"env:{name}" for name in VARIABLES} & {text for one in instances for text in _references(one, environ)}
    hosts = {instance.url for instance in instances}
    unused = [name for name in VARIABLES if environ.get(name) and f"env:{name}" not in used]
    meant = with_scheme(environ.get("AX_URL", "").strip().rstrip("/"))
    return tuple(name for name in unused if name != "AX_URL" or meant not in hosts)


def _references(instance: InstanceSettings, environ: Environ) -> tuple[str, str]:
    found = instance.credential
    if isinstance(found, CredentialReference):
        return found.api_key, found.api_secret
    record = CredentialStore(environ).known(found.name)
    return (record.key_reference, record.secret_reference) if record else ("", "")
