"""A small Axonius on loopback, for the demo, the tests, and users' own tests.

It shares no code with the rest of axsync: a misreading of the API must not cancel itself out.
"""

from __future__ import annotations

from axsync.emulator.dataset import Dataset
from axsync.emulator.faults import KINDS, Fault, from_spec
from axsync.emulator.options import Options
from axsync.emulator.server import Emulator, serve
from axsync.emulator.traffic import Seen

# Former names; they keep working.
Mishap = Fault
Fleet = Dataset

__all__ = ["KINDS", "Dataset", "Emulator", "Fault", "Fleet", "Mishap", "Options", "Seen", "from_spec", "serve"]
