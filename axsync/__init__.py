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
    from axsync.runs.blocking import reader, run
    from axsync.runs.run import Report, sync
    from axsync.runs.stream import stream
    from axsync.settings import (
        CredentialReference,
        EntitySettings,
        InstanceSettings,
        LakeSettings,
        RunSettings,
        Settings,
        StoredCredential,
    )
    from axsync.snapshots.dataset import LakeTable, ReadableLake
    from axsync.snapshots.dataset import open_to_read as open  # noqa: A004  as in `axsync.open`

__all__ = [
    "AxsyncError",
    "CredentialReference",
    "EntitySettings",
    "InstanceSettings",
    "LakeSettings",
    "LakeTable",
    "ReadableLake",
    "Report",
    "RunSettings",
    "Settings",
    "StoredCredential",
    "load_manifest",
    "load_settings",
    "open",
    "reader",
    "restore",
    "run",
    "stream",
    "sync",
]

_HOMES = {
    "AxsyncError": "axsync.errors",
    "ReadableLake": "axsync.snapshots.dataset",
    "Report": "axsync.runs.run",
    "LakeTable": "axsync.snapshots.dataset",
    "load_manifest": "axsync.lake.history",
    "load_settings": "axsync.config",
    "open": "axsync.snapshots.dataset",
    "reader": "axsync.runs.blocking",
    "restore": "axsync.convert.rescue",
    "run": "axsync.runs.blocking",
    "stream": "axsync.runs.stream",
    "sync": "axsync.runs.run",
}
_NAMES_AT_HOME = {"open": "open_to_read"}


def __getattr__(name: str) -> object:
    """Load a public name from where it lives (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'axsync' has no attribute {name!r}")
    home = import_module(_HOMES.get(name, "axsync.settings"))
    value: object = getattr(home, _NAMES_AT_HOME.get(name, name))
    globals()[name] = value
    return value
