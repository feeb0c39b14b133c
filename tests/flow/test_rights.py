"""Who may read what a run leaves behind, and where it never writes."""

import os
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from axsync.emulator import Emulator, Mishap
from axsync.errors import LakeError, StorageError
from tests.flow.harness import Lab
from tests.unit.lake.folders import FolderLake

Start = Callable[..., Awaitable[Emulator]]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """Path → its rights, folders with a slash at the end."""
    return {
        str(path.relative_to(folder.parent)) + ("/" if path.is_dir() else ""): f"{stat.S_IMODE(path.stat().st_mode):o}"
        for path in (folder, *folder.rglob("*"))
    }


def is_private(name: str) -> bool:
    return name.startswith(("lake/_axsync/runs/", "lake/_axsync/state/")) or name == "lake/_axsync/lock"


@pytest.mark.parametrize(
    ("readers", "file", "folder", "mask"),
    [("owner", "600", "700", 0o000), ("group", "640", "750", 0o077), ("all", "644", "755", 0o027)],
)
async def test_rights_are_those_of_the_settings_whatever_the_umask(
    lab: Lab, start: Start, readers: str, file: str, folder: str, mask: int
) -> None:
    """Published files are for the readers that were named; journal, dead letters, report and locks for the owner."""
    emulator = await start(mishaps=[Mishap("no-id", entity="users", times=1)])
    with umask(mask):
        ran = await lab.run(lab.settings(lab.instance(emulator), lake={"readers": readers}))

    found = modes(lab.lake)
    assert ran.report.manifest is not None
    assert {mode for name, mode in found.items() if is_private(name) and name.endswith("/")} == {"700"}
    assert {mode for name, mode in found.items() if is_private(name) and not name.endswith("/")} == {"600"}
    assert {mode for name, mode in found.items() if not is_private(name) and name.endswith("/")} == {folder}
    assert {mode for name, mode in found.items() if not is_private(name) and not name.endswith("/")} == {file}
    assert [name for name in found if "/dead_letters/" in name]
    assert len([name for name in found if name.endswith(".parquet")]) >= 2


async def test_runs_that_others_could_read_are_closed(lab: Lab, start: Start) -> None:
    """What an earlier version, or somebody, left open; a folder that hands on its group keeps doing so."""
    emulator = await start()
    runs = lab.lake / "_axsync/runs"
    runs.mkdir(parents=True)
    runs.chmod(0o2775)
    await lab.run(lab.settings(lab.instance(emulator)))

    assert f"{stat.S_IMODE(runs.stat().st_mode):o}" == "2700"


LINKS = ["entity=devices", "entity=devices/instance=prod", "entity=users/instance=prod/dt=2026-11-23", "_axsync"]
LINKS += ["tables", "tables/users/instance=prod/dt=2026-11-23", "tables/users/_delta_log", "tables/users/metadata"]


@pytest.mark.parametrize("place", [*LINKS, "_axsync/runs", "_axsync/snapshots", "_axsync/latest.json", "_axsync/lock"])
async def test_a_link_that_leads_out_of_the_lake_is_refused(lab: Lab, start: Start, place: str) -> None:
    """One sentence, before anything is asked or written, wherever in the lake the link is."""
    emulator = await start()
    outside = lab.folder / "outside"
    outside.mkdir()
    link = lab.lake / place
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    with pytest.raises(LakeError, match=f"'{place}' is a symbolic link that leads out of it"):
        await lab.run(lab.settings(lab.instance(emulator)))

    assert (list(outside.iterdir()), emulator.log) == ([], [])


async def test_a_lake_that_is_a_link_itself_is_fine(lab: Lab, start: Start) -> None:
    """And so is a link from one place in it to another."""
    emulator = await start()
    (lab.folder / "disk").mkdir()
    (lab.folder / "disk/machines").mkdir()
    lab.lake.symlink_to(lab.folder / "disk")
    (lab.lake / "entity=devices").symlink_to("machines")
    ran = await lab.run(lab.settings(lab.instance(emulator)))

    assert ran.report.verdict == "complete"
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


async def test_a_link_that_appears_while_the_run_lasts_is_not_followed(lab: Lab, start: Start) -> None:
    """Neither in the place of a partition nor of a file that is about to be written."""
    emulator = await start()
    outside = lab.folder / "outside"
    outside.mkdir()

    def plant(_event: object) -> None:
        if lab.lake.exists() and not (lab.lake / "entity=devices").is_symlink():
            (lab.lake / "entity=devices").symlink_to(outside)

    with pytest.raises(StorageError, match="leads out of the lake"):
        await lab.run(lab.settings(lab.instance(emulator)), plant)

    assert list(outside.iterdir()) == []


async def test_a_draft_that_is_a_link_is_not_written_through(lab: Lab, start: Start) -> None:
    """Its name can be guessed; the file it points at stays as it was."""
    emulator = await start()
    treasure = lab.folder / "treasure"
    treasure.write_text("gold")
    (lab.lake / "_axsync").mkdir(parents=True)
    (lab.lake / "_axsync/.latest.json.draft").symlink_to(treasure)
    with pytest.raises(StorageError):
        await lab.run(lab.settings(lab.instance(emulator)))

    assert treasure.read_text() == "gold"


@pytest.mark.parametrize("named", ["../../outside.json", "snapshots/../../../outside.json", "/etc/hostname"])
def test_a_pointer_that_leads_out_of_the_lake_is_damaged(tmp_path: Path, named: str) -> None:
    """What it names is not opened."""
    control = tmp_path / "lake/_axsync"
    control.mkdir(parents=True)
    (tmp_path / "outside.json").write_text('{"run_id": "x", "lanes": []}')
    (control / "latest.json").write_text(f'{{"run_id": "x", "manifest": "{named}"}}')

    with pytest.raises(LakeError, match="cannot be read"):
        FolderLake(tmp_path / "lake").newest()
