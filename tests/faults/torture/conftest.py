"""Servers and the process that starts others, one of each for a module."""

from collections.abc import Iterator

import pytest

from tests.faults.torture.place import Harness, emulator


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[int, str]]:
    """Two servers with different data, by seed, each a process of its own."""
    servers = {seed: emulator(seed) for seed in (7, 8)}
    yield {seed: url for seed, (_, url) in servers.items()}
    for process, _ in servers.values():
        process.terminate()
        process.communicate()


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    """One for all tests."""
    one = Harness()
    yield one
    one.close()
