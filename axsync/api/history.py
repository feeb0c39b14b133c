"""The days of which a server keeps history (docs/axonius-api.md, "History").

Only v1 has a path for them. Servers of both generations may answer it, and an account may be refused.
"""

from axsync.api import paths
from axsync.api.envelope import read_object
from axsync.model import Reply, Request


def days_request() -> Request:
    """The days of history of all entity types."""
    return paths.get("v1.dates")


def read_days(reply: Reply, host: str) -> dict[str, dict[str, str]]:
    """Entity type → day → the timestamp under which v1 keeps it. Raises: BadAnswer."""
    data = read_object(reply, host).get("data")
    attributes = data.get("attributes") if isinstance(data, dict) else None
    value = attributes.get("value") if isinstance(attributes, dict) else None
    listed = value if isinstance(value, dict) else {}
    return {e: {str(d): str(t) for d, t in days.items()} for e, days in listed.items() if isinstance(days, dict)}
