"""TLS contexts: trusted authorities and client certificates."""

import ssl
from collections.abc import Callable, Mapping
from functools import cache

from axsync.credentials import resolve
from axsync.errors import ConfigError
from axsync.settings import InstanceSettings


def client_context(settings: InstanceSettings, environ: Mapping[str, str]) -> ssl.SSLContext:
    """The TLS context for this instance.

    Raises: ConfigError if a file cannot be used.
    """
    if not (settings.ca_file or settings.client_cert or settings.insecure_tls):
        return system_context()
    context = _trusted_context(settings)
    if settings.client_cert:
        _load_client_certificate(context, settings, environ)
    return context


@cache
def system_context() -> ssl.SSLContext:
    """The context with the system's authorities, loaded once because that is slow."""
    return _new_context()


def _new_context(ca_file: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def unverified() -> ssl.SSLContext:
    """A context without verification, for `insecure_tls` and to inspect an untrusted certificate.

    Send no secret over it in the second case.
    """
    context = _new_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _trusted_context(settings: InstanceSettings) -> ssl.SSLContext:
    if settings.insecure_tls:
        return unverified()
    try:
        return _new_context(settings.ca_file or None)
    except ssl.SSLError as error:
        raise ConfigError("ca_file contains no certificate in PEM form") from error
    except OSError as error:
        raise ConfigError(f"ca_file cannot be read ({error.strerror})") from error


def _load_client_certificate(context: ssl.SSLContext, settings: InstanceSettings, environ: Mapping[str, str]) -> None:
    try:
        context.load_cert_chain(
            settings.client_cert, settings.client_key or None, password=_password(settings, environ)
        )
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError("client_key does not match client_cert") from error
        secret = " with this client_key_password" if settings.client_key_password else ""
        named = "client_cert and client_key" if settings.client_key else "client_cert"
        raise ConfigError(f"{named} cannot be read as a PEM certificate and key{secret}") from error
    except OSError as error:
        raise ConfigError(f"client_cert or client_key cannot be read ({error.strerror})") from error


def _password(settings: InstanceSettings, environ: Mapping[str, str]) -> Callable[[], str]:
    """Called only for an encrypted key. Without it OpenSSL would prompt on the terminal."""

    def password() -> str:
        if not settings.client_key_password:
            raise ConfigError("client_key is encrypted; set client_key_password to a reference to its password")
        return resolve(settings.client_key_password, environ=environ).reveal()

    return password
