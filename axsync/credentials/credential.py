"""Secrets and credentials: values that reveal nothing by accident, and their removal from texts of servers."""

import base64
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Never
from urllib.parse import quote

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


def redact(text: str, credential: Credential, *more: Secret) -> str:
    """The text without key, secret and `more`, also if they appear URL-encoded, as JSON or as HTTP Basic.

    The second line of defence, for texts of servers and proxies that repeat what was sent.
    """
    plain = [one.reveal() for one in (credential.key, credential.secret, *more)]
    forms = {form for one in plain for form in _forms(one) if form} | {basic(credential)}
    for form in sorted(forms, key=len, reverse=True):  # longest first: one may contain another
        text = text.replace(form, MASK)
    return text


def basic(credential: Credential) -> str:
    """Key and secret in the format of HTTP Basic (RFC 7617)."""
    return base64.b64encode(f"{credential.key.reveal()}:{credential.secret.reveal()}".encode()).decode()


def _forms(text: str) -> Iterator[str]:
    yield text
    yield quote(text, safe="")
    yield json.dumps(text)[1:-1]
