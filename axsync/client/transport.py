"""One instance, its pace, its retries."""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import aiohttp

from axsync.api.envelope import page_title
from axsync.client.connection import ConnectionConfig, Unprintable
from axsync.client.context import RequestContext
from axsync.client.oauth import REQUEST, Bearer, Token, buying_headers, read_token
from axsync.client.session import HttpSession, open_session
from axsync.client.statuses import HopelessPage, NotRetryable, RetryableStatus, TimedOut, heard, judge, page_sentence
from axsync.credentials import Credential, redact
from axsync.errors import (
    BadAnswer,
    BadRequest,
    NotOffered,
    ProxyRefused,
    Refused,
    ServerError,
    TooHeavy,
    Unreachable,
    Untrusted,
    WebPage,
)
from axsync.events import Answered, Event, Observer, Retried
from axsync.model import Lane, Reply, Request
from axsync.pacing.limiter import HostDead, HostLimiter, Permit
from axsync.pacing.retry import Jitter, Pause, after_status, backoff, longest_wait

T = TypeVar("T")
BAD_ANSWER_TRIES = 3
"""A 200 that is not what it should be is asked again twice."""
LOOK_SECONDS = 30.0
"""A question that was answered before, asked to see whether a host is there, gets no longer than this …"""
KNOWN_BYTES = 1 << 16
"""… and had an answer smaller than this."""
WORDS_MOST = 500
"""Characters of a sentence, and of the server's words, that an error keeps once secrets are out."""
PATIENT_TRIES = 6
"""Whoever allows so many tries, which is the default, wants to get past an upgrade; fewer are just as many."""
BAD_GATEWAY = 502
"""What a web page in place of JSON means: somebody answers for a product that is away."""


class Transport:
    """Sends requests to one instance.

    Raises, from `ask`: Refused, NotOffered, BadRequest at once; Unreachable, BadAnswer when the tries are used up.
    """

    def __init__(
        self,
        way: ConnectionConfig,
        credential: Credential,
        pace: HostLimiter,
        *,
        observe: Observer,
        jitter: Jitter = random.uniform,
    ) -> None:
        self.way, self._credential, self._pace = way, credential, pace
        self._settings = way.settings
        self._observe, self._jitter = observe, jitter
        self._refused: Refused | None = None
        self._known: Request | None = None  # the question with the smallest answer so far
        self._known_size = KNOWN_BYTES
        self._page_title: str | None = None  # of the web page that was the last answer, if it was one
        self._wire: HttpSession | None = None
        self._bearer = Bearer(self._buy) if credential.kind == "oauth" else None
        self.host = way.host

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Transport"]:
        """Hold the connections; they end with it."""
        async with open_session(self.way, self._credential) as wire:
            self._wire = wire
            yield self

    @property
    def skew(self) -> float | None:
        """Seconds by which the server's clock is ahead of this machine's; None before it said so."""
        return self._wire.skew if self._wire else None

    def tell(self, event: Event) -> None:
        """Let the observer know."""
        self._observe(event)

    async def ask(self, request: Request, read: Callable[[Reply], T], ask: RequestContext) -> T:
        """Send until `read` makes sense of an answer; it raises BadAnswer to be asked again.

        Raises: TooHeavy, where `ask` has less patience than there are tries.
        """
        attempt, timeouts, heavy, failed_at = 0, 0, 0, math.inf
        while True:
            attempt += 1
            try:
                return await self._once(request, read, ask, timeouts)
            except (Unreachable, BadAnswer) as error:
                timeouts += isinstance(error, TimedOut)
                # A web page says nothing about how much was asked for.
                heavy += isinstance(error, TimedOut) or (error.status or 0) >= 500
                failed_at = min(failed_at, self._pace.clock())
                pause, failed = self._pause(error, attempt, self._pace.clock() - failed_at), error
                if pause is None:
                    raise
            ask.counters.retries += 1
            self._observe(Retried(ask.lane, self.host, attempt, pause.seconds, str(failed)))
            await asyncio.sleep(pause.seconds)
            if heavy and ask.patience is not None and heavy >= ask.patience():
                raise TooHeavy(str(failed), host=self.host, status=failed.status, detail=failed.detail) from None

    def _pause(self, error: ServerError, attempt: int, waited: float) -> Pause | None:
        """How long to wait, None where there is no use; the whole host waits where it is to.

        `waited` is for how many seconds this request has failed so far.
        """
        if isinstance(error, NotRetryable | Untrusted):
            return None
        pause: Pause | None
        count = self._count(attempt)
        if isinstance(error, RetryableStatus):
            status = BAD_GATEWAY if isinstance(error, WebPage) else error.status or 0
            pause = after_status(status, error.retry_after, attempt=count, now=datetime.now(UTC), jitter=self._jitter)
        else:
            pause = Pause(backoff(count, self._jitter))
        if pause is not None and (pause.whole_host or self._pace.broken):
            self._pace.quiet(pause.seconds)
        tries = min(self._settings.tries, BAD_ANSWER_TRIES if isinstance(error, BadAnswer) else 100)
        return pause if attempt < tries or self._starts_up(error, waited) else None

    def _count(self, attempt: int) -> int:
        """By how many failures the next pause is measured."""
        if self._known is None:
            return min(attempt, max(1, self._settings.tries - 1))
        # A host that fails whoever asks is asked as rarely as one that fails the same request as often.
        return max(attempt, self._pace.failures if self._pace.broken else 0)

    def _starts_up(self, error: ServerError, waited: float) -> bool:
        """Whether tries that are used up are not enough.

        In a run the looks at a host bridge the time in which its product is upgraded; before the first answer there is
        nothing to look with. Pauses are drawn, so six tries may be over in a moment: they get the time that they might
        have taken. Only where somebody answers: a refused connection is told as soon as ever.
        """
        tries = self._settings.tries
        answers = isinstance(error, RetryableStatus) and error.status != 429  # HTTP: too many requests
        return answers and self._known is None and tries >= PATIENT_TRIES and waited < longest_wait(tries)

    async def _once(self, request: Request, read: Callable[[Reply], T], ask: RequestContext, timeouts: int) -> T:
        renewed = False
        while True:
            self._check()
            token = await self._token(request)
            try:
                async with self._pace.slot(ask.kind or request.path) as place:
                    self._check()
                    if place.probe and self._known is not None:
                        await self._look(place, self._known)
                        continue
                    ask.counters.requests += 1
                    return await self._answer(request, read, ask, place, _Try(timeouts, token))
            except ServerError as error:
                if isinstance(error, Refused) and self._bearer and token and not renewed:
                    self._bearer.refused(token)
                    renewed = True
                    continue
                self._refused = error if isinstance(error, Refused) else self._refused
                raise self._hushed(error) from None
            except HostDead:
                raise self._hushed(self._given_up()) from None

    def _given_up(self) -> NotRetryable:
        """Why nobody asks this host any more."""
        times = f"gave no usable answer {self._pace.failures} times in a row"
        if self._page_title is None:
            return NotRetryable(f"{self.host} {times}", host=self.host)
        message = f"{page_sentence(self.host, self.way.settings.name)}, and {times}"
        return HopelessPage(message, host=self.host, status=200, detail=self._page_title)  # HTTP: OK

    def _hushed(self, error: ServerError) -> ServerError:
        """The error without what is secret, should the server have repeated it; what it was made of is forgotten.

        Only then is it cut: a secret that is cut in two would not be found.
        """

        def hush(text: str) -> str:
            text = redact(text, self._credential, *(self._bearer.seen if self._bearer else ()))
            return (self.way.proxy.hush(text) if self.way.proxy else text)[:WORDS_MOST]

        error.detail = hush(error.detail)
        error.args = tuple(hush(arg) if isinstance(arg, str) else arg for arg in error.args)
        return error

    def _check(self) -> None:
        if self._refused is not None:
            raise self._refused

    async def _token(self, request: Request) -> Token | None:
        """What signs this request, None where keys do, or where it is the one that buys a token."""
        return await self._bearer.token() if self._bearer and request is not REQUEST else None

    async def _buy(self) -> Token:
        """A new token, or the end: what refuses the client once will refuse it again.

        Raises: Refused; Hopeless when the tries are used up, since whoever wanted the token is not to try as often.
        """
        host = self.host
        try:
            return await self.ask(REQUEST, lambda reply: read_token(reply, host), RequestContext())
        except Unreachable as error:
            kind = HopelessPage if isinstance(error, WebPage) else NotRetryable
            raise kind(str(error), host=host, status=error.status, detail=error.detail) from None
        except (NotOffered, BadRequest, BadAnswer) as error:
            message = f"{host} gives no token for this OAuth client"
            self._refused = Refused(message, host=host, status=error.status, detail=error.detail or str(error))
            raise self._refused from None

    async def _answer(
        self, request: Request, read: Callable[[Reply], T], ask: RequestContext, place: Permit, this: "_Try"
    ) -> T:
        try:
            reply = await self._send(request, self._timeout(this.timeouts), this.token)
        except (Unreachable, ProxyRefused):
            self._page_title = None
            self._tell(ask.lane, None, place.answered("failed"))
            raise
        seconds = self._hear(ask.lane, reply, place)
        judge(reply, self.host, instance=self.way.settings.name)
        answer = read(reply)
        if len(reply.body) < self._known_size and request is not REQUEST:
            self._known, self._known_size = request, len(reply.body)
        if ask.heard is not None:
            ask.heard(seconds, len(reply.body))
        await ask.admit(len(reply.body))
        return answer

    async def _look(self, place: Permit, known: Request) -> None:
        """Ask what was answered before: whether the host is there again decides for all who wait."""
        try:
            token = self._bearer.current if self._bearer else None
            reply = await self._send(known, self._timeout(0, most=LOOK_SECONDS), token)
            self._hear(None, reply, place)
        except Unreachable:
            self._page_title = None
            self._tell(None, None, place.answered("failed"))
        if self._pace.broken:
            failures = self._pace.failures
            seconds = backoff(failures, self._jitter)
            self._pace.quiet(seconds)
            self._observe(Retried(None, self.host, failures, seconds, f"{self.host} is not there yet"))

    def _hear(self, lane: Lane | None, reply: Reply, place: Permit) -> float:
        """An answer has come: the pace learns from it, observers are told; seconds since the request left."""
        heard_of_host = heard(reply)
        seconds = place.answered(heard_of_host)
        is_page = heard_of_host == "failed" and reply.status < 300  # HTTP: it would be a good answer
        self._page_title = page_title(reply.body) if is_page else None
        self._tell(lane, reply.status, seconds)
        return seconds

    def _tell(self, lane: Lane | None, status: int | None, seconds: float) -> None:
        pace = self._pace
        self._observe(Answered(lane, self.host, status, seconds, pace.inside, pace.limit, pace.rate))

    async def _send(self, request: Request, timeout: aiohttp.ClientTimeout, token: Token | None) -> Reply:  # noqa: ASYNC109  aiohttp's
        if self._wire is None:
            raise RuntimeError("the transport is not open")
        signed = Unprintable(
            buying_headers(self._credential) if request is REQUEST else token.headers() if token else {}
        )
        return await self._wire.send(request, timeout, signed=signed)

    def _timeout(self, timeouts: int, *, most: float = math.inf) -> aiohttp.ClientTimeout:
        # A page that was too slow once gets longer the next time.
        settings, whole = self._settings, min(self._settings.page_seconds, most)
        read = min(settings.read_seconds * (3 if timeouts else 1), whole)
        return aiohttp.ClientTimeout(total=whole, sock_connect=settings.connect_seconds, sock_read=read)


@dataclass(frozen=True, slots=True, eq=False)
class _Try:
    """One sending of a request: how often it was too slow before, and what signs it."""

    timeouts: int
    token: Token | None
