"""Secrets and credentials: values that reveal nothing by accident, and their removal from texts of servers."""

import base64
import hmac
import html
import json
import re
from collections.abc import Iterable, Iterator
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


SHORTEST = 8
"""Characters of a secret that give something away: a shorter one may stand in any name by chance."""


class Redactor:
    """Takes these secrets out of texts, also where they are URL-encoded, JSON, HTML or HTTP Basic.

    The second line of defence, for servers and proxies that repeat what was sent.
    """

    def __init__(self, secrets: Iterable[Secret], *coded: str) -> None:
        """`coded` are further texts to take out, such as HTTP Basic."""
        plain = {one.reveal() for one in secrets}
        forms = {form for one in plain for form in _forms(one)} | set(coded)
        self._forms = sorted(filter(None, forms), key=len, reverse=True)  # longest first: one may contain another
        self._long = [form for form in self._forms if len(form) >= SHORTEST]

    def redact(self, text: str) -> str:
        """The text without secrets; also without the first half of one at its end, where a text is cut."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return next((text[:-size] + MASK for form in self._long if (size := _begun(text, form))), text)

    def finds_in(self, text: str) -> bool:
        """Whether a secret stands in this name."""
        return any(form in text for form in self._long)


def _begun(text: str, form: str) -> int:
    """How many characters of `form` the text ends with; 0 for fewer than give something away."""
    at = text.find(form[:SHORTEST], max(0, len(text) - len(form)))
    while at >= 0 and not form.startswith(text[at:]):
        at = text.find(form[:SHORTEST], at + 1)
    return len(text) - at if at >= 0 else 0


def basic(credential: Credential) -> str:
    """Key and secret in the format of HTTP Basic (RFC 7617)."""
    return base64.b64encode(f"{credential.key.reveal()}:{credential.secret.reveal()}".encode()).decode()


def _forms(text: str) -> Iterator[str]:
    coded = {quote(text, safe=""), quote(text)}
    as_json = json.dumps(text)[1:-1]
    yield from (text, html.escape(text), as_json, as_json.replace("/", "\\/"), repr(text)[1:-1])
    for one in coded:
        yield from (one, re.sub("%..", lambda found: found[0].lower(), one))
