"""Contents that grow by numbered pieces."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.lake.numbered import HEAD, NumberedPiece, decode, encode, joined, number_of, piece_key, start_of

WRITER = UUID(int=7)
KEYS = st.text(st.sampled_from("abn./=0"), min_size=1)


@given(KEYS, st.integers(0, 99_999_999))
def test_the_key_of_a_piece_tells_of_what_it_is_one(key: str, number: int) -> None:
    """Whatever the content is called."""
    assert number_of(piece_key(key, number)) == (key, number)


@given(st.lists(st.tuples(st.integers(0, 30), st.binary(max_size=20)), max_size=8))
def test_pieces_make_what_was_appended_and_cut(steps: list[tuple[int, bytes]]) -> None:
    """Each is put where it says, and whatever was behind that point is gone; a whole one needs none before it."""
    content, pieces = b"", list[NumberedPiece]()
    for wanted, more in steps:
        at = min(wanted, len(content))
        pieces.append(decode(encode(NumberedPiece(at, WRITER, more))))
        content = content[:at] + more

    whole = max((index for index, piece in enumerate(pieces) if piece.at == 0), default=0)
    assert joined(pieces) == joined(pieces[whole:]) == content
    assert [start_of(encode(piece)[:HEAD]) for piece in pieces] == [piece.at for piece in pieces]


def test_a_missing_piece_is_no_shorter_content() -> None:
    """Nor is one that is cut."""
    first, second, third = (NumberedPiece(at, WRITER, b"abc") for at in (0, 3, 6))
    with pytest.raises(ValueError, match="missing"):
        joined([first, third])
    with pytest.raises(ValueError, match="missing"):
        joined([second, third])
    with pytest.raises(ValueError, match="damaged"):
        decode(encode(first)[: HEAD - 1])
