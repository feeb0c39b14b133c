"""Secrets and credentials as values that reveal nothing by accident."""

import hmac
from dataclasses import dataclass
from typing import Literal, Never

MASK = "***"
Kind = Literal["api-key", "oauth"]
"""`api-key` is sent in two headers; `oauth` is a client id and secret that are exchanged for a bearer token.

Evidence for both: docs/axonius-api.md, "Connection".
"""


class Secret:
    """A text that cannot be printed, formatted, pickled or compared by value. Only `reveal` returns it.

    `notice` is a sentence for the operator about where it came from, or empty.
    """

    __slots__ = ("__text", "notice")

    def __init__(self, text: str, *, notice: str = "") -> None:
        self.__text = text
        self.notice = notice

    def reveal(self) -> str:
        """The text itself, for the request header."""
        return self.__text

    def equals(self, other: "Secret") -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.__text.encode(), other.reveal().encode())

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a secret cannot be pickled or copied")


@dataclass(frozen=True, slots=True, eq=False)
class Credential:
    """API key and secret, or the id and secret of an OAuth client."""

    key: Secret
    secret: Secret
    kind: Kind = "api-key"
    told: tuple[str, ...] = ()  # further notices for the operator

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices for the operator about where key and secret came from."""
        return tuple(dict.fromkeys(text for text in (self.key.notice, self.secret.notice, *self.told) if text))
