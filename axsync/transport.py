"""The only module that opens a socket: one instance, its pace, its retries, its two headers.

No aiohttp exception leaves it. Some of them print the request's headers, and with them the secret, so they are
translated without being chained.
"""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp

from axsync.api.envelope import error_words
from axsync.credentials import Credential, redact
from axsync.errors import BadAnswer, BadRequest, NotOffered, Refused, ServerError, Unreachable
from axsync.events import Observer, Retried
from axsync.model import Lane, Reply, Request
from axsync.pace import Pace
from axsync.retry import Jitter, Pause, after_status, backoff
from axsync.settings import InstanceSettings

T = TypeVar("T")
BAD_ANSWER_TRIES = 3
"""A 200 that is not what it should be is asked again twice (API reference 11.1)."""


async def admit_at_once(size: int) -> None:
    """Admission without back-pressure, for small control answers."""
    del size


@dataclass(slots=True)
class Counters:
    """What one lane cost: requests sent and retries among them."""

    requests: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks, and what must agree before the place at the gate is given up (back-pressure by bytes)."""

    lane: Lane | None = None
    admit: Callable[[int], Awaitable[None]] = admit_at_once
    counters: Counters = field(default_factory=Counters)


class Transport:
    """Sends requests to one instance.

    Raises, from `ask`: Refused, NotOffered, BadRequest at once; Unreachable, BadAnswer when the tries are used up.
    """

    def __init__(
        self,
        settings: InstanceSettings,
        credential: Credential,
        pace: Pace,
        *,
        observe: Observer,
        jitter: Jitter = random.uniform,
    ) -> None:
        self._settings, self._credential, self._pace = settings, credential, pace
        self._observe, self._jitter = observe, jitter
        self._refused: Refused | None = None
        self._session: aiohttp.ClientSession | None = None
        self.host = urlsplit(settings.url).netloc

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Transport"]:
        """Hold the session; the connections end with it."""
        connector = aiohttp.TCPConnector(limit=0, ssl=_trust(self._settings))
        async with aiohttp.ClientSession(
            self._settings.url,
            connector=connector,
            headers=_headers(self._credential),
            skip_auto_headers=("User-Agent",),
            cookie_jar=aiohttp.DummyCookieJar(),
            raise_for_status=False,
        ) as session:
            self._session = session
            yield self

    async def ask(self, request: Request, read: Callable[[Reply], T], ask: Ask) -> T:
        """Send until `read` makes sense of an answer; it raises BadAnswer to be asked again."""
        attempt, timeouts = 0, 0
        while True:
            attempt += 1
            try:
                return await self._once(request, read, ask, timeouts)
            except (Unreachable, BadAnswer) as error:
                timeouts += isinstance(error, _TimedOut)
                pause, reason = self._pause(error, attempt), str(error)
                if pause is None:
                    raise
            if pause.whole_host:
                self._pace.quiet(pause.seconds)
            ask.counters.retries += 1
            self._observe(Retried(ask.lane, self.host, attempt, pause.seconds, reason))
            await asyncio.sleep(pause.seconds)

    def _pause(self, error: ServerError, attempt: int) -> Pause | None:
        if attempt >= self._settings.tries or isinstance(error, _Hopeless):
            return None
        if isinstance(error, _Told):
            return after_status(
                error.status or 0, error.retry_after, attempt=attempt, now=datetime.now(UTC), jitter=self._jitter
            )
        if isinstance(error, BadAnswer) and attempt >= BAD_ANSWER_TRIES:
            return None
        return Pause(backoff(attempt, self._jitter))

    async def _once(self, request: Request, read: Callable[[Reply], T], ask: Ask, timeouts: int) -> T:
        if self._refused is not None:
            raise self._refused
        async with self._pace.slot():
            if self._refused is not None:
                raise self._refused
            ask.counters.requests += 1
            reply = await self._send(request, timeouts)
            self._judge(reply)
            answer = read(reply)
            await ask.admit(len(reply.body))
        return answer

    async def _send(self, request: Request, timeouts: int) -> Reply:
        if self._session is None:
            raise RuntimeError("the transport is not open")
        try:
            async with self._session.request(
                request.method,
                request.path,
                data=request.body,
                params=request.params,
                allow_redirects=False,
                timeout=self._timeout(timeouts),
            ) as response:
                headers = {k.lower(): v for k, v in response.headers.items()}
                return Reply(response.status, headers, await self._body(response))
        except TimeoutError:
            raise _TimedOut(f"{self.host} did not answer in time", host=self.host) from None
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            raise _Hopeless(f"no safe connection to {self.host}", host=self.host, detail=_tls_words(error)) from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{self.host}: {_plain(error)}", host=self.host) from None

    def _timeout(self, timeouts: int) -> aiohttp.ClientTimeout:
        # A page that was too slow once gets longer the next time (API reference 11.3).
        settings = self._settings
        read = min(settings.read_seconds * (3 if timeouts else 1), settings.page_seconds)
        return aiohttp.ClientTimeout(total=settings.page_seconds, sock_connect=settings.connect_seconds, sock_read=read)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        cap, length = self._settings.max_page_bytes, response.content_length
        plain = "Content-Encoding" not in response.headers
        if plain and length is not None and length <= cap:
            return await response.read()
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > cap:
                response.close()
                message = f"{self.host} sent more than {cap} bytes for one page"
                raise _TooLarge(message, host=self.host, status=response.status)
            chunks.append(chunk)
        return b"".join(chunks)

    def _judge(self, reply: Reply) -> None:
        if 200 <= reply.status < 300:
            return
        words = redact(error_words(reply.body), self._credential)
        status, host = reply.status, self.host
        if status == 401:
            self._refused = Refused(f"{host} does not accept the credential", host=host, status=status, detail=words)
            raise self._refused
        if status in {403, 404}:
            raise NotOffered(f"{host} answered {status}", host=host, status=status, detail=words)
        if 300 <= status < 400:
            target = urlsplit(reply.headers.get("location", "")).netloc or "another place"
            message = f"{host} redirects to {target}; redirects are refused"
            raise _Redirected(message, host=host, status=status, detail=target)
        if status < 500 and status != 429:
            raise BadRequest(f"{host} answered {status}", host=host, status=status, detail=words)
        told = _Told(f"{host} answered {status}", host=host, status=status, detail=words)
        told.retry_after = reply.headers.get("retry-after")
        raise told


class _Told(Unreachable):
    """A status that says: not now."""

    retry_after: str | None = None


class _TimedOut(Unreachable):
    """No answer in time."""


class _Hopeless(Unreachable):
    """Asking again cannot help."""


class _TooLarge(BadAnswer, _Hopeless):
    """More bytes than one page may have."""


class _Redirected(BadAnswer, _Hopeless):
    """The server points elsewhere; the keys stay here."""


def _headers(credential: Credential) -> Mapping[str, str]:
    # Both generations take the same two headers; names as in API reference 2.1.
    return {
        "api-key": credential.key.reveal(),
        "api-secret": credential.secret.reveal(),
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "Content-Type": "application/json",
        "User-Agent": f"axsync/{version('axsync')}",
    }


def _trust(settings: InstanceSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.ca_file or None)


def _plain(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host name is not known"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {error.os_error.strerror or type(error.os_error).__name__}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer was cut off"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return "the connection was closed before an answer"
    return f"the connection failed ({type(error).__name__})"


def _tls_words(error: aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError) -> str:
    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error.os_error
    return getattr(cause, "verify_message", "") or type(cause).__name__
