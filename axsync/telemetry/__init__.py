"""What machines see of a run: a metrics file, traces, lineage, a command at its end. Observers; none can fail a run."""

from axsync.telemetry.reporter import Reporter, Reporters, SafeReporter, Summary, Warn
from axsync.telemetry.watch import watch_over

__all__ = ["Reporter", "Reporters", "SafeReporter", "Summary", "Warn", "watch_over"]
