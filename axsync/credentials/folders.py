"""Credentials that a platform provides in a folder: a mounted Kubernetes secret, or what systemd loads for a unit.

`NAME.key`, `NAME.secret` and `NAME.url` make a credential; `NAME.kind` (api-key, oauth) and `NAME.description` are
optional.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from axsync.credentials.credential import Credential, Kind
from axsync.credentials.records import Record
from axsync.credentials.references import SYSTEMD_VARIABLE, read_word
from axsync.errors import ConfigError, StoreError

FOLDER_VARIABLE = "AXSYNC_CREDENTIALS_DIRECTORY"


def folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders given to this process, systemd's first."""
    return tuple(Path(environ[name]) for name in (SYSTEMD_VARIABLE, FOLDER_VARIABLE) if environ.get(name))


def records_in(folder: Path) -> tuple[Record, ...]:
    """The complete credentials of a folder. Raises: StoreError."""
    try:
        names = sorted(path.name.removesuffix(".url") for path in folder.glob("*.url"))
    except OSError as error:
        raise StoreError(f"the folder {str(folder)!r} cannot be read ({error.strerror})") from error
    return tuple(found for name in names if (found := record_in(folder, name)) is not None)


def record_in(folder: Path, name: str) -> Record | None:
    """The credential of this name; None if the folder has no key and secret for it. Raises: StoreError."""
    # A key alone may belong to a certificate: the folder holds everything that the unit or pod needs.
    if not all((folder / f"{name}.{part}").is_file() for part in ("key", "secret")):
        return None
    if (url := _text(folder, name, "url")) is None:
        raise StoreError(f"{folder / name!s}.key needs {name}.url beside it, with the host that it belongs to")
    kind = _text(folder, name, "kind") or "api-key"
    if kind not in ("api-key", "oauth"):
        raise StoreError(f"{folder / name!s}.kind must be api-key or oauth")
    description = _text(folder, name, "description") or ""
    try:
        return Record(name, url, "folder", cast("Kind", kind), description, folder=str(folder))
    except ConfigError as error:
        raise StoreError(f"{folder / name!s}.*: {error}") from error


def open_in(record: Record) -> Credential:
    """Key and secret of a credential of a folder. Raises: ConfigError."""
    place = Path(record.folder)
    key, secret = (read_word(place / f"{record.name}.{part}") for part in ("key", "secret"))
    return Credential(key, secret, record.kind)


def _text(folder: Path, name: str, part: str) -> str | None:
    try:
        return (folder / f"{name}.{part}").read_text("utf-8").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{folder / name!s}.{part} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise StoreError(f"{folder / name!s}.{part} cannot be read (it is not UTF-8 text)") from error
