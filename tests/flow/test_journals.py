"""A journal that cannot be read, of another run in the lake: it costs that run and nothing else."""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from axsync.emulator import Emulator
from axsync.events import Notice
from axsync.lake.journal import Journal, decode, encode
from axsync.lake.local import LocalStore
from axsync.runs.plan import plan
from tests.flow.harness import Lab

Start = Callable[..., Awaitable[Emulator]]


def newer(journal: Path) -> None:
    """As after an update that was rolled back."""
    journal.write_bytes(journal.read_bytes() + encode({"event": "from_the_future"}))


def a_key_missing(journal: Path) -> None:
    journal.write_bytes(encode({"event": "run_opened", "facts": {}}) + journal.read_bytes())


def no_object(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes() + encode([7]))  # type: ignore[arg-type]


def a_flipped_bit(journal: Path) -> None:
    """In a record behind the middle; others follow it."""
    records, _ = decode(journal.read_bytes())
    content = bytearray(journal.read_bytes())
    content[-len(encode(records[-1])) - len(encode(records[-2])) + 30] ^= 1
    journal.write_bytes(content)


def a_folder(journal: Path) -> None:
    journal.unlink()
    journal.mkdir()


DAMAGES = (newer, a_key_missing, no_object, a_flipped_bit, a_folder)


@pytest.mark.fault(50)
@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("spoil", DAMAGES)
async def test_one_journal_that_cannot_be_read_costs_its_run_alone(
    lab: Lab, start: Start, spoil: Callable[[Path], None], *, fresh: bool
) -> None:
    """The others are planned, run and published; a notice names the file, which stays as it is."""
    emulator = await start(sizes={"devices": 30})
    settings = lab.settings(lab.instance(emulator), fresh=fresh)
    first = (await lab.run(settings)).report.run_id
    journal = lab.lake / f"_axsync/runs/{first}/journal"
    spoil(journal)
    before = journal.read_bytes() if journal.is_file() else None

    assert (await plan(settings)).run_id is None
    ran = await lab.run(settings)

    assert (ran.report.verdict, ran.report.run_id != first) == ("complete", True)
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    told = f"the journal of run {first!r} cannot be read: _axsync/runs/{first}/journal; that run is left alone"
    assert [e.text for e in ran.of(Notice) if "journal" in e.text] == [told]
    assert (journal.read_bytes() if journal.is_file() else None) == before


@pytest.mark.fault(50)
@pytest.mark.parametrize("cut", range(1, 12))
async def test_a_journal_that_lacks_its_end_is_gone_on_with(lab: Lab, start: Start, cut: int) -> None:
    """However much of a finished run's journal is gone: the same command brings the same rows."""
    emulator = await start(sizes={"devices": 30, "users": 20})
    settings = lab.settings(lab.instance(emulator))
    first = (await lab.run(settings)).report.run_id
    journal = Journal(LocalStore(lab.lake), f"_axsync/runs/{first}/journal")
    records = journal.read()
    (lab.lake / journal.key).write_bytes(b"".join(map(encode, records[:-cut])))
    ran = await lab.run(settings)

    assert ran.report.verdict == "complete"
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert lab.published() == sorted(file["path"] for lane in lab.manifest()["lanes"] for file in lane["files"])
    shutil.rmtree(lab.lake)
