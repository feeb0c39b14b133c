"""Requests and replies as the wire has them."""

import json
from typing import Any

from axsync.model import Reply, Request

HOST = "acme.on.axonius.com"


def asked(request: Request) -> tuple[str, str, Any]:
    """Method, path, and the body as JSON."""
    return request.method, request.path, None if request.body is None else json.loads(request.body)


def reply(answer: object, status: int = 200) -> Reply:
    """An answer that is JSON."""
    return Reply(status, {"content-type": "application/json"}, json.dumps(answer).encode())


def raw(body: bytes, status: int = 200) -> Reply:
    """An answer that is any bytes."""
    return Reply(status, {}, body)
