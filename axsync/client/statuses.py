"""Maps an answer's status to an error that says whether a retry can help."""

from urllib.parse import urlsplit

from axsync.api.envelope import error_words, is_web_page, page_title
from axsync.errors import BadAnswer, BadRequest, NotOffered, Refused, Unreachable, WebPage
from axsync.model import Reply
from axsync.pacing.health import Heard


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


class TooLarge(BadAnswer, NotRetryable):
    """More bytes than a page may have."""


class Redirected(BadAnswer, NotRetryable):
    """The server redirects; the keys are not sent there."""


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
        raise Redirected(message, host=host, status=status, detail=target)
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
