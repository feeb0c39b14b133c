"""What arrives and what leaves, as plain values; nothing here knows a socket."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from re import Pattern
from typing import Any

from multidict import MultiMapping

from axsync.emulator.asks import Ask
from axsync.emulator.columns import Json
from axsync.emulator.delivery import Delivery
from axsync.emulator.mishaps.model import Mishap

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read and parsed."""

    method: str
    path: str
    params: MultiMapping[str]
    headers: Mapping[str, str]
    body: Json  # None when there was none, or when it was not JSON
    match: Mapping[str, str] = field(default_factory=dict)  # the named pieces of the path
    page: Ask | None = None  # what it asks for, when it asks for a page
    struck: tuple[Mishap, ...] = ()  # what goes wrong with it

    @property
    def entity(self) -> str:
        """The entity type in the path, or an empty text."""
        return self.match.get("entity", "")

    @property
    def ask(self) -> Ask:
        """The page it asks for; only for paths that serve pages."""
        if self.page is None:
            raise TypeError(f"{self.path} serves no pages")
        return self.page


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, ready to be written."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE
    delivery: Delivery = field(default_factory=Delivery)


@dataclass(frozen=True, slots=True)
class Route:
    """One readable path of the API."""

    name: str  # the word by which mishaps address it
    method: str
    pattern: Pattern[str]
    answer: Callable[[Any, Call], Awaitable[Reply]]  # Any: the Instance, which knows this module
    ask: Callable[[Any, Call], Ask] | None = None  # for paths that serve pages


class Refusal(Exception):
    """The server's no, with the body it sends.

    Attributes: status, title, description.
    """

    def __init__(self, status: int, title: str, description: str) -> None:
        super().__init__(f"{status} {title}: {description}")
        self.status, self.title, self.description = status, title, description

    def reply(self) -> Reply:
        """The body of a v2 error (docs/axonius-api.md, "Errors and maintenance")."""
        return refused(self.status, self.title, self.description)


def refused(status: int, title: str, description: str) -> Reply:
    """An answer with an errors[] body."""
    mark = blake2b(description.encode(), digest_size=2).hexdigest()
    body = {"errors": [{"error": title, "description": description}], "error_id": f"e-{mark}", "status": status}
    return answered(body, status=status)


def answered(body: Json, *, status: int = 200) -> Reply:
    """An answer with a JSON body."""
    return Reply(status, json.dumps(body, ensure_ascii=False).encode())


def bad_request(description: str) -> Refusal:
    """A 400."""
    return Refusal(400, "Bad Request", description)


def unknown_key(key: str, accepted: frozenset[str]) -> Refusal:
    """The 400 that names what would have been accepted (docs/axonius-api.md, "Endpoints")."""
    names = ", ".join(sorted(accepted))
    return bad_request(f"Type error: got an unexpected keyword argument '{key}'. Accepted keyword arguments: {names}")
