"""The only package that opens sockets."""

from axsync.transport.ask import Ask, Counters
from axsync.transport.client import Transport
from axsync.transport.way import Way, find_way

__all__ = ["Ask", "Counters", "Transport", "Way", "find_way"]
