"""Secrets and what they are for, as values that give nothing away by accident."""

import hmac
from dataclasses import dataclass
from typing import Literal, Never

MASK = "***"
Kind = Literal["api-key", "oauth"]
"""`api-key` travels in two headers; `oauth` is a client id and secret that buy a bearer token.

How sure both are: docs/axonius-api.md, "Connection".
"""


class Secret:
    """A text that cannot be printed, formatted, pickled or compared by value; `reveal` is the one way to it.

    `notice` is a sentence for the operator about the place it came from, or empty.
    """

    __slots__ = ("__text", "notice")

    def __init__(self, text: str, *, notice: str = "") -> None:
        self.__text = text
        self.notice = notice

    def reveal(self) -> str:
        """The text itself, for the request header."""
        return self.__text

    def equals(self, other: "Secret") -> bool:
        """Whether both hold the same text, in a time that does not tell how much of it is the same."""
        return hmac.compare_digest(self.__text.encode(), other.reveal().encode())

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a secret is neither pickled nor copied")


@dataclass(frozen=True, slots=True, eq=False)
class Credential:
    """API key and secret, or the id and secret of an OAuth client."""

    key: Secret
    secret: Secret
    kind: Kind = "api-key"
    told: tuple[str, ...] = ()  # what else the operator should know

    @property
    def notices(self) -> tuple[str, ...]:
        """What the operator should know about the places they came from."""
        return tuple(dict.fromkeys(text for text in (self.key.notice, self.secret.notice, *self.told) if text))
