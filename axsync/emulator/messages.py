"""Requests and replies as plain values. Nothing here touches a socket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from multidict import MultiMapping

from axsync.emulator.faults import Fault
from axsync.emulator.fields import Json
from axsync.emulator.pages import PageRequest

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One HTTP request, read and parsed."""

    method: str
    path: str
    params: MultiMapping[str]
    headers: Mapping[str, str]
    body: Json  # None without a body
    match: Mapping[str, str] = field(default_factory=dict)  # the named groups of the path
    page: PageRequest | None = None  # on paths that serve pages
    faults: tuple[Fault, ...] = ()  # those that fired for this request

    @property
    def entity(self) -> str:
        """The entity type in the path, or an empty string."""
        return self.match.get("entity", "")

    @property
    def page_request(self) -> PageRequest:
        """The requested page; only on paths that serve pages."""
        if self.page is None:
            raise TypeError(f"{self.path} serves no pages")
        return self.page

    def number(self, name: str, default: int) -> int:
        """A parameter that is a whole number.

        Raises:
            ApiError: a 400 for any other text.
        """
        text = self.params.get(name, str(default))
        if not text.isdecimal():
            raise bad_request(f"{name}: Not a valid integer.")
        return int(text)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a body is sent when it is not sent plainly: delays, cuts, wrong framing."""

    wait_seconds: float = 0.0  # before the first byte
    keep: int | None = None  # send only this many bytes of the body; None: all of them
    framing: str = "whole"  # Content-Length of the whole body, or "sent" (what is kept), "chunked", "close"
    stall: bool = False  # send nothing more after the bytes that are kept
    drip_bytes: int = 0  # per piece; 0: do not split
    drip_seconds: float = 0.0  # between pieces
    reset: bool = False  # abort the connection once `keep` bytes are sent
    close: bool = False  # close the connection after the body without announcing it
    hang: bool = False  # never reply

    @property
    def plain(self) -> bool:
        """Whether the body is sent as usual."""
        return self == Delivery()


@dataclass(frozen=True, slots=True)
class ApiReply:
    """One reply, ready to be written."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE
    delivery: Delivery = field(default_factory=Delivery)


class ApiError(Exception):
    """An error status, with the body that the server sends.

    Attributes: status, title, description.
    """

    def __init__(self, status: int, title: str, description: str) -> None:
        super().__init__(f"{status} {title}: {description}")
        self.status, self.title, self.description = status, title, description

    def reply(self) -> ApiReply:
        """The reply with this error (docs/axonius-api.md, "Errors and maintenance")."""
        return error_reply(self.status, self.title, self.description)


def json_reply(body: Json, *, status: int = 200) -> ApiReply:
    """A reply with a JSON body."""
    return ApiReply(status, json.dumps(body, ensure_ascii=False).encode())


def error_reply(status: int, title: str, description: str) -> ApiReply:
    """A reply with an errors[] body."""
    error_id = blake2b(description.encode(), digest_size=2).hexdigest()
    body = {"errors": [{"error": title, "description": description}], "error_id": f"e-{error_id}", "status": status}
    return json_reply(body, status=status)


def bad_request(description: str) -> ApiError:
    """A 400."""
    return ApiError(400, "Bad Request", description)


def unknown_key(key: str, accepted: frozenset[str]) -> ApiError:
    """The 400 that lists the accepted keys (docs/axonius-api.md, "Endpoints")."""
    names = ", ".join(sorted(accepted))
    return bad_request(f"Type error: got an unexpected keyword argument '{key}'. Accepted keyword arguments: {names}")
