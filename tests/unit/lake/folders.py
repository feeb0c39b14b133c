"""A lake in a folder, into which tests look."""

from pathlib import Path

from axsync.lake.local import LocalStore
from axsync.lake.publish import Lake


class FolderLake(Lake):
    """A lake of which it is known where it is."""

    def __init__(self, root: Path) -> None:
        super().__init__(LocalStore(root))

    @property
    def root(self) -> Path:
        """Its folder."""
        return Path(self.name)
