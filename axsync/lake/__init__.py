"""Making a run's staged parts the newest snapshot, in steps that can each be repeated."""

from axsync.lake.publish import Lake, RunFacts

__all__ = ["Lake", "RunFacts"]
