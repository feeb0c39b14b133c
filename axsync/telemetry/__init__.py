"""What machines see of a run: a metrics file, traces, lineage, a command at its end. Observers; none can fail a run."""

from axsync.telemetry.reporter import Fenced, Reporter, Summary, Warn, Watch
from axsync.telemetry.watch import watch_over

__all__ = ["Fenced", "Reporter", "Summary", "Warn", "Watch", "watch_over"]
