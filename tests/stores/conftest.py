"""What tests of stores have in common with those of a disk."""

import pytest

from tests.faults.torture.conftest import urls

__all__ = ["url", "urls"]


@pytest.fixture(scope="module")
def url(urls: dict[int, str]) -> str:
    """One of the servers."""
    return urls[7]
