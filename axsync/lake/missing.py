"""Why a file that a manifest names is not there."""

from pathlib import PurePosixPath

from axsync.lake.history import readable
from axsync.lake.publish import Lake


def replaced_by(lake: Lake, path: str) -> str:
    """Words about the run whose files took the place of this one, which is missing; empty where none did.

    A second run of a day does that. Manifests are read for it. Raises: NoLake.
    """
    folder = PurePosixPath(path).parent
    for snapshot in readable(lake):
        # A run that lets older files stand in for its own has written nothing there.
        files = {file.path for lane in snapshot.lanes if lane.from_run is None for file in lane.files}
        if path in files:
            return ""
        if any(PurePosixPath(file).parent == folder for file in files):
            return f"; run {snapshot.run_id}, of the same day, replaced it"
    return ""
