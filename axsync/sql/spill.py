"""Where DuckDB puts what does not fit its memory: a private folder that is found, or asked for, or none."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from axsync.errors import ConfigError
from axsync.lake.publish import Lake
from axsync.sql.dialects import literal

PREFIX = "axsync-"


@contextmanager
def spill_folder(lake: Lake, named: Path | None = None) -> Iterator[str]:
    """A private folder for the block: in the one that is named, or else in TMPDIR, in /tmp, or in the lake.

    Empty where none of them can be written, as in a container that is read-only: there is only memory then.
    Raises: ConfigError where the one that is named cannot be written.
    """
    try:
        made = TemporaryDirectory(prefix=PREFIX, dir=named)
    except OSError as error:
        if named is not None:
            told = "name another folder with --temporary or TMPDIR"
            raise ConfigError(f"no temporary files can be written in {str(named)!r}; {told}") from error
        with lake.store.scratch() as found:
            yield found or ""
        return
    with made as name:
        yield name


def spill_to(folder: str) -> str:
    """The statement that has DuckDB spill to a folder; to none where it is empty."""
    return f"SET temp_directory = {literal(folder)}"
