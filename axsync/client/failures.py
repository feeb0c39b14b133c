"""What a failed request means: our own error for each status and each exception, and whether a retry can help.

aiohttp's exceptions are never chained: some of their messages print request headers, and so the secret.
"""

import ssl
from urllib.parse import urlsplit

import aiohttp

from axsync.api.envelope import error_words, is_web_page, page_title
from axsync.client.connection import ConnectionConfig
from axsync.errors import (
    BadRequest,
    NotOffered,
    ProxyRefused,
    Redirected,
    Refused,
    ServerError,
    TooLarge,
    Unreachable,
    Untrusted,
    WebPage,
)
from axsync.model import Reply
from axsync.pacing.health import Heard

NOT_TRUSTED = "does not prove who it is"
WANTS_CERTIFICATE = "asks for a client certificate"
TURNED_DOWN = "does not take the client certificate"
FAULTS = {9: "early", 10: "expired", 62: "name", 63: "name", 64: "name"}
"""OpenSSL's codes for what is wrong with a certificate (X509_V_ERR_…); all others concern its issuer."""


class RetryableStatus(Unreachable):
    """A transient status: a retry may help."""

    retry_after: str | None = None


class RetryablePage(RetryableStatus, WebPage):
    """A web page with a good status, treated like a transient status."""


class TimedOut(Unreachable):
    """No answer within the timeout."""


class NotRetryable(Unreachable):
    """A retry cannot help."""


class NotRetryablePage(NotRetryable, WebPage):
    """Web pages for so long that a retry is pointless."""


class TooLargeAnswer(TooLarge, NotRetryable):
    """More bytes than an answer may have; it would have them again."""


class RedirectAnswer(Redirected, NotRetryable):
    """A redirect; the same request would be redirected again."""


# ------------------------------------------------------------------------------------------------------------ statuses


def judge(reply: Reply, host: str, *, instance: str) -> None:
    """Accept a good answer. Raises: the error for its status. A web page with a good status counts as 502."""
    if 200 <= reply.status < 300:
        if is_web_page(reply):
            raise _page_error(reply, host, instance)
        return
    words = error_words(reply.body)
    status = reply.status
    if status == 401:
        raise Refused(f"{host} does not accept the credential", host=host, status=status, detail=words)
    if status in {403, 404}:
        raise NotOffered(f"{host} answered {status}", host=host, status=status, detail=words)
    if 300 <= status < 400:
        target = _redirect_host(reply.headers.get("location", ""))
        message = f"{host} redirects to {target}; redirects are refused"
        raise RedirectAnswer(message, host=host, status=status, detail=target)
    if status < 500 and status != 429:
        raise BadRequest(f"{host} answered {status}", host=host, status=status, detail=words)
    told = RetryableStatus(f"{host} answered {status}", host=host, status=status, detail=words)
    told.retry_after = reply.headers.get("retry-after")
    raise told


def _redirect_host(location: str) -> str:
    """The host that a redirect names, without user information, which may hold a secret."""
    try:
        place = urlsplit(location).netloc.rpartition("@")[2]
    except ValueError:
        place = ""
    return place or "another address"


def host_signal(reply: Reply) -> Heard:
    """The health signal of an answer. A web page counts as a failure: a gateway answers for a product that is down."""
    if reply.status == 429:
        return "busy"
    return "failed" if reply.status >= 500 or (reply.status < 300 and is_web_page(reply)) else "good"


def _page_error(reply: Reply, host: str, instance: str) -> RetryablePage:
    told = RetryablePage(page_sentence(host, instance), host=host, status=reply.status, detail=page_title(reply.body))
    told.retry_after = reply.headers.get("retry-after")
    return told


def page_sentence(host: str, instance: str) -> str:
    """The error message for a web page instead of JSON."""
    return f"{host} (instance {instance}) answered with a web page (login or maintenance page) instead of JSON"


# ---------------------------------------------------------------------------------------------------------- exceptions


def translate(error: Exception, config: ConnectionConfig) -> ServerError:
    """Translate an error of this connection; the original is never chained."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return proxy_error(error.status, config)
    if isinstance(error, TimeoutError):
        return TimedOut(f"{config.host} did not answer in time", host=config.host)
    if (cause := _tls_error(error)) is not None:
        return untrusted(cause, _certificate_owner(error, config))
    who = (
        f"the proxy {config.proxy}" if config.proxy and isinstance(error, aiohttp.ClientConnectorError) else config.host
    )
    return Unreachable(f"{who}: {_describe(error)}", host=config.host)


def _tls_error(error: BaseException | None) -> ssl.SSLError | ssl.CertificateError | None:
    """The underlying TLS error. In TLS 1.3 a server requests a client certificate only after the handshake."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error if isinstance(error.certificate_error, ssl.SSLError) else None
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return error.os_error if isinstance(error.os_error, ssl.SSLError) else None
    while error is not None and not isinstance(error, ssl.SSLError | ssl.CertificateError):
        error = error.__cause__ or error.__context__
    return error


def _certificate_owner(error: Exception, config: ConnectionConfig) -> str:
    """Whose certificate it was: with a TLS proxy there are two."""
    name = getattr(error, "host", config.host_port[0])
    return f"the proxy {config.proxy}" if config.proxy and name != config.host_port[0] else config.host


def untrusted(error: Exception, who: str) -> Untrusted:
    """Why no trusted connection was established."""
    if isinstance(error, ssl.SSLCertVerificationError):
        fault = FAULTS.get(error.verify_code, "issuer")
        return Untrusted(f"{who} {NOT_TRUSTED}", host=who, detail=error.verify_message.rstrip("."), fault=fault)
    reason = getattr(error, "reason", None) or ""
    if "CERTIFICATE_REQUIRED" in reason:
        return Untrusted(f"{who} {WANTS_CERTIFICATE}", host=who, detail=_spell_out(reason), fault="missing")
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
        return Untrusted(f"{who} {TURNED_DOWN}", host=who, detail=_spell_out(reason), fault="unwanted")
    return Untrusted(f"no safe connection to {who}", host=who, detail=_spell_out(reason) or type(error).__name__)


def _spell_out(reason: str) -> str:
    """Turn OpenSSL's name of a reason, such as WRONG_VERSION_NUMBER, into words."""
    return reason.replace("_", " ").lower()


def proxy_error(status: int, config: ConnectionConfig) -> ServerError:
    """The error for a status with which a proxy refuses a request."""
    named = f"the proxy {config.proxy}"
    if status == 407:
        known = config.proxy is not None and config.proxy.authorization() is not None
        told = "does not accept its user and password" if known else "asks for a user and a password"
        return ProxyRefused(f"{named} {told}", host=config.host, status=status)
    message = f"{named} returned {status} to CONNECT {config.host}"
    kind = Unreachable if status >= 500 or status == 429 else NotRetryable
    return kind(message, host=config.host, status=status)


def _describe(error: BaseException) -> str:
    """Describe the failure in one phrase, without any header."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host name cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {error.os_error.strerror or 'no reason given by the system'}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer was cut off"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return "the connection was closed before an answer"
    if isinstance(error, aiohttp.ClientResponseError):
        return "the answer is not HTTP, or its headers are too long or too many"
    reason = error.strerror if isinstance(error, OSError) else None
    return f"the connection failed ({reason or type(error).__name__})"
