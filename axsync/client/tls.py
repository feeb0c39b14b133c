"""Whose certificates are trusted, and which one is shown."""

import ssl
from collections.abc import Callable, Mapping
from functools import cache

from axsync.credentials import resolve
from axsync.errors import ConfigError
from axsync.settings import InstanceSettings


def client_context(settings: InstanceSettings, environ: Mapping[str, str]) -> ssl.SSLContext:
    """How connections to this instance are made safe.

    Raises: ConfigError, where a file cannot be used.
    """
    if not (settings.ca_file or settings.client_cert or settings.insecure_tls):
        return system_context()
    context = _trusting(settings)
    if settings.client_cert:
        _show(context, settings, environ)
    return context


@cache
def system_context() -> ssl.SSLContext:
    """With the system's authorities, which take a while to load: once and not per instance."""
    return _new()


def _new(ca_file: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def unverified() -> ssl.SSLContext:
    """For `insecure_tls`, and to look at a certificate that is not trusted; nothing secret may travel there."""
    context = _new()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _trusting(settings: InstanceSettings) -> ssl.SSLContext:
    if settings.insecure_tls:
        return unverified()
    try:
        return _new(settings.ca_file or None)
    except ssl.SSLError as error:
        raise ConfigError("ca_file holds no certificate in PEM form") from error
    except OSError as error:
        raise ConfigError(f"ca_file cannot be read ({error.strerror})") from error


def _show(context: ssl.SSLContext, settings: InstanceSettings, environ: Mapping[str, str]) -> None:
    try:
        context.load_cert_chain(
            settings.client_cert, settings.client_key or None, password=_password(settings, environ)
        )
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError("client_key does not belong to client_cert") from error
        secret = " with this client_key_password" if settings.client_key_password else ""
        named = "client_cert and client_key" if settings.client_key else "client_cert"
        raise ConfigError(f"{named} cannot be used as certificate and key in PEM form{secret}") from error
    except OSError as error:
        raise ConfigError(f"client_cert or client_key cannot be read ({error.strerror})") from error


def _password(settings: InstanceSettings, environ: Mapping[str, str]) -> Callable[[], str]:
    """Asked only for a key that is encrypted; without it OpenSSL would ask the terminal."""

    def password() -> str:
        if not settings.client_key_password:
            raise ConfigError("client_key is encrypted; client_key_password says where its password is kept")
        return resolve(settings.client_key_password, environ=environ).reveal()

    return password
