"""`python -m axsync.emulator`."""

from axsync.emulator.command import emulate

emulate()
