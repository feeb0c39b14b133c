"""A lake in a folder, into which tests look."""

import json
from pathlib import Path
from typing import Any

from axsync.lake.history import find_run
from axsync.lake.local import LocalStore
from axsync.lake.publish import Lake
from axsync.settings import PARQUET


class FolderLake(Lake):
    """A lake of which it is known where it is."""

    def __init__(self, root: Path, *formats: str) -> None:
        super().__init__(LocalStore(root), formats or (PARQUET,))

    @property
    def root(self) -> Path:
        """Its folder."""
        return Path(self.name)

    def as_version_1(self, run_id: str) -> dict[str, Any]:
        """Write the manifest of a run as version 1 did, with the columns of each lane in its entry; returns it."""
        document = find_run(self, run_id).document | {"format_version": 1}
        for lane in document["lanes"]:
            lane.pop("schema", None)
        (self.root / self.manifest_name(run_id)).write_text(json.dumps(document))
        return document
