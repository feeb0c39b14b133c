"""One instance as the engine and the commands see it: questions in, answers out."""

from axsync.source.history import history_mark
from axsync.source.instance import Source
from axsync.source.probe import probe

__all__ = ["Source", "history_mark", "probe"]
