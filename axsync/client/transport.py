"""Sends requests to one instance, within its request limits and with retries."""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from traceback import format_exception
from typing import Protocol, TypeVar

import aiohttp

from axsync.api.envelope import page_title
from axsync.client.connection import ConnectionConfig, Unprintable
from axsync.client.failures import (
    NotRetryable,
    NotRetryablePage,
    RetryableStatus,
    TimedOut,
    TooLargeAnswer,
    host_signal,
    judge,
    page_sentence,
)
from axsync.client.oauth import REQUEST, Bearer, Token, buying_headers, read_token
from axsync.client.session import ANSWER_BYTES, Arriving, HttpSession, open_session
from axsync.client.told import without_secrets
from axsync.credentials import Credential, Redactor, Secret, basic
from axsync.errors import (
    AxsyncError,
    BadAnswer,
    BadRequest,
    InternalError,
    NotOffered,
    ProxyRefused,
    Refused,
    ServerError,
    TooHeavy,
    Unreachable,
    Untrusted,
    WebPage,
    out_of_memory,
)
from axsync.events import Answered, Crashed, Event, Notice, Observer, Retried
from axsync.model import Lane, Reply, Request
from axsync.pacing.limiter import HostDead, HostLimiter, Permit, Room
from axsync.pacing.retry import Jitter, Pause, after_status, backoff, longest_wait

T = TypeVar("T")
BAD_ANSWER_TRIES = 3
"""A 200 with an unusable body is retried twice."""
DOUBT_SECONDS = 5.0
"""Before a request that was refused among good answers is sent once more."""
PROBE_SECONDS = 30.0
"""Timeout for re-checking a host with a known request."""
KNOWN_BYTES = 1 << 16
"""Largest known answer for which that shortened timeout applies."""
FACT_BYTES = 1 << 20
"""Most decoded bytes of an answer that holds one fact, such as a count: parsed, 64 MiB of JSON may take 2 GB."""
TRACE_MOST = 20_000
"""Characters kept of a traceback, its end."""
WORDS_MOST = 500
"""Characters kept of an error message and of the server's words, after redaction."""
PATIENT_TRIES = 6
"""From this many tries on, which is the default, a run waits out an upgrade; with fewer, tries are just tries."""
BAD_GATEWAY = 502
"""A web page instead of JSON counts as this status: a gateway answers for a product that is down."""


class Admission(Room, Protocol):
    """The memory of one page, from before its request leaves until it is there."""

    def sent(self) -> None:
        """The request has left."""

    async def arriving(self, size: int | None) -> None:
        """The answer begins, of so many bytes if that is known; returns when its body may be read."""

    def arrived(self, size: int) -> None:
        """The page is there and has so many bytes, which whoever has the page gives back."""


@dataclass(slots=True)
class Counters:
    """Requests sent by one lane, and retries among them."""

    requests: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Who asks, and the memory that must be reserved before a page is asked for; small answers need none."""

    lane: Lane | None = None
    room: Admission | None = None
    counters: Counters = field(default_factory=Counters)
    kind: str = ""  # separates requests whose latencies are not comparable
    heard: Callable[[float, int], None] | None = None  # transfer seconds and bytes of a good answer
    most: int = ANSWER_BYTES  # decoded bytes of the answer, unless `max_page_bytes` is set
    max_attempts: Callable[[], int] | None = None  # 5xx and timeouts after which a smaller page is requested
    seconds: float = math.inf  # most for an answer
    tries: int = 100  # most that may time out


class Transport:
    """Sends requests to one instance.

    `ask` raises Refused, NotOffered and BadRequest at once; Unreachable and BadAnswer when the tries are used up.
    """

    def __init__(
        self,
        config: ConnectionConfig,
        credential: Credential,
        limiter: HostLimiter,
        *,
        observe: Observer,
        jitter: Jitter = random.uniform,
        seats: asyncio.Semaphore | None = None,
    ) -> None:
        self.config, self._credential, self._limiter = config, credential, limiter
        self._settings = config.settings
        self._observe, self._jitter = observe, jitter
        self._refused: Refused | None = None
        self._doubt = asyncio.Lock()  # held while a refusal is looked into
        self._doubter: asyncio.Task[object] | None = None  # who does that
        self._cleared = 0  # refusals that did not hold
        self._known: Request | None = None  # the request with the smallest answer so far
        self._known_size = KNOWN_BYTES
        self._page_title: str | None = None  # title of the last answer, if that was a web page
        self._session: HttpSession | None = None
        self._seats = seats or asyncio.Semaphore()
        self._users = 0  # who hold the connections
        self._door = asyncio.Lock()
        self._closing = AsyncExitStack()
        self._skew: float | None = None
        self._redactor: tuple[tuple[Secret, ...], Redactor] | None = None  # for these tokens
        self._bearer = Bearer(self._buy) if credential.kind == "oauth" else None
        self.host = config.host

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Transport"]:
        """Hold the connections. They close when nobody holds them any more, and another instance may open its own.

        Every request holds them; hold them for several that follow each other.
        """
        async with self._door:
            if not self._users:
                await self._connect()
            self._users += 1
        try:
            yield self
        finally:
            self._users -= 1
            if not self._users:
                await self._close()

    async def _connect(self) -> None:
        await self._seats.acquire()
        try:
            self._session = await self._closing.enter_async_context(open_session(self.config, self._credential))
        except BaseException:
            self._seats.release()
            raise

    async def _close(self) -> None:
        closing, self._closing = self._closing, AsyncExitStack()
        self._skew, self._session = self.skew, None
        try:
            await closing.aclose()
        finally:
            self._seats.release()

    @property
    def skew(self) -> float | None:
        """Seconds by which the server's clock is ahead of this machine's; None until known."""
        return self._session.skew if self._session else self._skew

    def tell(self, event: Event) -> None:
        """Pass an event to the observer."""
        self._observe(event)

    async def ask(self, request: Request, read: Callable[[Reply], T], ask: RequestContext) -> T:
        """Send until `read` accepts an answer; it raises BadAnswer to request a retry.

        Raises: TooHeavy if `ask.max_attempts` is reached before the tries are used up.
        """
        async with self.open():
            return await self._asked(request, read, ask)

    async def _asked(self, request: Request, read: Callable[[Reply], T], ask: RequestContext) -> T:
        attempt, timeouts, heavy, failed_at = 0, 0, 0, math.inf
        while True:
            attempt += 1
            try:
                return await self._once(request, read, ask, timeouts)
            except (Unreachable, BadAnswer) as error:
                timeouts += isinstance(error, TimedOut)
                # A web page says nothing about the size of the request.
                heavy += isinstance(error, TimedOut) or (error.status or 0) >= 500
                failed_at = min(failed_at, self._limiter.clock())
                tries = ask.tries if isinstance(error, TimedOut) else self._settings.tries
                pause, failed = self._pause(error, attempt, self._limiter.clock() - failed_at, tries), error
                if pause is None:
                    raise
            ask.counters.retries += 1
            self._observe(Retried(ask.lane, self.host, attempt, pause.seconds, str(failed)))
            await asyncio.sleep(pause.seconds)
            if heavy and ask.max_attempts is not None and heavy >= ask.max_attempts():
                raise TooHeavy(str(failed), host=self.host, status=failed.status, detail=failed.detail) from None

    def _pause(self, error: ServerError, attempt: int, waited: float, most: int) -> Pause | None:
        """The pause before a retry, None if a retry is pointless. Pauses the whole host where required.

        `waited` is how many seconds this request has been failing, `most` the tries that it may take.
        """
        if isinstance(error, NotRetryable | Untrusted | InternalError):
            return None
        pause: Pause | None
        count = self._count(attempt)
        if isinstance(error, RetryableStatus):
            status = BAD_GATEWAY if isinstance(error, WebPage) else error.status or 0
            pause = after_status(status, error.retry_after, attempt=count, now=datetime.now(UTC), jitter=self._jitter)
        else:
            pause = Pause(backoff(count, self._jitter))
        if pause is not None and (pause.whole_host or self._limiter.broken):
            self._limiter.quiet(pause.seconds)
        tries = min(self._settings.tries, BAD_ANSWER_TRIES if isinstance(error, BadAnswer) else most)
        return pause if attempt < tries or self._may_be_starting(error, waited) else None

    def _count(self, attempt: int) -> int:
        """The failure count that determines the next pause."""
        if self._known is None:
            return min(attempt, max(1, self._settings.tries - 1))
        # A host that fails for every lane is asked as rarely as one that fails the same request as often.
        return max(attempt, self._limiter.failures if self._limiter.broken else 0)

    def _may_be_starting(self, error: ServerError, waited: float) -> bool:
        """Whether to keep retrying although the tries are used up, because the product may be starting.

        During a run the probes of a host bridge an upgrade. Before the first answer no request is known to probe with.
        Pauses are random, so six tries may be over in a moment: they get the time that they might have taken. This
        holds only if something answers; a refused connection is reported at once.
        """
        tries = self._settings.tries
        answers = isinstance(error, RetryableStatus) and error.status != 429  # HTTP: too many requests
        return answers and self._known is None and tries >= PATIENT_TRIES and waited < longest_wait(tries)

    async def _once(self, request: Request, read: Callable[[Reply], T], ask: RequestContext, timeouts: int) -> T:
        """Send, and once more after a 401 among good answers, such as of a server that restarts.

        Meanwhile nothing else is sent. Raises: Refused if it stays refused, from then on for every request.
        """
        cleared = self._cleared
        try:
            return await self._sent(request, read, ask, timeouts)
        except Refused as error:
            if error.status != 401 or self._known is None or request is REQUEST:  # HTTP: unauthorized
                self._refused = error
                raise
            refused = error
        async with self._doubt:
            self._check()
            self._doubter = asyncio.current_task()
            try:
                if self._cleared == cleared:
                    ask.counters.retries += 1
                    self._observe(Retried(ask.lane, self.host, 1, DOUBT_SECONDS, str(refused)))
                    await asyncio.sleep(DOUBT_SECONDS)
                answer = await self._sent(request, read, ask, timeouts)
            except Refused as error:
                self._refused = error
                raise
            finally:
                self._doubter = None
            self._cleared += 1
            return answer

    def _is_doubted(self, request: Request) -> bool:
        """Whether this request waits until another one has shown that the credential is still accepted."""
        return self._doubter not in (None, asyncio.current_task()) and request is not REQUEST

    async def _until_trusted(self, request: Request) -> None:
        if self._is_doubted(request):
            async with self._doubt:
                pass

    async def _sent(self, request: Request, read: Callable[[Reply], T], ask: RequestContext, timeouts: int) -> T:
        """Send until there is an answer; without one, no memory is held any more."""
        try:
            return await self._sent_once(request, read, ask, timeouts)
        finally:
            if ask.room is not None:
                ask.room.drop()

    async def _sent_once(self, request: Request, read: Callable[[Reply], T], ask: RequestContext, timeouts: int) -> T:
        renewed = False
        while True:
            await self._until_trusted(request)
            self._check()
            token = await self._token(request)
            try:
                async with self._limiter.slot(ask.kind or request.path, ask.room) as permit:
                    self._check()
                    if self._is_doubted(request):
                        permit.answered("nothing")
                        continue
                    if permit.probe and self._known is not None:
                        await self._probe_host(permit, self._known)
                        continue
                    ask.counters.requests += 1
                    return await self._answer(request, read, ask, permit, _Try(timeouts, token))
            except ServerError as error:
                if isinstance(error, Refused) and self._bearer and token and not renewed:
                    self._bearer.refused(token)
                    renewed = True
                    continue
                raise self._redact(error) from None
            except HostDead:
                raise self._redact(self._dead_host_error()) from None
            except AxsyncError:
                raise
            except Exception as error:
                # The server decides what is read here: whatever that trips over must not end the reading of others.
                raise self.crashed(error, ask.lane) from error

    def _dead_host_error(self) -> NotRetryable:
        """The error for a host that counts as dead."""
        times = f"gave no usable answer {self._limiter.failures} times in a row"
        if self._page_title is None:
            return NotRetryable(f"{self.host} {times}", host=self.host)
        message = f"{page_sentence(self.host, self.config.settings.name)}, and {times}"
        return NotRetryablePage(message, host=self.host, status=200, detail=self._page_title)  # HTTP: OK

    def _redact(self, error: ServerError) -> ServerError:
        """Redact secrets that the server may have echoed, then truncate. The cause is dropped.

        Truncation comes last: a secret cut in two would not be found.
        """
        error.detail = self.redact(error.detail)[:WORDS_MOST]
        error.args = tuple(self.redact(arg)[:WORDS_MOST] if isinstance(arg, str) else arg for arg in error.args)
        return error

    def redact(self, text: str) -> str:
        """The text without the secrets that this transport sends."""
        return self._secrets.redact(text)

    def hides(self, name: str) -> bool:
        """Whether a name holds one of these secrets, so that it may stand in no file and no text."""
        return self._secrets.finds_in(name)

    @property
    def _secrets(self) -> Redactor:
        """Key and secret, the tokens that were sent last, the proxy's password."""
        tokens = tuple(self._bearer.seen) if self._bearer else ()
        if self._redactor is None or self._redactor[0] != tokens:
            proxy, credential = self.config.proxy, self._credential
            password = (proxy.password,) if proxy and proxy.password else ()
            coded = ((proxy and proxy.authorization()) or "").removeprefix("Basic ")
            sent = (credential.key, credential.secret, *tokens, *password)
            self._redactor = tokens, Redactor(sent, basic(credential), coded)
        return self._redactor[1]

    def _tell_dropped(self, count: int, lane: Lane | None) -> None:
        if count:
            names = "a name that contains" if count == 1 else f"{count} names that contain"
            self._observe(Notice(lane, f"{self.host} served {names} a secret of this machine; dropped"))

    def _check(self) -> None:
        if self._refused is not None:
            raise self._refused

    async def _token(self, request: Request) -> Token | None:
        """The token for this request; None with API keys, and for the token request itself."""
        return await self._bearer.token() if self._bearer and request is not REQUEST else None

    async def _buy(self) -> Token:
        """Fetch a new token. A refusal is final: the server would refuse this client again.

        Raises: Refused; NotRetryable when the tries are used up, so that the caller does not multiply them.
        """
        host = self.host
        try:
            return await self.ask(REQUEST, lambda reply: read_token(reply, host), RequestContext(seconds=PROBE_SECONDS))
        except Unreachable as error:
            kind = NotRetryablePage if isinstance(error, WebPage) else NotRetryable
            raise kind(str(error), host=host, status=error.status, detail=error.detail) from None
        except (NotOffered, BadRequest, BadAnswer) as error:
            message = f"{host} gives no token for this OAuth client"
            self._refused = Refused(message, host=host, status=error.status, detail=error.detail or str(error))
            raise self._refused from None

    async def _answer(
        self, request: Request, read: Callable[[Reply], T], ask: RequestContext, permit: Permit, this: "_Try"
    ) -> T:
        try:
            if ask.room is not None:
                ask.room.sent()
            arriving = partial(self._make_room, ask.room, permit) if ask.room else None
            timeout = self._timeout(this.timeouts, most=ask.seconds)
            reply = await self._send(request, timeout, this.token, ask.most, arriving)
        except TooLargeAnswer as error:  # the host is well: it was not heard out
            self._page_title = None
            self._tell_answered(ask.lane, error.status, permit.answered("nothing"))
            raise
        except (Unreachable, ProxyRefused):
            self._page_title = None
            self._tell_answered(ask.lane, None, permit.answered("failed"))
            raise
        seconds = self._report(ask.lane, reply, permit)
        judge(reply, self.host, instance=self.config.settings.name)
        answer = without_secrets(read(reply), self._secrets, partial(self._tell_dropped, lane=ask.lane))
        if len(reply.body) < self._known_size and request is not REQUEST:
            self._known, self._known_size = request, len(reply.body)
        if ask.heard is not None:
            ask.heard(seconds, len(reply.body))
        if ask.room is not None:
            ask.room.arrived(len(reply.body))
        return answer

    async def _make_room(self, room: Admission, permit: Permit, size: int | None) -> None:
        """Before a body is read. The host is not to blame for how long that takes."""
        began = self._limiter.clock()
        await room.arriving(size)
        permit.waited(self._limiter.clock() - began)

    def crashed(self, error: Exception, lane: Lane | None) -> InternalError:
        """The error for a defect of axsync; observers are told, without secrets. Raises: OutOfMemory."""
        if lacking := out_of_memory(error):
            raise lacking from None
        self._observe(Crashed(lane, self.redact("".join(format_exception(error)))[-TRACE_MOST:]))
        message = f"axsync failed on an answer of {self.host}: {type(error).__name__}"
        return InternalError(message, host=self.host)

    async def _probe_host(self, permit: Permit, known: Request) -> None:
        """Probe with a request that was answered before. Its result decides for all waiting requests."""
        try:
            token = self._bearer.current if self._bearer else None
            reply = await self._send(known, self._timeout(0, most=PROBE_SECONDS), token)
            self._report(None, reply, permit)
        except Unreachable:
            self._page_title = None
            self._tell_answered(None, None, permit.answered("failed"))
        if self._limiter.broken:
            failures = self._limiter.failures
            seconds = backoff(failures, self._jitter)
            self._limiter.quiet(seconds)
            self._observe(Retried(None, self.host, failures, seconds, f"{self.host} is not there yet"))

    def _report(self, lane: Lane | None, reply: Reply, permit: Permit) -> float:
        """Report an answer to limiter and observers; returns the seconds since the request left."""
        heard_of_host = host_signal(reply)
        seconds = permit.answered(heard_of_host)
        is_page = heard_of_host == "failed" and reply.status < 300  # HTTP: it would be a good answer
        self._page_title = page_title(reply.body) if is_page else None
        self._tell_answered(lane, reply.status, seconds)
        return seconds

    def _tell_answered(self, lane: Lane | None, status: int | None, seconds: float) -> None:
        limiter = self._limiter
        self._observe(Answered(lane, self.host, status, seconds, limiter.inside, limiter.limit, limiter.rate))

    async def _send(
        self,
        request: Request,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  aiohttp's
        token: Token | None,
        most: int = ANSWER_BYTES,
        arriving: Arriving | None = None,
    ) -> Reply:
        if self._session is None:
            raise RuntimeError("the transport is not open")
        signed = Unprintable(
            buying_headers(self._credential) if request is REQUEST else token.headers() if token else {}
        )
        return await self._session.send(request, timeout, signed=signed, most=most, arriving=arriving)

    def _timeout(self, timeouts: int, *, most: float = math.inf) -> aiohttp.ClientTimeout:
        # A request that timed out gets longer the next time.
        settings, whole = self._settings, min(self._settings.page_seconds, most)
        read = min(settings.read_seconds * (3 if timeouts else 1), whole)
        return aiohttp.ClientTimeout(total=whole, sock_connect=settings.connect_seconds, sock_read=read)


@dataclass(frozen=True, slots=True, eq=False)
class _Try:
    """One attempt: timeouts so far, and the token."""

    timeouts: int
    token: Token | None
