"""Which day `latest` is where there are several instances."""

from types import SimpleNamespace
from typing import Any

import pytest

from axsync.api import Dialect, v2
from axsync.client.source import Source
from axsync.errors import ServerError, Unreachable
from axsync.runs.days import with_latest
from axsync.settings import LATEST, LakeSettings, RunSettings, Settings

SETTINGS = Settings(LakeSettings(), (), run=RunSettings(as_of=LATEST))


def source(name: str, answer: Any) -> Source:  # noqa: ANN401  days, or an error
    """An instance that answers so to whoever asks for its days."""

    async def ask(*_: object) -> Any:  # noqa: ANN401  the same
        if isinstance(answer, ServerError):
            raise answer
        return answer

    transport: Any = SimpleNamespace(ask=ask, host=name)
    return Source(name, v2, transport, Dialect())


async def test_an_instance_that_fails_leaves_the_day_to_the_others() -> None:
    """Without others it says what is wrong: it is not one without history."""
    down = source("b", Unreachable("down", host="b"))
    there = source("a", {"devices": {"2026-01-02": "t"}})

    assert (await with_latest(SETTINGS, {"b": down, "a": there})).run.as_of == "2026-01-02"
    with pytest.raises(Unreachable, match="down"):
        await with_latest(SETTINGS, {"b": down})
