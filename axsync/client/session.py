"""One connection pool to one instance: sends a request, returns a reply or raises an error of our own.

No aiohttp exception leaves this module. Some print the request's headers, and with them the secret, so they are
translated without being chained.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeAlias

import aiohttp

from axsync.client.connection import (
    ConnectionConfig,
    Unprintable,
    proxy_headers,
    signed_headers,
    user_agent,
)
from axsync.client.failures import TooLargeAnswer, proxy_error, translate
from axsync.client.tls import system_context
from axsync.credentials import Credential
from axsync.model import Reply, Request

HEADER_BYTES = 16 << 10
"""Longest line or header accepted in an answer."""
HEADERS = 128
"""Most headers accepted in an answer; together at most 2 MiB."""
ANSWER_BYTES = 64 << 20
"""Most decoded bytes of an answer that is no page, such as a field catalogue, where no setting says otherwise."""
ERROR_BYTES = 1 << 20
"""Bytes read of an error's body; its message is short."""


Arriving: TypeAlias = Callable[[int | None], Awaitable[None]]
"""Awaited before the body of a good answer is read, with its size if the answer tells it."""


@dataclass(slots=True)
class HttpSession:
    """An open session. `skew` is how many seconds the server's clock is ahead of ours; None until known."""

    config: ConnectionConfig
    session: aiohttp.ClientSession
    headers: Mapping[str, str] = field(repr=False)
    skew: float | None = None

    async def send(
        self,
        request: Request,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  aiohttp's
        *,
        signed: Mapping[str, str] | None = None,
        most: int = ANSWER_BYTES,
        arriving: Arriving | None = None,
    ) -> Reply:
        """Bytes of a good answer beyond `most` are refused. Raises: Unreachable, Untrusted, ProxyRefused, TooLarge."""
        try:
            async with self.session.request(
                request.method,
                request.path,
                headers={**self.headers, **(signed or {})},
                data=request.body,
                params=request.params,
                allow_redirects=False,
                timeout=timeout,
                proxy_headers=self._proxy_headers(),
            ) as response:
                headers = {k.lower(): v for k, v in response.headers.items()}
                self._measure_skew(headers.get("date", ""))
                if arriving is not None and _is_good(response):
                    await arriving(response.content_length if _is_plain(response) else None)
                reply = Reply(response.status, headers, await self._body(response, most))
        except (aiohttp.ClientError, OSError) as error:
            raise translate(error, self.config) from None
        if reply.status == 407 and self.config.proxy:
            raise proxy_error(reply.status, self.config)
        return reply

    def _proxy_headers(self) -> dict[str, str] | None:
        # With plain http the proxy reads the request's own headers, and there is no CONNECT request for separate ones.
        if not self.config.proxy or self.config.tls is None:
            return None
        return {"User-Agent": user_agent()} | proxy_headers(self.config.proxy)

    def _measure_skew(self, date: str) -> None:
        try:
            there = parsedate_to_datetime(date)
        except (ValueError, TypeError, OverflowError):  # a year of twenty digits overflows
            return
        if there.tzinfo is not None:
            self.skew = (there - datetime.now(UTC)).total_seconds()

    async def _body(self, response: aiohttp.ClientResponse, most: int) -> bytes:
        good, length = _is_good(response), response.content_length
        cap = (self.config.settings.max_page_bytes or most) if good else ERROR_BYTES
        if _is_plain(response) and length is not None and length <= cap:
            return await response.read()
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size > cap:
                response.close()
                if not good:
                    break
                host = self.config.host
                message = f"{host} sent more than {cap} bytes in one answer"
                raise TooLargeAnswer(message, host=host, status=response.status)
        return b"".join(chunks)


def _is_good(response: aiohttp.ClientResponse) -> bool:
    return 200 <= response.status < 300


def _is_plain(response: aiohttp.ClientResponse) -> bool:
    return "Content-Encoding" not in response.headers


@asynccontextmanager
async def open_session(config: ConnectionConfig, credential: Credential) -> AsyncIterator[HttpSession]:
    """Hold a session; its connections close with it."""
    _unpack_quickly()
    # Never aiohttp's own context: after the fast imports of the command line it trusts nobody. Proxies may use TLS too.
    connector = aiohttp.TCPConnector(limit=0, ssl=config.tls or (system_context() if config.proxy else True))
    # Never as session headers: aiohttp would send those to the proxy too, before the tunnel and its TLS.
    headers = Unprintable({**signed_headers(credential), **({} if config.tls else proxy_headers(config.proxy))})
    async with aiohttp.ClientSession(
        config.settings.url,
        connector=connector,
        skip_auto_headers=("User-Agent",),
        cookie_jar=aiohttp.DummyCookieJar(),
        raise_for_status=False,
        proxy=config.proxy.url if config.proxy else None,
        trust_env=False,
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
        max_headers=HEADERS,
    ) as session:
        yield HttpSession(config, session, headers)


def _unpack_quickly() -> None:
    """Decompress gzip answers with the extra `isal` if it is installed: 13 instead of 25 CPU ms for 9.5 MB."""
    try:
        from isal import isal_zlib  # an extra
    except ImportError:
        return
    aiohttp.set_zlib_backend(isal_zlib)
