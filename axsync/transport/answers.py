"""What an answer's status means, as errors that say whether asking again can help."""

from urllib.parse import urlsplit

from axsync.api.envelope import error_words
from axsync.errors import BadAnswer, BadRequest, NotOffered, Refused, Unreachable
from axsync.model import Reply


class Told(Unreachable):
    """A status that says: not now."""

    retry_after: str | None = None


class TimedOut(Unreachable):
    """No answer in time."""


class Hopeless(Unreachable):
    """Asking again cannot help."""


class TooLarge(BadAnswer, Hopeless):
    """More bytes than one page may have."""


class Redirected(BadAnswer, Hopeless):
    """The server points elsewhere; the keys stay here."""


def judge(reply: Reply, host: str) -> None:
    """Let a good answer pass. Raises: what its status means."""
    if 200 <= reply.status < 300:
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
    told = Told(f"{host} answered {status}", host=host, status=status, detail=words)
    told.retry_after = reply.headers.get("retry-after")
    raise told


def _place(location: str) -> str:
    """Where a redirect points: the host, without what may be a secret before it."""
    try:
        place = urlsplit(location).netloc.rpartition("@")[2]
    except ValueError:
        place = ""
    return place[:100] or "another place"
