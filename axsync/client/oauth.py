"""OAuth 2.1 client credentials (docs/axonius-api.md, "Connection"): fetches a token, sends it, renews it.

Tokens are kept in memory only. Token requests use the same connections, request limits and host as all others.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from axsync.api.paths import TOKEN
from axsync.convert.page_bytes import REFUSALS
from axsync.credentials import Credential, Secret, basic
from axsync.errors import BadAnswer
from axsync.model import Reply, Request

RENEWED_AT = 0.8
"""Share of a token's lifetime after which it is renewed, well before the server would refuse it."""
USUAL_SECONDS, MOST_SECONDS = 3600.0, 86_400.0
MOST_CHARACTERS = 8192  # of a token: it must fit into a header
REMEMBERED = 4  # tokens that are redacted from texts; a server may echo an old one

REQUEST = Request(*TOKEN, b"grant_type=client_credentials")


class _Answer(msgspec.Struct, frozen=True):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105  a word of RFC 6750
    expires_in: float = USUAL_SECONDS


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """A token and its lifetime in seconds."""

    secret: Secret
    seconds: float

    def headers(self) -> dict[str, str]:
        """The header that replaces the two keys (RFC 6750, 2.1)."""
        return {"Authorization": f"Bearer {self.secret.reveal()}"}


def buying_headers(credential: Credential) -> dict[str, str]:
    """Headers of the token request (RFC 6749, 4.4.2)."""
    return {"Authorization": f"Basic {basic(credential)}", "Content-Type": "application/x-www-form-urlencoded"}


def read_token(reply: Reply, host: str) -> Token:
    """Read the token from an answer. Raises: BadAnswer, which quotes nothing from it."""
    try:
        told = msgspec.json.decode(reply.body, type=_Answer, strict=False)
    except REFUSALS:
        raise _no_token(reply, host) from None
    text, life = told.access_token, told.expires_in
    sendable = 0 < len(text) <= MOST_CHARACTERS and all("!" <= c <= "~" for c in text)
    if not sendable or told.token_type.lower() != "bearer" or not life > 0:
        raise _no_token(reply, host)
    return Token(Secret(text), min(life, MOST_SECONDS))


def _no_token(reply: Reply, host: str) -> BadAnswer:
    return BadAnswer(f"{host} answered {reply.status} without a valid token", host=host, status=reply.status)


class Bearer:
    """The token of one instance, fetched on first use and again when its lifetime ends."""

    def __init__(self, buy: Callable[[], Awaitable[Token]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._buy, self._clock = buy, clock
        self._once = asyncio.Lock()
        self._good_until = 0.0
        self.current: Token | None = None
        self.seen: deque[Secret] = deque(maxlen=REMEMBERED)

    async def token(self) -> Token:
        """The current token. Raises: what `buy` raises."""
        async with self._once:  # one fetch serves all waiting requests
            if self.current is None or self._clock() >= self._good_until:
                asked = self._clock()
                self.current = await self._buy()
                self._good_until = asked + self.current.seconds * RENEWED_AT
                self.seen.append(self.current.secret)
            return self.current

    def refused(self, token: Token) -> None:
        """Discard a token that the host refused. Later reports about the same token change nothing."""
        if self.current is token:
            self.current = None
