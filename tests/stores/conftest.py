"""What kills on a store have in common with those on a disk."""

from tests.faults.torture.conftest import urls

__all__ = ["urls"]
