"""Who may ask: requests with the keys of the instance, or with a bearer token of its OAuth client."""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass

from axsync.emulator.messages import ApiError, ApiReply, ApiRequest, bad_request, json_reply
from axsync.emulator.options import Options

TOKEN_PATH = "/api/oauth2/token"  # noqa: S105  a path


def authenticate(request: ApiRequest, options: Options, tokens: BearerTokens) -> None:
    """Accept a request with the right keys or a valid token.

    Raises:
        ApiError: a 401.
    """
    if request.path == TOKEN_PATH:
        return  # authenticated by the OAuth client instead
    if "Authorization" in request.headers:
        tokens.check(request.headers["Authorization"])
        return
    keys = (request.headers.get("api-key", "").strip(), request.headers.get("api-secret", "").strip())
    if keys != (options.api_key, options.api_secret):
        raise ApiError(401, "Unauthorized", "Invalid API key or secret")


@dataclass(slots=True)
class _Issued:
    until: float  # monotonic seconds
    requests: int = 0


class BearerTokens:
    """All bearer tokens of one instance: issued, expired, revoked. `given` counts those that were issued."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._valid: dict[str, _Issued] = {}
        self.given = 0

    def grant(self, request: ApiRequest) -> ApiReply:
        """Answer a token request (client credentials, HTTP Basic).

        Raises:
            ApiError: a 401 for an unknown client, a 400 for another grant type.
        """
        token = self._issue(request.headers.get("Authorization", ""))
        grant = request.body.get("grant_type") if isinstance(request.body, dict) else None
        if grant != "client_credentials":
            raise bad_request("unsupported_grant_type")
        return json_reply({"access_token": token, "token_type": "Bearer", "expires_in": self._options.bearer_seconds})

    def _issue(self, authorization: str) -> str:
        scheme, _, text = authorization.partition(" ")
        try:
            client = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            client = ""
        if scheme.lower() != "basic" or client != f"{self._options.client_id}:{self._options.client_secret}":
            raise ApiError(401, "Unauthorized", "Invalid client")
        self.given += 1
        token = f"bearer-{self._options.seed}-{self.given}.of+the~emulator/"
        self._valid[token] = _Issued(time.monotonic() + self._options.bearer_seconds)
        return token

    def check(self, authorization: str) -> None:
        """Accept a request that carries a valid token.

        Raises:
            ApiError: a 401.
        """
        scheme, _, token = authorization.partition(" ")
        issued = self._valid.get(token)
        if scheme.lower() != "bearer" or issued is None or time.monotonic() >= issued.until:
            raise ApiError(401, "Unauthorized", "The token is invalid or has expired")
        issued.requests += 1
        if issued.requests == self._options.bearer_requests:
            del self._valid[token]

    def revoke(self) -> None:
        """Invalidate every token that was issued so far."""
        self._valid.clear()
