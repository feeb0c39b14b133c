"""A small Axonius on loopback, for the demo, the tests, and users' own tests.

It shares no code with the rest of axsync: a misreading of the API must not cancel itself out.
"""

from __future__ import annotations

from axsync.emulator.fleet import Fleet
from axsync.emulator.journal import Seen
from axsync.emulator.mishaps.kinds import KINDS
from axsync.emulator.mishaps.model import Mishap
from axsync.emulator.mishaps.spec import from_spec
from axsync.emulator.options import Options
from axsync.emulator.server import Emulator, serve

__all__ = ["KINDS", "Emulator", "Fleet", "Mishap", "Options", "Seen", "from_spec", "serve"]
