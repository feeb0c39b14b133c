"""Imports without garbage collection and numpy's threads; afterwards all is as it was."""

import gc
import os
from contextlib import suppress

import pytest

from axsync.cli.lazy_import import AUTHORITIES, NUMPY_THREADS, fast_imports


def test_it_is_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where an import fails: garbage is collected, and programs started later may use all cores."""
    monkeypatch.delenv(NUMPY_THREADS, raising=False)
    monkeypatch.setenv(AUTHORITIES, "ours.pem")
    with suppress(ImportError), fast_imports():
        during = gc.isenabled(), os.environ[NUMPY_THREADS], os.environ[AUTHORITIES]
        raise ImportError

    assert during == (False, "1", os.devnull)
    assert gc.isenabled()
    assert NUMPY_THREADS not in os.environ
    assert os.environ[AUTHORITIES] == "ours.pem"


def test_a_number_of_threads_that_somebody_wished_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is theirs."""
    monkeypatch.setenv(NUMPY_THREADS, "7")
    with fast_imports():
        assert os.environ[NUMPY_THREADS] == "7"

    assert os.environ[NUMPY_THREADS] == "7"
