"""The only package that opens sockets."""

from axsync.transport.ask import Ask, Counters
from axsync.transport.client import Transport

__all__ = ["Ask", "Counters", "Transport"]
