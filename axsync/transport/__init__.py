"""The only package that opens sockets."""

from axsync.transport.ask import Ask, Counters
from axsync.transport.client import Transport
from axsync.transport.reach import STEPS, Stage, reach
from axsync.transport.way import Way, find_way

__all__ = ["STEPS", "Ask", "Counters", "Stage", "Transport", "Way", "find_way", "reach"]
