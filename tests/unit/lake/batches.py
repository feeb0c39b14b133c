"""Batches with ids, and settings for small parts."""

import random

import pyarrow as pa

from axsync.settings import LakeSettings

SCHEMA = pa.schema([("internal_axon_id", pa.string()), ("note", pa.string())])


def batch(rows: int, *, first: int = 0, width: int = 32) -> pa.RecordBatch:
    """So many rows with ids that count up; notes that no codec makes smaller."""
    dice = random.Random(first)
    ids = [f"{number:032x}" for number in range(first, first + rows)]
    return pa.RecordBatch.from_pydict(
        {"internal_axon_id": ids, "note": [dice.randbytes(width // 2).hex() for _ in ids]}, schema=SCHEMA
    )


def lake(**changes: object) -> LakeSettings:
    """Settings of a lake with some of them changed."""
    return LakeSettings(**changes)  # type: ignore[arg-type]  # the names are checked by the class
