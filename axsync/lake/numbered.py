"""A content that grows, where objects cannot: numbered pieces, each of which is created once and never changed.

A piece says how long the content is before it: what follows that point is void, and the piece stands there. So one that
begins at nought is the whole content by itself, and one without bytes cuts it off. The number is a fence: who has been
overtaken finds his next one taken, and what he may have put there a moment before is void by the piece behind it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

HEAD = 54
"""Bytes of a piece before its content: 20 digits, a blank, 32 of its writer, a line feed."""

_NUMBERED = re.compile(r"(?P<key>.+)\.n(?P<number>[0-9]{8})")


@dataclass(frozen=True, slots=True)
class NumberedPiece:
    """What a `writer` adds behind so many bytes."""

    at: int
    writer: UUID
    content: bytes

    @property
    def end(self) -> int:
        """How long the whole content is with this piece as its last."""
        return self.at + len(self.content)


def piece_key(key: str, number: int) -> str:
    """The key of a piece; in alphabetical order, they are in that of their numbers."""
    return f"{key}.n{number:08}"


def number_of(key: str) -> tuple[str, int | None]:
    """The content to which a key belongs and the number of the piece, None where the key is no piece."""
    matched = _NUMBERED.fullmatch(key)
    return (matched["key"], int(matched["number"])) if matched else (key, None)


def encode(piece: NumberedPiece) -> bytes:
    """A piece as it is stored."""
    return b"%020d %s\n" % (piece.at, piece.writer.hex.encode()) + piece.content


def start_of(stored: bytes) -> int:
    """Where a piece begins, by its first `HEAD` bytes. Raises: ValueError."""
    if len(stored) < HEAD or stored[HEAD - 1 : HEAD] != b"\n":
        raise ValueError("a piece of a content is damaged")
    return int(stored[: HEAD - 34])


def decode(stored: bytes) -> NumberedPiece:
    """What `encode` was given. Raises: ValueError."""
    return NumberedPiece(start_of(stored), UUID(hex=stored[HEAD - 33 : HEAD - 1].decode()), stored[HEAD:])


def joined(pieces: Iterable[NumberedPiece]) -> bytes:
    """The content, by its pieces in their order; those before one that is whole may lack. Raises: ValueError."""
    content, lacks = bytearray(), False
    for piece in pieces:
        lacks = piece.at > len(content) or (lacks and piece.at > 0)
        if not lacks:
            del content[piece.at :]
            content += piece.content
    if lacks:
        raise ValueError("a piece of a content is missing")
    return bytes(content)
