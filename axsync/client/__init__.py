"""Client of one instance: connection, requests, capabilities. The only package that opens sockets to a server."""

from axsync.client.connection import connection_config
from axsync.client.probing import Known, probe
from axsync.client.source import Source
from axsync.client.transport import Transport

__all__ = ["Known", "Source", "Transport", "connection_config", "probe"]
