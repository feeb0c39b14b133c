"""aiohttp's errors as errors of our own: some of its messages print the headers of a request, and so the secret."""

import ssl

import aiohttp

from axsync.client.connection import ConnectionConfig
from axsync.client.statuses import NotRetryable, TimedOut
from axsync.errors import ProxyRefused, ServerError, Unreachable, Untrusted

NOT_TRUSTED = "does not prove who it is"
WANTS_CERTIFICATE = "asks for a client certificate"
TURNED_DOWN = "does not take the client certificate"


def translated(error: Exception, way: ConnectionConfig) -> ServerError:
    """What broke on this way, and what that means; `error` is never chained."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return of_proxy(error.status, way)
    if isinstance(error, TimeoutError):
        return TimedOut(f"{way.host} did not answer in time", host=way.host)
    if (cause := _tls_error(error)) is not None:
        return untrusted(cause, _asked(error, way))
    who = f"the proxy {way.proxy}" if way.proxy and isinstance(error, aiohttp.ClientConnectorError) else way.host
    return Unreachable(f"{who}: {plain(error)}", host=way.host)


def _tls_error(error: BaseException | None) -> ssl.SSLError | ssl.CertificateError | None:
    """The TLS error below; in TLS 1.3 the server says only after the handshake that it wants a certificate."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error if isinstance(error.certificate_error, ssl.SSLError) else None
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return error.os_error if isinstance(error.os_error, ssl.SSLError) else None
    while error is not None and not isinstance(error, ssl.SSLError | ssl.CertificateError):
        error = error.__cause__ or error.__context__
    return error


def _asked(error: Exception, way: ConnectionConfig) -> str:
    """Whose certificate it was: with a proxy that speaks TLS itself there are two."""
    name = getattr(error, "host", way.place[0])
    return f"the proxy {way.proxy}" if way.proxy and name != way.place[0] else way.host


FAULTS = {9: "early", 10: "expired", 62: "name", 63: "name", 64: "name"}
"""OpenSSL's codes for what is wrong with a certificate; all others are about who issued it (X509_V_ERR_…)."""


def untrusted(error: Exception, who: str) -> Untrusted:
    """Why there is no safe connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        fault = FAULTS.get(error.verify_code, "issuer")
        return Untrusted(f"{who} {NOT_TRUSTED}", host=who, detail=error.verify_message.rstrip("."), fault=fault)
    reason = getattr(error, "reason", None) or ""
    if "CERTIFICATE_REQUIRED" in reason:
        return Untrusted(f"{who} {WANTS_CERTIFICATE}", host=who, detail=told(reason), fault="missing")
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
        return Untrusted(f"{who} {TURNED_DOWN}", host=who, detail=told(reason), fault="unwanted")
    return Untrusted(f"no safe connection to {who}", host=who, detail=told(reason) or type(error).__name__)


def told(reason: str) -> str:
    """OpenSSL's name of a reason, such as WRONG_VERSION_NUMBER, as words."""
    return reason.replace("_", " ").lower()


def of_proxy(status: int, way: ConnectionConfig) -> ServerError:
    """What it means that a proxy does not let through."""
    named = f"the proxy {way.proxy}"
    if status == 407:
        known = way.proxy is not None and way.proxy.authorization() is not None
        told = "does not accept its user and password" if known else "asks for a user and a password"
        return ProxyRefused(f"{named} {told}", host=way.host, status=status)
    message = f"{named} answered {status} to the wish to reach {way.host}"
    kind = Unreachable if status >= 500 or status == 429 else NotRetryable
    return kind(message, host=way.host, status=status)


def plain(error: BaseException) -> str:
    """What broke."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host name is not known"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {error.os_error.strerror or 'the system gives no reason'}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer was cut off"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return "the connection was closed before an answer"
    if isinstance(error, aiohttp.ClientResponseError):
        return "the answer is not HTTP, or its headers are too long or too many"
    reason = error.strerror if isinstance(error, OSError) else None
    return f"the connection failed ({reason or type(error).__name__})"
