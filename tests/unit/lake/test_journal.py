import stat
from pathlib import Path

import pytest

from axsync.lake.journal import Journal, encode
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


@pytest.mark.parametrize("cut", range(len(encode(SECOND))))
def test_a_torn_line_is_cut_off_before_the_next(journal: Journal, cut: int) -> None:
    """Wherever the power went: what was whole before it is kept, and what comes after it is read."""
    journal.store.append(KEY, WHOLE + encode(SECOND)[:cut])

    assert journal.read() == [FIRST]
    journal.begin().append(THIRD)

    assert journal.read() == [FIRST, THIRD]


@pytest.mark.parametrize("place", sorted(set(range(len(encode(SECOND)))) - {8, 17}))  # blanks
def test_a_changed_byte_ends_what_is_read(journal: Journal, place: int) -> None:
    """Length, checksum, content or end of line."""
    line = bytearray(encode(SECOND))
    line[place] ^= 1
    journal.store.append(KEY, WHOLE + bytes(line) + encode(THIRD))

    assert journal.read() == [FIRST]
