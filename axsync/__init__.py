"""axsync copies everything an Axonius instance knows into a data lake.

The names below are the public interface, with `axsync.errors` and `axsync.events`; the rest is ours to move. They
are loaded when first used, so that `axsync --help` need not wait for Arrow.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axsync.config import load_settings
    from axsync.convert.rescue import restore
    from axsync.errors import AxsyncError
    from axsync.lake.history import load_manifest
    from axsync.runs import Report, stream, sync
    from axsync.settings import (
        CredentialReference,
        EntitySettings,
        InstanceSettings,
        LakeSettings,
        RunSettings,
        Settings,
        StoredCredential,
    )

__all__ = [
    "AxsyncError",
    "CredentialReference",
    "EntitySettings",
    "InstanceSettings",
    "LakeSettings",
    "Report",
    "RunSettings",
    "Settings",
    "StoredCredential",
    "load_manifest",
    "load_settings",
    "restore",
    "stream",
    "sync",
]

_HOMES = {
    "AxsyncError": "axsync.errors",
    "load_manifest": "axsync.lake.history",
    "load_settings": "axsync.config",
    "restore": "axsync.convert.rescue",
    "Report": "axsync.runs",
    "stream": "axsync.runs",
    "sync": "axsync.runs",
}


def __getattr__(name: str) -> object:
    """Load a public name from where it lives (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'axsync' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES.get(name, "axsync.settings")), name)
    globals()[name] = value
    return value
