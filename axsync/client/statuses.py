"""What an answer's status means, as errors that say whether asking again can help."""

from urllib.parse import urlsplit

from axsync.api.envelope import error_words, is_web_page, page_title
from axsync.errors import BadAnswer, BadRequest, NotOffered, Refused, Unreachable, WebPage
from axsync.model import Reply
from axsync.pacing.health import Heard


class RetryableStatus(Unreachable):
    """A status that says: not now."""

    retry_after: str | None = None


class ToldPage(RetryableStatus, WebPage):
    """A web page with a good status, which says the same."""


class TimedOut(Unreachable):
    """No answer in time."""


class NotRetryable(Unreachable):
    """Asking again cannot help."""


class HopelessPage(NotRetryable, WebPage):
    """Web pages for so long that asking again is no use."""


class TooLarge(BadAnswer, NotRetryable):
    """More bytes than one page may have."""


class Redirected(BadAnswer, NotRetryable):
    """The server points elsewhere; the keys stay here."""


def judge(reply: Reply, host: str, *, instance: str) -> None:
    """Let a good answer pass. Raises: what its status means; a web page with a good status means what 502 means."""
    if 200 <= reply.status < 300:
        if is_web_page(reply):
            raise _page(reply, host, instance)
        return
    words = error_words(reply.body)
    status = reply.status
    if status == 401:
        raise Refused(f"{host} does not accept the credential", host=host, status=status, detail=words)
    if status in {403, 404}:
        raise NotOffered(f"{host} answered {status}", host=host, status=status, detail=words)
    if 300 <= status < 400:
        target = _place(reply.headers.get("location", ""))
        message = f"{host} redirects to {target}; redirects are refused"
        raise Redirected(message, host=host, status=status, detail=target)
    if status < 500 and status != 429:
        raise BadRequest(f"{host} answered {status}", host=host, status=status, detail=words)
    told = RetryableStatus(f"{host} answered {status}", host=host, status=status, detail=words)
    told.retry_after = reply.headers.get("retry-after")
    raise told


def _place(location: str) -> str:
    """Where a redirect points: the host, without what may be a secret before it."""
    try:
        place = urlsplit(location).netloc.rpartition("@")[2]
    except ValueError:
        place = ""
    return place or "another place"


def heard(reply: Reply) -> Heard:
    """What an answer says about its host: whoever stands before a product that is away answers in its place."""
    if reply.status == 429:
        return "busy"
    return "failed" if reply.status >= 500 or (reply.status < 300 and is_web_page(reply)) else "good"


def _page(reply: Reply, host: str, instance: str) -> ToldPage:
    told = ToldPage(page_sentence(host, instance), host=host, status=reply.status, detail=page_title(reply.body))
    told.retry_after = reply.headers.get("retry-after")
    return told


def page_sentence(host: str, instance: str) -> str:
    """What a web page in place of JSON is called."""
    return f"{host} (instance {instance}) answered with a web page (login or maintenance page) instead of JSON"
