"""Bearer tokens for OAuth clients: given out, checked, expired, revoked."""

from __future__ import annotations

import base64
import binascii
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from axsync.emulator.calls import Call, Refusal, Reply, Route, answered, bad_request
from axsync.emulator.options import Options

if TYPE_CHECKING:
    from axsync.emulator.instance import Instance

TOKEN_PATH = "/api/oauth2/token"  # noqa: S105  a path


@dataclass(slots=True)
class _Given:
    until: float
    requests: int = 0


class Tokens:
    """All tokens of one instance. `given` counts those that were given out."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._valid: dict[str, _Given] = {}
        self.given = 0

    def give(self, authorization: str) -> str:
        """A new token for the client that HTTP Basic names.

        Raises:
            Refusal: a 401.
        """
        scheme, _, text = authorization.partition(" ")
        try:
            client = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            client = ""
        if scheme.lower() != "basic" or client != f"{self._options.client_id}:{self._options.client_secret}":
            raise Refusal(401, "Unauthorized", "Invalid client")
        self.given += 1
        token = f"bearer-{self._options.seed}-{self.given}.of+the~emulator/"
        self._valid[token] = _Given(time.monotonic() + self._options.bearer_seconds)
        return token

    def check(self, authorization: str) -> None:
        """Let a request with a valid token pass.

        Raises:
            Refusal: a 401.
        """
        scheme, _, token = authorization.partition(" ")
        given = self._valid.get(token)
        if scheme.lower() != "bearer" or given is None or time.monotonic() >= given.until:
            raise Refusal(401, "Unauthorized", "The token is invalid or has expired")
        given.requests += 1
        if given.requests == self._options.bearer_requests:
            del self._valid[token]

    def revoke(self) -> None:
        """None of them is valid any more."""
        self._valid.clear()


async def _token(instance: Instance, call: Call) -> Reply:
    token = instance.tokens.give(call.headers.get("Authorization", ""))
    grant = call.body.get("grant_type") if isinstance(call.body, dict) else None
    if grant != "client_credentials":
        raise bad_request("unsupported_grant_type")
    return answered({"access_token": token, "token_type": "Bearer", "expires_in": instance.options.bearer_seconds})


TOKEN_ROUTE = Route("token", "POST", re.compile(re.escape(TOKEN_PATH)), _token)
