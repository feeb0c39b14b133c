"""A REST catalog of Iceberg tables that has none: it stages, refuses, and repeats whatever it is sent."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self

import pytest

GIVEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.given-out"
"""The token that it gives for a credential."""
Answer = tuple[int, object]


def _error(status: int, told: str) -> Answer:
    return status, {"error": {"message": told, "type": "BadRequestException", "code": status}}


ECHOES: Mapping[str, Callable[[str], Answer]] = {
    "json": lambda sent: _error(400, sent),
    "away": lambda sent: _error(503, sent),
    "page": lambda sent: (500, f"<html>{sent}</html>"),
    "odd": lambda sent: (422, {"sent": sent}),
}
"""What it says of all requests but the first ones."""


@dataclass(slots=True)
class Rest:
    """`staged` is what it says to a table that is staged: a location, empty for the one that is wished, or an error."""

    url: str
    staged: str | tuple[int, str] = ""
    echo: str = ""
    asked: list[str] = field(default_factory=list)
    sent: str = ""
    secrets: tuple[str, ...] = ("credential-one", "password-two", "header-three", "query-four", "key-five")

    @classmethod
    @contextmanager
    def serving(cls) -> Iterator[Self]:
        """One that listens on loopback."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        rest = cls(f"127.0.0.1:{server.server_port}")
        _Handler.rest = rest
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield rest
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def configure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make it known to pyiceberg as `house`."""
        credential, password, header, query, key = self.secrets
        settings = {
            "TYPE": "rest",
            "URI": f"http://me:{password}@{self.url}/?token={query}&at=",
            "OAUTH2_SERVER_URI": f"http://{self.url}/tokens",
            "CREDENTIAL": f"me:{credential}",
            "HEADER__X_API_KEY": header,
            "S3__SECRET_ACCESS_KEY": key,
        }
        for name, value in settings.items():
            monkeypatch.setenv(f"PYICEBERG_CATALOG__HOUSE__{name}", value)

    def answer(self, method: str, path: str, headers: str, body: str) -> Answer:
        """Status and what is said."""
        if path.endswith("/tokens"):
            return 200, {"access_token": GIVEN, "token_type": "bearer"}
        if path.endswith("/config"):
            return 200, {"defaults": {}, "overrides": {}}
        self.sent = f"{path} {headers} {body} {' '.join(self.secrets)}".replace("\n", " ")
        self.sent += base64.b64encode(f"me:{self.secrets[0]}".encode()).decode()
        if self.echo:
            return ECHOES[self.echo](self.sent)
        self.asked.append(f"{method} {path.rpartition('/v1')[2]}")
        return self._of_a_namespace(method, path, body)

    def _of_a_namespace(self, method: str, path: str, body: str) -> Answer:
        if method == "GET":
            return 404, ""
        if method == "DELETE":
            return 204, ""
        if not path.endswith("/tables"):
            return 200, {"namespace": ["security"], "properties": {}}
        return _error(*self.staged) if isinstance(self.staged, tuple) else (200, _staged(json.loads(body), self.staged))


def _staged(wish: Mapping[str, object], location: str) -> object:
    metadata = {
        "format-version": 2,
        "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1",
        "location": location or wish["location"],
        "last-sequence-number": 0,
        "last-updated-ms": 1,
        "last-column-id": 2,
        "schemas": [wish["schema"]],
        "current-schema-id": 0,
        "partition-specs": [wish["partition-spec"]],
        "default-spec-id": 0,
        "last-partition-id": 1001,
    }
    return {"metadata": metadata, "config": {}}


class _Handler(BaseHTTPRequestHandler):
    """Says what the catalog answers."""

    rest: Rest

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        status, told = self.rest.answer(self.command, self.path, str(self.headers), body)
        content = (told if isinstance(told, str) else json.dumps(told)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815  as the library calls them

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""
