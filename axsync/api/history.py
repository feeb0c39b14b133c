"""The days of which a server keeps history (docs/axonius-api.md, "History").

Only v1 has a path for them. Servers of both generations may answer it, and an account may be refused.
"""

import orjson

from axsync.api import paths
from axsync.errors import BadAnswer
from axsync.model import Reply, Request


def days_request() -> Request:
    """The days of history of all entity types."""
    _, path = paths.read("v1.dates")
    return Request("GET", path)


def read_days(reply: Reply, host: str) -> dict[str, dict[str, str]]:
    """Entity type → day → the timestamp under which v1 keeps it. Raises: BadAnswer."""
    try:
        answer = orjson.loads(reply.body)
    except orjson.JSONDecodeError as error:
        raise BadAnswer(f"{host} answered with something that is not JSON", host=host, status=reply.status) from error
    if not isinstance(answer, dict):
        raise BadAnswer(f"{host} answered with a bare value", host=host, status=reply.status)
    data = answer.get("data")
    attributes = data.get("attributes") if isinstance(data, dict) else None
    value = attributes.get("value") if isinstance(attributes, dict) else None
    listed = value if isinstance(value, dict) else {}
    return {e: {str(d): str(t) for d, t in days.items()} for e, days in listed.items() if isinstance(days, dict)}
