"""The second line: texts from elsewhere lose key and secret before anybody sees them."""

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote

from axsync.credentials.values import MASK, Credential, Secret


def redact(text: str, credential: Credential, *more: Secret) -> str:
    """The text without key, secret and what `more` holds, also where they stand URL-encoded, as JSON or as Basic."""
    plain = [one.reveal() for one in (credential.key, credential.secret, *more)]
    forms = {form for one in plain for form in _forms(one) if form} | {basic(credential)}
    for form in sorted(forms, key=len, reverse=True):  # the longer first: one may be part of the other
        text = text.replace(form, MASK)
    return text


def basic(credential: Credential) -> str:
    """Key and secret as HTTP Basic writes them (RFC 7617)."""
    return base64.b64encode(f"{credential.key.reveal()}:{credential.secret.reveal()}".encode()).decode()


def _forms(text: str) -> Iterator[str]:
    yield text
    yield quote(text, safe="")
    yield json.dumps(text)[1:-1]
