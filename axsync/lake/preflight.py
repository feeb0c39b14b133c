"""Whether a lake is fit to be published to, looked at before anything is asked for. Nothing is written.

Publishing moves staged parts to their partition (ADR 0006), and that is possible within one file system only.
"""

import os
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from axsync.errors import LakeError
from axsync.lake import layout
from axsync.lake.publish import Lake
from axsync.model import Lane

MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class RunTargets:
    """Where a run will write: its entity types (none named: all there are), its instances and its logical date."""

    entities: Collection[str]
    instances: Collection[str]
    logical_date: str


def refuse_unfit(lake: Lake, aims: RunTargets) -> None:
    """Look at what there is of the lake, as far as this run would write to it.

    Raises: LakeError, where a folder cannot be written, is a file, or lies on another file system; NewestDamaged and
        ManifestError, where the newest snapshot cannot be read.
    """
    if not lake.root.is_dir():
        return
    try:
        _refuse_unfit_folders(lake.root, aims)
    except OSError as error:
        raise LakeError(f"the lake {str(lake.root)!r} cannot be looked at: {error.strerror}") from error
    lake.newest()


def _refuse_unfit_folders(root: Path, aims: RunTargets) -> None:
    device, mounted = root.stat().st_dev, _mount_points()
    for chain in (*_own_folders(root), *_partitions(root, aims)):
        there = [place for place in chain if os.path.lexists(place)]
        for place in there:
            told = f"in the lake {str(root)!r}, {str(place.relative_to(root))!r}"
            if not place.is_dir():
                raise LakeError(f"{told} is not a folder")
            if place.stat().st_dev != device or place.resolve() in mounted:
                raise LakeError(f"{told} is on another file system, or mounted by itself; nothing can be published so")
        if there and not os.access(there[-1], os.W_OK | os.X_OK):
            raise LakeError(f"the lake {str(root)!r} cannot be written: no right to write in {str(there[-1])!r}")


def _own_folders(root: Path) -> Iterator[tuple[Path, ...]]:
    yield (root / layout.CONTROL, root / layout.RUNS)
    yield (root / layout.CONTROL, root / layout.SNAPSHOTS)


def _partitions(root: Path, aims: RunTargets) -> Iterator[tuple[Path, ...]]:
    entities = aims.entities or [layout.entity_of(path.name) for path in sorted(root.glob(layout.ALL_TABLES))]
    for lane in (Lane(instance, entity) for entity in entities for instance in aims.instances):
        partition = root / layout.partition(lane, aims.logical_date)
        yield (root / layout.table(lane.entity), partition.parent, partition)


def _mount_points() -> frozenset[Path]:
    """Also what is mounted from the same file system (bind), between which nothing can be moved either."""
    if sys.platform != "linux" or not MOUNTS.exists():
        return frozenset()
    # The fifth field (proc(5)); blanks in it are written as \040.
    found = (line.split()[4] for line in os.fsdecode(MOUNTS.read_bytes()).splitlines())
    return frozenset(Path(_ESCAPED.sub(lambda code: chr(int(code[1], 8)), place)) for place in found)
