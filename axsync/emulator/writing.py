"""Puts a reply on the wire, faithfully or not."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from contextlib import suppress
from dataclasses import replace

from aiohttp import web

from axsync.emulator.calls import Reply

_PIECE = 64 * 1024
_WORTH_PACKING = 1024
_GZIP = 16 + zlib.MAX_WBITS
_LOOK_SECONDS = 0.05


async def packed(reply: Reply) -> Reply:
    """*reply* with a gzip body, made beside the event loop."""
    if len(reply.body) < _WORTH_PACKING or "Content-Encoding" in reply.headers:
        return reply
    body = await asyncio.to_thread(_gzip, reply.body)
    return replace(reply, body=body, headers={**reply.headers, "Content-Encoding": "gzip"})


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    return packer.compress(body) + packer.flush()


async def worked(request: web.Request, reply: Reply) -> None:
    """The time before the first byte: a wait, or until the client has gone."""
    if reply.delivery.wait_seconds:
        await asyncio.sleep(reply.delivery.wait_seconds)
    if reply.delivery.hang:
        await _gone(request)


async def _gone(request: web.Request) -> None:
    # aiohttp does not cancel the task of a request whose client left, so it has to look.
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_SECONDS)


async def written(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Write *reply*."""
    if replace(reply.delivery, wait_seconds=0.0).plain:
        return _whole(reply)
    if reply.delivery.hang or (reply.delivery.reset and reply.delivery.keep == -1):
        _abort(request)
        return web.Response()
    return await _oddly(request, reply)


def _whole(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=reply.headers, content_type=reply.content_type)


async def _oddly(request: web.Request, reply: Reply) -> web.StreamResponse:
    body = reply.body if reply.delivery.keep is None else reply.body[: reply.delivery.keep]
    if reply.delivery.framing == "close":
        return _until_close(request, reply, body)
    response = web.StreamResponse(status=reply.status, headers=_framed(reply, body))
    await response.prepare(request)
    with suppress(ConnectionResetError):  # the client left: nothing more to tell it
        await _in_pieces(response, reply, body)
        await _finish(request, reply, cut=reply.delivery.framing != "sent" and len(body) < len(reply.body))
    return response


async def _in_pieces(response: web.StreamResponse, reply: Reply, body: bytes) -> None:
    step = reply.delivery.drip_bytes or _PIECE
    for start in range(0, len(body), step):
        await response.write(body[start : start + step])
        await asyncio.sleep(reply.delivery.drip_seconds)


def _framed(reply: Reply, body: bytes) -> dict[str, str]:
    headers = {**reply.headers, "Content-Type": reply.content_type}
    if reply.delivery.framing == "chunked":
        return headers
    return {**headers, "Content-Length": str(len(body if reply.delivery.framing == "sent" else reply.body))}


def _until_close(request: web.Request, reply: Reply, body: bytes) -> web.StreamResponse:
    # aiohttp knows no such framing, so the head is written by hand.
    if request.transport is not None:
        head = f"HTTP/1.1 {reply.status} OK\r\nContent-Type: {reply.content_type}\r\nConnection: close\r\n\r\n"
        request.transport.write(head.encode() + body)
        request.transport.close()
    return web.Response()


async def _finish(request: web.Request, reply: Reply, *, cut: bool) -> None:
    if reply.delivery.stall:
        await _gone(request)
    elif reply.delivery.reset:
        _abort(request)
    elif (cut or reply.delivery.close) and request.transport is not None:
        request.transport.close()


def _abort(request: web.Request) -> None:
    # SO_LINGER 0 makes the kernel send RST in place of FIN.
    if request.transport is None:
        return
    raw = request.transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
