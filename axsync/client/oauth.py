"""OAuth 2.1 client credentials (docs/axonius-api.md, "Connection"): a token that is bought, carried, and renewed.

Tokens are in memory only. They are sent by the same connections, at the same pace, to the same host as all else.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from axsync.api.paths import TOKEN
from axsync.credentials import Credential, Secret, basic
from axsync.errors import BadAnswer
from axsync.model import Reply, Request

RENEWED_AT = 0.8
"""The part of its life after which a token is renewed, long before the server would refuse it."""
USUAL_SECONDS, MOST_SECONDS = 3600.0, 86_400.0
MOST_CHARACTERS = 8192  # of a token: it has to fit into a header
REMEMBERED = 4  # tokens that are taken out of texts; an echo may come late

REQUEST = Request(*TOKEN, b"grant_type=client_credentials")


class _Answer(msgspec.Struct, frozen=True):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105  a word of RFC 6750
    expires_in: float = USUAL_SECONDS


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """What was bought, and for how many seconds."""

    secret: Secret
    seconds: float

    def headers(self) -> dict[str, str]:
        """What a request carries in place of the two headers (RFC 6750, 2.1)."""
        return {"Authorization": f"Bearer {self.secret.reveal()}"}


def buying_headers(credential: Credential) -> dict[str, str]:
    """What the request for a token carries (RFC 6749, 4.4.2)."""
    return {"Authorization": f"Basic {basic(credential)}", "Content-Type": "application/x-www-form-urlencoded"}


def read_token(reply: Reply, host: str) -> Token:
    """The token of an answer. Raises: BadAnswer, which repeats nothing of it."""
    try:
        told = msgspec.json.decode(reply.body, type=_Answer, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _no_token(reply, host) from None
    text, life = told.access_token, told.expires_in
    sendable = 0 < len(text) <= MOST_CHARACTERS and all("!" <= c <= "~" for c in text)
    if not sendable or told.token_type.lower() != "bearer" or not life > 0:
        raise _no_token(reply, host)
    return Token(Secret(text), min(life, MOST_SECONDS))


def _no_token(reply: Reply, host: str) -> BadAnswer:
    return BadAnswer(f"{host} answered {reply.status} with something that is no token", host=host, status=reply.status)


class Bearer:
    """The token of one instance, bought when it is first wanted and again when its time is over."""

    def __init__(self, buy: Callable[[], Awaitable[Token]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._buy, self._clock = buy, clock
        self._once = asyncio.Lock()
        self._good_until = 0.0
        self.current: Token | None = None
        self.seen: deque[Secret] = deque(maxlen=REMEMBERED)

    async def token(self) -> Token:
        """The token to send now. Raises: what `buy` raises."""
        async with self._once:  # one buys for all who wait
            if self.current is None or self._clock() >= self._good_until:
                asked = self._clock()
                self.current = await self._buy()
                self._good_until = asked + self.current.seconds * RENEWED_AT
                self.seen.append(self.current.secret)
            return self.current

    def refused(self, token: Token) -> None:
        """The host does not take this token any more; of many who were told so, the first one counts."""
        if self.current is token:
            self.current = None
