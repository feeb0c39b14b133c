"""aiohttp's errors in words of our own: some of its messages print the headers of a request, and so the secret."""

import aiohttp


def plain(error: BaseException) -> str:
    """What broke."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host name is not known"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {error.os_error.strerror or type(error.os_error).__name__}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer was cut off"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return "the connection was closed before an answer"
    return f"the connection failed ({type(error).__name__})"


def tls_words(error: aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError) -> str:
    """Why the certificate is not trusted."""
    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error.os_error
    return getattr(cause, "verify_message", "") or type(cause).__name__
