"""Asset ids that can be computed from a row number and back, so that no table of ids is kept."""

from __future__ import annotations

from hashlib import blake2b

_BITS = 128
_MASK = (1 << _BITS) - 1
_HEX = "0123456789abcdef"
_BEYOND = "ghijklmnopqrstuv"
_TO_BEYOND = str.maketrans(_HEX, _BEYOND)
_FROM_BEYOND = str.maketrans(_BEYOND, _HEX)
_ODD_EVERY = 17


class Ids:
    """A bijection between row numbers of one entity type and 32-character ids."""

    def __init__(self, seed: int, entity: str, *, odd: bool = False) -> None:
        digest = blake2b(f"{seed}/{entity}".encode(), digest_size=32).digest()
        self._factor = int.from_bytes(digest[:16]) | 1
        self._shift = int.from_bytes(digest[16:])
        self._inverse = pow(self._factor, -1, 1 << _BITS)
        self._odd = odd

    def text(self, number: int) -> str:
        """The id of row *number*."""
        value = (number * self._factor + self._shift) & _MASK
        value ^= value >> 64
        text = f"{(value * self._factor) & _MASK:032x}"
        if self._odd and number % _ODD_EVERY == 3:
            return text.translate(_TO_BEYOND)
        return text

    def number(self, text: str) -> int | None:
        """The row number behind *text*, or None when no row can have that id."""
        try:
            value = int(text.translate(_FROM_BEYOND), 16) * self._inverse & _MASK
        except ValueError:
            return None
        value ^= value >> 64
        number = (value - self._shift) * self._inverse & _MASK
        return number if number < 1 << 48 and self.text(number) == text else None
