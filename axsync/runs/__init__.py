"""The use cases: a run, and looks at instances. With `config` this is the public interface."""

from axsync.runs.backfill import Backfill, BackfillDay, backfill
from axsync.runs.check import CheckStep, EntityCheck, InstanceCheck, check
from axsync.runs.inspect import EntityRow, FieldRow, QueryRow, entities, fields, queries
from axsync.runs.plan import Plan, PlanRow, plan
from axsync.runs.run import Report, sync
from axsync.runs.stream import stream

__all__ = [
    "Backfill",
    "BackfillDay",
    "CheckStep",
    "EntityCheck",
    "EntityRow",
    "FieldRow",
    "InstanceCheck",
    "Plan",
    "PlanRow",
    "QueryRow",
    "Report",
    "backfill",
    "check",
    "entities",
    "fields",
    "plan",
    "queries",
    "stream",
    "sync",
]
