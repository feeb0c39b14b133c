"""How a body is put on the wire, when not simply all at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delivery:
    """Seconds to wait, bytes to keep back, lies to tell."""

    wait_seconds: float = 0.0  # before the first byte
    keep: int | None = None  # send only this many bytes of the body; None: all
    framing: str = "whole"  # Content-Length of the whole body, or sent (of what is kept), or chunked, or close
    stall: bool = False  # after what is kept, silence
    drip_bytes: int = 0  # per piece; 0: no drip
    drip_seconds: float = 0.0  # between pieces
    reset: bool = False  # abort the connection once `keep` is out
    close: bool = False  # the connection, after the body, unannounced
    hang: bool = False  # never answer

    @property
    def plain(self) -> bool:
        """Whether the body simply goes out."""
        return self == Delivery()
