"""What a run holds in memory is bounded, and where even that is too much it ends in one sentence."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from axsync.console.explain import explain
from axsync.convert import Converter
from axsync.emulator import Emulator
from axsync.errors import OutOfMemory
from axsync.events import Event, PageRead, PartSealed
from axsync.runs import lane_writer
from tests.flow.harness import Lab
from tests.flow.tiny import Answer, Asked, Tiny, serving

pytestmark = pytest.mark.alone

Start = Callable[..., Awaitable[Emulator]]


class Frank(Tiny):
    """A server that serves all that it has, whatever is asked for."""

    def answer(self, asked: Asked) -> Answer:
        return Tiny.answer(self, replace(asked, body={k: v for k, v in asked.body.items() if k != "fields"}))


@pytest.mark.fault(60)
@pytest.mark.parametrize(
    "error", [MemoryError(), pa.ArrowMemoryError("malloc of size 8"), pa.ArrowException("std::bad_alloc")]
)
async def test_too_little_memory_is_told_in_one_sentence(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Whoever notices it: exit code 1, no traceback, and the same command goes on."""
    emulator = await start(sizes={"devices": 60, "users": 20})
    settings = lab.settings(lab.instance(emulator))

    def refuse(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Converter, "convert", refuse)
        with pytest.raises(OutOfMemory) as told:
            await lab.run(settings)
    explanation = explain(told.value)

    assert (explanation.headline, explanation.exit_code) == (
        "the system gives this process no more memory or threads",
        1,
    )
    assert explain(error) == explanation
    assert (await lab.run(settings)).report.verdict == "complete"


@pytest.mark.fault(9, 59)
async def test_few_files_may_be_open_and_all_types_arrive(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part that had to be sealed early is journaled by its own lane, and told of."""
    monkeypatch.setattr("axsync.lake.parts.FILES_SHARE", 1 << 40)  # one part
    sizes = {"devices": 200, "users": 200, "software": 200}
    emulator = await start(sizes=sizes)
    opened: list[int] = []

    def look(event: Event) -> None:
        if isinstance(event, PageRead):
            opened.append(len(list(lab.lake.glob("_axsync/runs/*/staging/**/*.open"))))

    ran = await lab.run(lab.settings(lab.instance(emulator, in_flight=4), writers=1), look)

    assert ran.report.verdict == "complete"
    assert {name: lab.ids(name) == sorted(emulator.fleets[name].ids()) for name in sizes} == dict.fromkeys(sizes, True)
    told = sorted(event.part.path for event in ran.of(PartSealed))
    assert told == lab.published()
    assert max(opened) <= 1 + 1  # and the one that is being written


@pytest.mark.fault(58)
async def test_keys_of_their_own_in_every_record_are_not_all_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """In no part, journal or manifest; their values are all kept."""
    monkeypatch.setattr(lane_writer, "MOST_STRAYS", 5)
    rows = [{"internal_axon_id": f"{n:032x}", "name": "x", f"stray_{n}": n} for n in range(40)]
    catalogue = {"generic": [{"name": name, "type": "string"} for name in ("internal_axon_id", "name")]}
    async with serving(Frank(rows, catalogue)) as tiny:
        emulator: Any = type("Keys", (), {"url": tiny.url, "api_key": "k" * 20, "api_secret": "s" * 30})
        ran = await lab.run(lab.settings(lab.instance(emulator), entities=("devices",)))
    assert ran.report.errors == ()
    lane = lab.lane("devices")

    assert len(lane["drift"]) == 6
    assert lane["drift"]["others"] == {"rescued": 35, "example": "number"}
    assert lane["rescued_values"] == 40
    journal = next(lab.lake.glob("_axsync/runs/*/journal")).read_bytes()
    assert len({n for n in range(40) if b'"stray_%d"' % n in journal}) == 5
