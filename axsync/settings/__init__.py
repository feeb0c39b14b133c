"""The settings of axsync, as frozen values that hold no secret and cannot be out of range.

A value checks itself when it is created, from TOML and from Python alike, and raises `ConfigError` with one sentence
that starts with the name of the field. Types are not checked here; `config` or mypy does that.
"""

from axsync.settings.checks import (
    DAY_WORDS,
    GIB,
    KIB,
    MIB,
    REFERENCE_KINDS,
    TIB,
    Between,
    Bytes,
    Seconds,
    all_close,
    as_address,
    as_day,
    check_names,
    check_reference,
    closest,
    did_you_mean,
    is_loopback,
    nearest,
    normal_proxy,
    normal_url,
)
from axsync.settings.instance import NO_PROXY, Api, CredentialReference, InstanceSettings, Paging, StoredCredential
from axsync.settings.lake import OBJECT_STORES, Compression, LakeSettings
from axsync.settings.run import DEFAULT_ENTITY, LATEST, EntitySettings, Fields, Proof, RunSettings, Settings

__all__ = [
    "DAY_WORDS",
    "DEFAULT_ENTITY",
    "GIB",
    "KIB",
    "LATEST",
    "MIB",
    "NO_PROXY",
    "OBJECT_STORES",
    "REFERENCE_KINDS",
    "TIB",
    "Api",
    "Between",
    "Bytes",
    "Compression",
    "CredentialReference",
    "EntitySettings",
    "Fields",
    "InstanceSettings",
    "LakeSettings",
    "Paging",
    "Proof",
    "RunSettings",
    "Seconds",
    "Settings",
    "StoredCredential",
    "all_close",
    "as_address",
    "as_day",
    "check_names",
    "check_reference",
    "closest",
    "did_you_mean",
    "is_loopback",
    "nearest",
    "normal_proxy",
    "normal_url",
]
