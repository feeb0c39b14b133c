"""What machines see of a run: metrics file, traces, lineage, a command at the end. Observers that cannot fail a run."""

from axsync.telemetry.reporter import Reporter, Reporters, SafeReporter, Summary, Warn
from axsync.telemetry.watch import watch_over

__all__ = ["Reporter", "Reporters", "SafeReporter", "Summary", "Warn", "watch_over"]
