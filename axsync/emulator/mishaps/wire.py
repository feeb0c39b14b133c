"""Mishaps on the way of a right answer to the client."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from axsync.emulator.calls import Reply
from axsync.emulator.mishaps.model import Mishap

_MEGABYTE = 2**20
_BOM = b"\xef\xbb\xbf"
_GZIP = 16 + zlib.MAX_WBITS


def reset(_mishap: Mishap, reply: Reply) -> Reply:
    """The connection is reset before the headers."""
    return replace(reply, delivery=replace(reply.delivery, keep=-1, reset=True))


def reset_body(mishap: Mishap, reply: Reply) -> Reply:
    """The connection is reset within the body, after `share` of it."""
    return replace(reply, delivery=replace(reply.delivery, keep=_part(mishap, reply), reset=True))


def truncate(mishap: Mishap, reply: Reply) -> Reply:
    """The body ends after `share` of it.

    length="right": Content-Length says so; "wrong": it claims the whole; "chunked": the last chunk is missing;
    "none": the end of the connection is the end of the body.
    """
    framing = {"right": "sent", "wrong": "whole", "chunked": "chunked", "none": "close"}[mishap.text("length", "right")]
    return replace(reply, delivery=replace(reply.delivery, keep=_part(mishap, reply), framing=framing))


def stall(mishap: Mishap, reply: Reply) -> Reply:
    """After `share` of the body, silence until the client gives up."""
    return replace(reply, delivery=replace(reply.delivery, keep=_part(mishap, reply), stall=True))


def _part(mishap: Mishap, reply: Reply) -> int:
    return int(len(reply.body) * mishap.real("share", 0.5))


def slow_start(mishap: Mishap, reply: Reply) -> Reply:
    """Nothing for `seconds`."""
    return replace(reply, delivery=replace(reply.delivery, wait_seconds=mishap.real("seconds", 1.0)))


def drip(mishap: Mishap, reply: Reply) -> Reply:
    """The body comes in pieces of `bytes`, one each `seconds`."""
    slow = replace(reply.delivery, drip_bytes=mishap.whole("bytes", 1024), drip_seconds=mishap.real("seconds", 0.05))
    return replace(reply, delivery=slow)


def content_type(mishap: Mishap, reply: Reply) -> Reply:
    """Right body, wrong type."""
    return replace(reply, content_type=mishap.text("type", "text/html"))


def gzip_lie(_mishap: Mishap, reply: Reply) -> Reply:
    """Content-Encoding says gzip, the body is plain."""
    return replace(reply, headers={**reply.headers, "Content-Encoding": "gzip"})


def gzip_silent(_mishap: Mishap, reply: Reply) -> Reply:
    """A gzip body that no header announces."""
    packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    return replace(reply, body=packer.compress(reply.body) + packer.flush())


def zip_bomb(mishap: Mishap, reply: Reply) -> Reply:
    """A small gzip body that inflates to `size` bytes of good JSON."""
    packer = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    packed = b"".join([*map(packer.compress, _padded(reply.body, mishap.whole("size", 100_000_000))), packer.flush()])
    return replace(reply, body=packed, headers={**reply.headers, "Content-Encoding": "gzip"})


def _padded(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, size, _MEGABYTE):
        yield b" " * min(_MEGABYTE, size - start)
    yield body


def bom(_mishap: Mishap, reply: Reply) -> Reply:
    """A byte order mark before the body."""
    return replace(reply, body=_BOM + reply.body)


def close_after(_mishap: Mishap, reply: Reply) -> Reply:
    """The connection closes after the answer, unannounced."""
    return replace(reply, delivery=replace(reply.delivery, close=True))


def big_header(mishap: Mishap, reply: Reply) -> Reply:
    """A header of `size` bytes."""
    return replace(reply, headers={**reply.headers, "X-Filler": "x" * mishap.whole("size", 65_536)})


Wire = Callable[[Mishap, Reply], Reply]
WIRES: dict[str, Wire] = {
    "reset": reset,
    "reset-body": reset_body,
    "truncate": truncate,
    "stall": stall,
    "gzip-silent": gzip_silent,
    "slow-start": slow_start,
    "drip": drip,
    "content-type": content_type,
    "gzip-lie": gzip_lie,
    "zip-bomb": zip_bomb,
    "bom": bom,
    "close-after": close_after,
    "big-header": big_header,
}


PLAIN_BODY = frozenset({"gzip-lie", "gzip-silent", "zip-bomb", "bom"})  # these want to begin with an unpacked body


def delivered(struck: tuple[Mishap, ...], reply: Reply) -> Reply:
    """*reply* with everything that happens to it on its way."""
    for mishap in struck:
        if mishap.kind in WIRES:
            reply = WIRES[mishap.kind](mishap, reply)
    return reply
