"""Faults in transit: the reply is correct, its delivery is not."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from axsync.emulator.faults.fault import Fault
from axsync.emulator.messages import ApiReply

_MEGABYTE = 2**20
_BOM = b"\xef\xbb\xbf"
_GZIP = 16 + zlib.MAX_WBITS


def reset(_fault: Fault, reply: ApiReply) -> ApiReply:
    """Reset the connection before the headers."""
    return replace(reply, delivery=replace(reply.delivery, keep=-1, reset=True))


def reset_body(fault: Fault, reply: ApiReply) -> ApiReply:
    """Reset the connection after `share` of the body."""
    return replace(reply, delivery=replace(reply.delivery, keep=_kept(fault, reply), reset=True))


def truncate(fault: Fault, reply: ApiReply) -> ApiReply:
    """End the body after `share` of it.

    length="right": Content-Length is what is sent; "wrong": it is that of the whole body; "chunked": the last chunk
    is missing; "none": the body ends with the connection.
    """
    framing = {"right": "sent", "wrong": "whole", "chunked": "chunked", "none": "close"}[fault.text("length", "right")]
    return replace(reply, delivery=replace(reply.delivery, keep=_kept(fault, reply), framing=framing))


def stall(fault: Fault, reply: ApiReply) -> ApiReply:
    """Send nothing more after `share` of the body, until the client disconnects."""
    return replace(reply, delivery=replace(reply.delivery, keep=_kept(fault, reply), stall=True))


def _kept(fault: Fault, reply: ApiReply) -> int:
    return int(len(reply.body) * fault.number("share", 0.5))


def slow_start(fault: Fault, reply: ApiReply) -> ApiReply:
    """Delay the first byte by `seconds`."""
    return replace(reply, delivery=replace(reply.delivery, wait_seconds=fault.number("seconds", 1.0)))


def drip(fault: Fault, reply: ApiReply) -> ApiReply:
    """Send the body in pieces of `bytes`, one every `seconds`."""
    slow = replace(reply.delivery, drip_bytes=fault.integer("bytes", 1024), drip_seconds=fault.number("seconds", 0.05))
    return replace(reply, delivery=slow)


def content_type(fault: Fault, reply: ApiReply) -> ApiReply:
    """Send the wrong Content-Type."""
    return replace(reply, content_type=fault.text("type", "text/html"))


def gzip_lie(_fault: Fault, reply: ApiReply) -> ApiReply:
    """Announce gzip but send a plain body."""
    return replace(reply, headers={**reply.headers, "Content-Encoding": "gzip"})


def gzip_silent(_fault: Fault, reply: ApiReply) -> ApiReply:
    """Send a gzip body without announcing it."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    return replace(reply, body=compressor.compress(reply.body) + compressor.flush())


def zip_bomb(fault: Fault, reply: ApiReply) -> ApiReply:
    """Send a small gzip body that expands by `size` bytes of valid JSON."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    bomb = b"".join(
        [*map(compressor.compress, _padded(reply.body, fault.integer("size", 100_000_000))), compressor.flush()]
    )
    return replace(reply, body=bomb, headers={**reply.headers, "Content-Encoding": "gzip"})


def _padded(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, size, _MEGABYTE):
        yield b" " * min(_MEGABYTE, size - start)
    yield body


def bom(_fault: Fault, reply: ApiReply) -> ApiReply:
    """Send a byte order mark before the body."""
    return replace(reply, body=_BOM + reply.body)


def close_after(_fault: Fault, reply: ApiReply) -> ApiReply:
    """Close the connection after the reply without announcing it."""
    return replace(reply, delivery=replace(reply.delivery, close=True))


def big_header(fault: Fault, reply: ApiReply) -> ApiReply:
    """Add a header of `size` bytes."""
    return replace(reply, headers={**reply.headers, "X-Filler": "x" * fault.integer("size", 65_536)})


Change = Callable[[Fault, ApiReply], ApiReply]
WIRE_FAULTS: dict[str, Change] = {
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


PLAIN_BODY = frozenset({"gzip-lie", "gzip-silent", "zip-bomb", "bom"})  # these need an uncompressed body


def delivered(faults: tuple[Fault, ...], reply: ApiReply) -> ApiReply:
    """*reply* with all faults in transit applied."""
    for fault in faults:
        if fault.kind in WIRE_FAULTS:
            reply = WIRE_FAULTS[fault.kind](fault, reply)
    return reply
