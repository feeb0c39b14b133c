"""TLS to an instance: whom it trusts, the client's certificate, and what a server's certificate says."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from axsync.credentials import resolve
from axsync.errors import ConfigError
from axsync.model import iso
from axsync.settings import InstanceSettings

if TYPE_CHECKING:
    from cryptography import x509

MOST_NAMES = 3
"""Subject names of a certificate that are shown."""
_ALTERNATIVE_NAMES = "2.5.29.17"  # the extension that holds them (RFC 5280)


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


@dataclass(frozen=True, slots=True)
class Certificate:
    """What `axsync check` shows of a certificate: subject names, issuer, expiry, and days left; negative if expired."""

    names: str
    issuer: str
    expires: str  # ISO, UTC
    days_left: int

    def __str__(self) -> str:
        day = self.expires[:10]
        if self.days_left < 0:
            return f"issued by {self.issuer}, expired {day}"
        days = "1 day" if self.days_left == 1 else f"{self.days_left} days"
        return f"issued by {self.issuer}, expires {day} ({days} left)"

    def facts(self) -> dict[str, str | int | float | None]:
        """The same facts as a mapping, for machines."""
        return {"names": self.names, "issuer": self.issuer, "expires": self.expires, "days_left": self.days_left}


def _names(found: "x509.Certificate") -> str:
    alternatives = (one.value for one in found.extensions if one.oid.dotted_string == _ALTERNATIVE_NAMES)
    names = [str(name.value) for listed in alternatives for name in listed]
    if not names:
        return "nobody"
    return ", ".join(names[:MOST_NAMES]) + (" and others" if len(names) > MOST_NAMES else "")


def read_certificate(der: bytes, *, now: datetime | None = None) -> Certificate:
    """Read a certificate in DER form. Raises: ValueError if it cannot be read; OpenSSL accepts some that cannot."""
    from cryptography import x509  # noqa: PLC0415  takes 60 ms, and only `axsync check` looks at certificates

    try:
        found = x509.load_der_x509_certificate(der)
        ends, names = found.not_valid_after_utc, _names(found)
        named = [
            str(attribute.value)
            for oid in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME)
            for attribute in found.issuer.get_attributes_for_oid(oid)
        ]
        issuer = named[0] if named else found.issuer.rfc4514_string()
    except (x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(str(error)) from error
    return Certificate(names, issuer, iso(ends), (ends - (now or datetime.now(UTC))) // timedelta(days=1))
