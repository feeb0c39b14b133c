"""The use cases: a run, and looks at instances. With `config` this is the public interface."""

from axsync.sync.look import check, entities, fields
from axsync.sync.report import CheckStep, EntityCheck, EntityRow, FieldRow, InstanceCheck, Report
from axsync.sync.run import sync
from axsync.sync.stream import stream

__all__ = [
    "CheckStep",
    "EntityCheck",
    "EntityRow",
    "FieldRow",
    "InstanceCheck",
    "Report",
    "check",
    "entities",
    "fields",
    "stream",
    "sync",
]
