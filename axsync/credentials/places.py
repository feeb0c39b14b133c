"""Where the store is on this machine, following the XDG base directory specification."""

from collections.abc import Mapping
from pathlib import Path

from axsync.errors import StoreError

HOME_VARIABLE = "AXSYNC_HOME"
FOLDER_VARIABLE = "AXSYNC_CREDENTIALS_DIRECTORY"
PASSPHRASE_VARIABLE = "AXSYNC_PASSPHRASE_FILE"  # noqa: S105  a name
KEY_VARIABLE = "AXSYNC_STORE_KEY_FILE"

INDEX, VAULT, LOCK = "credentials.json", "credentials.vault", ".credentials.lock"
USES, USES_LOCK = "last-used.json", ".last-used.lock"  # a lock of its own: a run must not wait for a prompt elsewhere


def config_folder(environ: Mapping[str, str]) -> Path:
    """The folder of the store: `$AXSYNC_HOME`, or axsync in `$XDG_CONFIG_HOME` or ~/.config. Raises: StoreError."""
    return _own(environ) or _xdg(environ, "XDG_CONFIG_HOME", ".config")


def state_folder(environ: Mapping[str, str]) -> Path:
    """The folder of state that changes from run to run; also `$AXSYNC_HOME` if set. Raises: StoreError."""
    return _own(environ) or _xdg(environ, "XDG_STATE_HOME", ".local/state")


def _own(environ: Mapping[str, str]) -> Path | None:
    return Path(environ[HOME_VARIABLE]).absolute() if environ.get(HOME_VARIABLE) else None


def _xdg(environ: Mapping[str, str], variable: str, usual: str) -> Path:
    given = environ.get(variable, "")
    # "All paths … must be absolute"; relative ones are ignored (XDG base directory specification).
    return (Path(given) if Path(given).is_absolute() else _home(environ) / usual) / "axsync"


def _home(environ: Mapping[str, str]) -> Path:
    if environ.get("HOME"):
        return Path(environ["HOME"])
    try:
        return Path.home()
    except RuntimeError as error:
        raise StoreError(f"there is no home folder for the credential store; set {HOME_VARIABLE}") from error
