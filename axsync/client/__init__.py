"""Client of one instance: connection, requests, capabilities. The only package that opens sockets to a server."""

from axsync.client.connection import ConnectionConfig, connection_config
from axsync.client.diagnostics import STEPS, Stage, diagnose
from axsync.client.history_days import history_mark
from axsync.client.probing import Known, probe
from axsync.client.source import Source
from axsync.client.transport import Counters, RequestContext, Transport

__all__ = [
    "STEPS",
    "ConnectionConfig",
    "Counters",
    "Known",
    "RequestContext",
    "Source",
    "Stage",
    "Transport",
    "connection_config",
    "diagnose",
    "history_mark",
    "probe",
]
