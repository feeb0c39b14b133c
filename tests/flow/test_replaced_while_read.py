"""A day that is replaced again and again while it is read: no reader fails, or calls it damaged."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from axsync.cli import main
from axsync.errors import SnapshotGone
from axsync.lake.history import FoundRun, read_as_meant
from axsync.snapshots.opened import files_of, held_lanes
from axsync.sql import query_session, tables_of
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import USERS, Type, devices, facts, publish

DAY = "2026-11-23"
ROUNDS = 12


def replace_day(lake: FolderLake, number: int) -> str:
    types = (Type(rows=devices(200, host=f"host-{number}"), files=4), Type(USERS, rows=devices(30)))
    return publish(lake, facts(DAY, f"{number:04x}"), *types)


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """Two days."""
    made = FolderLake(tmp_path / "lake")
    publish(made, facts("2026-11-22"), Type(rows=devices(190)), Type(USERS, rows=devices(30)))
    replace_day(made, 0)
    return made


@contextmanager
def replaced_all_the_time(lake: FolderLake) -> Iterator[None]:
    """By a thread; between two runs there is time to read a day, or no number of tries would be enough."""
    over = threading.Event()

    def work() -> None:
        number = 1
        while not over.wait(0.1):
            replace_day(lake, number)
            number += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.fault(56)
@pytest.mark.parametrize(
    "command",
    [
        ("verify", "latest"),
        ("verify", DAY),
        ("sql", "select count(distinct split_part(hostname, '-', 2)) as runs, count(*) as n from devices"),
        ("head", "devices"),
        ("diff", "latest~1", "latest", "--output", "json"),
        ("show", "latest"),
    ],
    ids=lambda command: command[0],
)
def test_no_command_fails_beside_a_run(lake: FolderLake, command: tuple[str, ...]) -> None:
    """Whatever is published meanwhile: one snapshot, whole."""
    with replaced_all_the_time(lake):
        for _ in range(ROUNDS):
            result = CliRunner().invoke(main, [*command, "--lake", str(lake.root)])
            assert result.exit_code == 0, result.output
            if command[0] == "sql":
                assert result.stdout.split()[-2:] == ["1", "200"]


@pytest.mark.fault(56)
def test_work_is_done_again_where_another_run_is_meant_by_now(lake: FolderLake) -> None:
    """Once for each time that the day was replaced; what comes out broken counts as failed."""
    seen = list[str]()

    def work(found: tuple[FoundRun, ...]) -> str:
        seen.append(found[0].snapshot.run_id)
        if len(seen) < 3:
            replace_day(lake, len(seen))
        for held in held_lanes(found[0]):
            files_of(lake, seen[-1], held)
        return "broken" if len(seen) == 3 and replace_day(lake, 3) else "whole"

    assert read_as_meant(lake, ("latest",), work, is_whole=lambda word: word == "whole") == "whole"
    assert [run_id[-4:] for run_id in seen] == ["0000", "0001", "0002", "0003"]


@pytest.mark.fault(56)
def test_a_run_that_was_named_is_not_exchanged(lake: FolderLake) -> None:
    """Its files are gone for good: that is said, and by whom it was replaced."""
    replace_day(lake, 1)

    def work(found: tuple[FoundRun, ...]) -> None:
        files_of(lake, found[0].snapshot.run_id, held_lanes(found[0])[0])

    with pytest.raises(SnapshotGone, match="of the same day, replaced it"):
        read_as_meant(lake, (facts(DAY, "0000").run_id,), work)


@pytest.mark.fault(56)
def test_a_query_holds_what_it_reads(lake: FolderLake) -> None:
    """Its files are replaced when it has begun, also between two queries of one session."""
    rows = read_as_meant(lake, ("latest",), lambda found: found[0])
    with query_session(lake, tables_of(rows)) as session:
        replace_day(lake, 1)
        for _ in range(2):
            assert list(session.ask("select count(*) from devices where hostname like 'host-0-%'").rows) == [(200,)]


@pytest.mark.fault(56)
def test_changes_are_printed_once_however_often_it_begins(lake: FolderLake) -> None:
    """Lines for programs have no asset twice."""
    with replaced_all_the_time(lake):
        for _ in range(ROUNDS):
            result = CliRunner().invoke(
                main, ["diff", "latest~1", "latest", "devices", "--output", "jsonl", "--lake", str(lake.root)]
            )
            ids = [json.loads(line)["id"] for line in result.stdout.splitlines()]
            assert len(ids) == len(set(ids))
            assert (result.exit_code, len(ids)) == (0, 200) or "what is printed is not all" in result.stderr
