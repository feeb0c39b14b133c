"""What machines see of a run: metrics file, traces, lineage, a command at the end. Observers that cannot fail a run.

Each kind of reporter is a module. Which of them a run has is chosen here from its settings, and those that cannot work
are refused before it starts.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from axsync.credentials import child_environment
from axsync.errors import ConfigError
from axsync.settings import InstanceSettings, RunSettings
from axsync.telemetry.finish import FinishCommand, argv_of
from axsync.telemetry.reporter import Reporter, Reporters, SafeReporter, Summary, Warn

__all__ = ["Reporters", "SafeReporter", "Summary", "Warn", "watch_over"]

_OTEL = "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"


def watch_over(
    run: RunSettings,
    warn: Warn,
    *,
    lake: str = "",
    instances: Sequence[InstanceSettings] = (),
    environ: Mapping[str, str] | None = None,
) -> Reporters:
    """The reporters that `run` configures; `lake` and `instances` are what it writes and reads.

    Raises: ConfigError if one of them cannot work.
    """
    environ = os.environ if environ is None else environ
    return Reporters(
        [SafeReporter(name, reporter, warn) for name, reporter in _reporters(run, lake, instances, environ)]
    )


def _reporters(
    run: RunSettings, lake: str, instances: Sequence[InstanceSettings], environ: Mapping[str, str]
) -> Iterator[tuple[str, Reporter]]:
    if run.metrics_file:
        from axsync.telemetry.metrics import MetricsFile  # noqa: PLC0415  its libraries are not needed otherwise

        yield "metrics_file", MetricsFile(_writable("metrics_file", run.metrics_file), time.time)
    if run.lineage_file:
        yield "lineage_file", _lineage(_writable("lineage_file", run.lineage_file), lake, instances, environ)
    if run.otel:
        yield "otel", _otel()
    if run.on_finish:
        # Last, so that the command finds the files of the others.
        own = child_environment(environ)
        yield "on_finish", FinishCommand(argv_of(run.on_finish, environ), run.on_finish_seconds, own)


def _writable(called: str, text: str) -> Path:
    path = Path(text).expanduser()
    if path.is_dir():
        raise ConfigError(f"{called} must be a file, but {text!r} is a folder")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{called} is in the folder {str(path.absolute().parent)!r}, which does not exist")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise ConfigError(f"{called} cannot be written: no permission to write {text!r}")
    return path


def _otel() -> Reporter:
    try:
        from axsync.telemetry.otel import to_collector  # noqa: PLC0415  an extra
    except ImportError as error:
        raise ConfigError(f"otel needs OpenTelemetry: pip install {_OTEL}") from error
    try:
        return to_collector()
    except ValueError as error:  # its words may repeat an address with a key
        raise ConfigError("otel: OpenTelemetry does not accept the value of one of the OTEL_* variables") from error


def _lineage(path: Path, lake: str, instances: Sequence[InstanceSettings], environ: Mapping[str, str]) -> Reporter:
    try:
        from axsync.telemetry.lineage import Lineage  # noqa: PLC0415  an extra
    except ImportError as error:
        raise ConfigError("lineage_file needs OpenLineage: pip install openlineage-python") from error
    urls = {instance.name: instance.url for instance in instances}
    return Lineage(path, lake=lake, urls=urls, namespace=environ.get("OPENLINEAGE_NAMESPACE") or "axsync")
