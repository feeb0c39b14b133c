"""What a store of objects answers when it refuses, in words: its own have addresses, keys and pages of details."""

import errno
import re
from collections.abc import Mapping

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"})
"""Codes of credentials that are over; fresh ones may do."""

_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_NO_BUCKET = frozenset({"NoSuchBucket", "ContainerNotFound"})
_ELSEWHERE = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})
_NO_RIGHT = frozenset({"AccessDenied", "AuthorizationPermissionMismatch", "AuthorizationFailure"})
_WORDS: Mapping[str, str] = {
    **dict.fromkeys(_NO_BUCKET, "the bucket does not exist"),
    **dict.fromkeys(_ELSEWHERE, "the bucket is in another region"),
    **dict.fromkeys(_NO_RIGHT, "no right to do so"),
    **dict.fromkeys(EXPIRED, "the credentials have expired"),
    "InvalidAccessKeyId": "the store does not know the access key",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "AuthenticationFailed": "the credentials are not accepted",
    "SlowDown": "the store asks for fewer requests, again and again",
}


def code_of(error: BaseException) -> str:
    """The store's own word for it; empty where there is none."""
    found = _CODE.search(str(error))
    return found[1] if found else ""


def words_of(error: BaseException) -> str:
    """One sentence."""
    text, code = str(error), code_of(error)
    status = _STATUS.search(text)
    if code in _WORDS:
        return _WORDS[code]
    if "without LOCATION" in text:  # a redirect (301): S3 says so by it
        return _WORDS["PermanentRedirect"]
    if code or status:
        return f"the store answers {' '.join(part for part in (status[1] if status else '', code) if part)}"
    if "credential" in text.lower():
        return "no credentials are found"
    return "the store does not answer" if "HTTP error" in text else f"the store fails ({type(error).__name__})"


def as_os_error(error: BaseException, key: str) -> OSError:
    """What to raise instead: FileNotFoundError where nothing has the key."""
    if isinstance(error, FileNotFoundError) and code_of(error) not in _NO_BUCKET:
        return FileNotFoundError(errno.ENOENT, "there is no such object", key)
    return OSError(errno.EIO, words_of(error))
