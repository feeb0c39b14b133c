"""A lake in memory: the store of objects over a bucket that is in this process."""

from pathlib import Path

from obstore.store import MemoryStore

from axsync.lake.objects import ObjectStore


def store_in_memory(drafts: Path, bucket: MemoryStore | None = None) -> ObjectStore:
    """Its drafts are below this folder. Two with the same bucket are two processes that share it."""
    return ObjectStore(bucket or MemoryStore(), "lakes/one", "memory://lakes/one", drafts=drafts / "drafts")
