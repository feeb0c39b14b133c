import errno
import os
import stat
from pathlib import Path

import pytest

from axsync.errors import StorageError
from axsync.lake.journal import Journal, decode, encode
from axsync.lake.local import LocalStore

KEY = "_axsync/runs/a/journal"
FIRST, SECOND, THIRD = {"event": "run_opened"}, {"event": "part_sealed", "rows": 7}, {"event": "lane_closed"}
WHOLE = encode(FIRST)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(LocalStore(tmp_path), KEY)


def test_records_come_back_in_order(journal: Journal, tmp_path: Path) -> None:
    """Also those of another process; nobody but the owner may read them."""
    journal.begin().append(FIRST)
    Journal(journal.store, KEY).begin().append(SECOND)

    assert journal.read() == [FIRST, SECOND]
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o600


def test_a_journal_that_is_not_there_has_no_records(journal: Journal, tmp_path: Path) -> None:
    """Looking begins none."""
    assert journal.read() == []
    assert list(tmp_path.iterdir()) == []


def test_the_first_record_is_there_before_the_others_are_read(journal: Journal) -> None:
    """None where there is none yet, or it is torn."""
    journal.begin()
    assert journal.first() is None
    journal.append(FIRST)
    journal.append({"event": "lane_pinned", "much": "x" * 5000})
    assert journal.first() == FIRST
    journal.store.truncate(KEY, len(WHOLE) - 1)
    assert journal.first() is None


def test_the_last_record_is_there_without_the_others(journal: Journal) -> None:
    """None where it is torn, or larger than the last records of a run are."""
    journal.begin()
    assert journal.last() is None
    journal.append(FIRST)
    assert journal.last() == FIRST
    journal.append({"event": "lane_pinned", "much": "x" * 5000})
    assert journal.last() is None
    journal.append(THIRD)
    assert (journal.last(), journal.tells_of("lane_closed")) == (THIRD, True)
    journal.store.append(KEY, WHOLE[:-1])
    assert journal.last() is None


@pytest.mark.parametrize("cut", range(len(encode(SECOND))))
def test_a_torn_line_is_cut_off_before_the_next(journal: Journal, cut: int) -> None:
    """Wherever the power went: what was whole before it is kept, and what comes after it is read."""
    journal.store.append(KEY, WHOLE + encode(SECOND)[:cut])

    assert journal.read() == [FIRST]
    journal.begin().append(THIRD)

    assert journal.read() == [FIRST, THIRD]


@pytest.mark.parametrize("place", sorted(set(range(len(encode(SECOND)))) - {8, 17}))  # blanks
def test_a_changed_byte_ends_what_is_read(journal: Journal, place: int) -> None:
    """Length, checksum, content or end of line: no crash does that, and what follows is not taken for all there is."""
    line = bytearray(encode(SECOND))
    line[place] ^= 1
    journal.store.append(KEY, WHOLE + bytes(line) + encode(THIRD))

    assert decode(journal.store.read(KEY)) == ([FIRST], len(WHOLE))
    with pytest.raises(ValueError, match="damaged"):
        journal.read()


@pytest.mark.parametrize("place", [0, 9, 20, -1])
def test_an_event_is_found_behind_a_damaged_record(journal: Journal, place: int) -> None:
    """And its absence is not: whoever asks cannot be told."""
    line = bytearray(encode(SECOND))
    line[place] ^= 1
    journal.store.append(KEY, WHOLE + bytes(line) + encode(THIRD))

    assert (journal.tells_of("lane_closed"), journal.tells_of("published")) == (True, None)


def test_an_event_is_looked_for_in_whole_records_only(journal: Journal) -> None:
    """Not in what a record quotes, nor in a torn one."""
    quoted = encode({"event": "published"}).decode()
    journal.begin().append({"event": "lane_closed", "reason": quoted})
    journal.store.append(KEY, encode({"event": "published"})[:-1])

    assert journal.tells_of("published") is False
    journal.begin().append({"event": "published", "more": 1})
    assert journal.tells_of("published") is True


def test_half_a_record_that_could_not_be_written_is_taken_back(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full within a line, and has room for the next one of another lane."""
    journal.begin().append(FIRST)
    real, sizes = os.write, iter((9, None))

    def short(handle: int, content: bytes) -> int:
        if (size := next(sizes)) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, content[:size])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", short)
        with pytest.raises(StorageError):
            journal.append(SECOND)
    journal.append(THIRD)

    assert journal.read() == [FIRST, THIRD]


def test_a_note_is_written_ahead_of_the_next_record(journal: Journal) -> None:
    """It costs no write of its own, and nothing is lost with it before that."""
    journal.begin().note(FIRST)
    assert journal.read() == []
    journal.append(SECOND)
    journal.append(THIRD)

    assert journal.read() == [FIRST, SECOND, THIRD]


def test_a_note_waits_for_a_record_that_can_be_written(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full for a moment does not cost it."""
    journal.begin().note(FIRST)

    def full(_handle: int, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(StorageError):
            journal.append(SECOND)
    journal.append(THIRD)

    assert journal.read() == [FIRST, THIRD]
