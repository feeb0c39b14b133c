"""Second line of defence: removes key and secret from texts of servers and proxies."""

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote

from axsync.credentials.values import MASK, Credential, Secret


def redact(text: str, credential: Credential, *more: Secret) -> str:
    """The text without key, secret and `more`, also if they appear URL-encoded, as JSON or as HTTP Basic."""
    plain = [one.reveal() for one in (credential.key, credential.secret, *more)]
    forms = {form for one in plain for form in _forms(one) if form} | {basic(credential)}
    for form in sorted(forms, key=len, reverse=True):  # longest first: one may contain another
        text = text.replace(form, MASK)
    return text


def basic(credential: Credential) -> str:
    """Key and secret in the format of HTTP Basic (RFC 7617)."""
    return base64.b64encode(f"{credential.key.reveal()}:{credential.secret.reveal()}".encode()).decode()


def _forms(text: str) -> Iterator[str]:
    yield text
    yield quote(text, safe="")
    yield json.dumps(text)[1:-1]
