"""What a program that axsync starts may know of the environment: what is listed here, and nothing else.

A list of what to leave out would miss the variable that nobody thought of.
"""

import re
from collections.abc import Mapping

_ALLOWED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|PWD|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|VIRTUAL_ENV"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|XDG_\w+|DBUS_SESSION_BUS_ADDRESS"
    r"|AXSYNC_HOME|AXSYNC_LAKE"
)
_PROXIES = re.compile(r"(?i:https?_proxy|all_proxy|no_proxy)")
_OF_SECRET_STORES = re.compile(
    r"(?:AWS|AZURE|BW|BWS|CLOUDSDK|CONJUR|DOPPLER|GOOGLE|GPG|INFISICAL|KUBERNETES|OP|PASSWORD_STORE|SOPS|SSH|VAULT)_\w+"
    r"|GNUPGHOME"
)


def child_environment(environ: Mapping[str, str], *, for_secrets: bool = False) -> dict[str, str]:
    """The environment of a program; `for_secrets`: one that fetches a secret, which has to log in to its store."""
    plain = {name: text for name, text in environ.items() if _ALLOWED.fullmatch(name)}
    proxies = {name: _without_user(text) for name, text in environ.items() if _PROXIES.fullmatch(name)}
    stores = {name: text for name, text in environ.items() if for_secrets and _OF_SECRET_STORES.fullmatch(name)}
    return {**plain, **proxies, **stores}


def _without_user(proxy: str) -> str:
    """The address of a proxy without user and password."""
    scheme, mark, rest = proxy.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
