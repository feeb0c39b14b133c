"""Writes a reply to the socket, as its delivery prescribes."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from contextlib import suppress
from dataclasses import replace

from aiohttp import web

from axsync.emulator.messages import ApiReply

_PIECE = 64 * 1024
_MIN_COMPRESSED = 1024
_GZIP = 16 + zlib.MAX_WBITS
_POLL_SECONDS = 0.05


async def compressed(reply: ApiReply) -> ApiReply:
    """*reply* with a gzip body, compressed in a thread."""
    if len(reply.body) < _MIN_COMPRESSED or "Content-Encoding" in reply.headers:
        return reply
    body = await asyncio.to_thread(_compress, reply.body)
    return replace(reply, body=body, headers={**reply.headers, "Content-Encoding": "gzip"})


def _compress(body: bytes) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    return compressor.compress(body) + compressor.flush()


async def wait_before(request: web.Request, reply: ApiReply) -> None:
    """Wait before the first byte: for the configured delay, or until the client has disconnected."""
    if reply.delivery.wait_seconds:
        await asyncio.sleep(reply.delivery.wait_seconds)
    if reply.delivery.hang:
        await _disconnected(request)


async def _disconnected(request: web.Request) -> None:
    # aiohttp does not cancel the handler when the client disconnects, so poll the transport.
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(_POLL_SECONDS)


async def write(request: web.Request, reply: ApiReply) -> web.StreamResponse:
    """Write *reply*."""
    if replace(reply.delivery, wait_seconds=0.0).plain:
        return _whole(reply)
    if reply.delivery.hang or (reply.delivery.reset and reply.delivery.keep == -1):
        _abort(request)
        return web.Response()
    return await _partially(request, reply)


def _whole(reply: ApiReply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=reply.headers, content_type=reply.content_type)


async def _partially(request: web.Request, reply: ApiReply) -> web.StreamResponse:
    body = reply.body if reply.delivery.keep is None else reply.body[: reply.delivery.keep]
    if reply.delivery.framing == "close":
        return _until_close(request, reply, body)
    response = web.StreamResponse(status=reply.status, headers=_headers(reply, body))
    await response.prepare(request)
    with suppress(ConnectionResetError):  # the client has disconnected
        await _in_pieces(response, reply, body)
        await _finish(request, reply, cut=reply.delivery.framing != "sent" and len(body) < len(reply.body))
    return response


async def _in_pieces(response: web.StreamResponse, reply: ApiReply, body: bytes) -> None:
    step = reply.delivery.drip_bytes or _PIECE
    for start in range(0, len(body), step):
        await response.write(body[start : start + step])
        await asyncio.sleep(reply.delivery.drip_seconds)


def _headers(reply: ApiReply, body: bytes) -> dict[str, str]:
    headers = {**reply.headers, "Content-Type": reply.content_type}
    if reply.delivery.framing == "chunked":
        return headers
    return {**headers, "Content-Length": str(len(body if reply.delivery.framing == "sent" else reply.body))}


def _until_close(request: web.Request, reply: ApiReply, body: bytes) -> web.StreamResponse:
    # aiohttp does not support this framing, so write the head by hand.
    if request.transport is not None:
        head = f"HTTP/1.1 {reply.status} OK\r\nContent-Type: {reply.content_type}\r\nConnection: close\r\n\r\n"
        request.transport.write(head.encode() + body)
        request.transport.close()
    return web.Response()


async def _finish(request: web.Request, reply: ApiReply, *, cut: bool) -> None:
    if reply.delivery.stall:
        await _disconnected(request)
    elif reply.delivery.reset:
        _abort(request)
    elif (cut or reply.delivery.close) and request.transport is not None:
        request.transport.close()


def _abort(request: web.Request) -> None:
    # With SO_LINGER 0 the kernel sends RST instead of FIN.
    if request.transport is None:
        return
    raw = request.transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
