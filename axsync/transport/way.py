"""How an instance is reached: the headers of every request, and whose certificates are trusted."""

import ssl
from collections.abc import Mapping
from importlib.metadata import version

import aiohttp

from axsync.credentials import Credential
from axsync.settings import InstanceSettings


def unpack_quickly() -> None:
    """Unpack gzip answers with the extra `isal` where it is installed: half the CPU (performance study, 3)."""
    try:
        from isal import isal_zlib  # an extra
    except ImportError:
        return
    aiohttp.set_zlib_backend(isal_zlib)


def signed_headers(credential: Credential) -> Mapping[str, str]:
    # Both generations take the same two headers; names as in API reference 2.1.
    return {
        "api-key": credential.key.reveal(),
        "api-secret": credential.secret.reveal(),
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "Content-Type": "application/json",
        "User-Agent": f"axsync/{version('axsync')}",
    }


def trust(settings: InstanceSettings) -> ssl.SSLContext | bool:
    # True is aiohttp's own verifying context with the system's authorities, loaded once and not per instance.
    return ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file else True
