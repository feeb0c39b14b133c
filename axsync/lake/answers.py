"""What a store of objects answers when it refuses, in words: its own have addresses, keys and pages of details."""

import errno
import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

About: TypeAlias = Literal["bucket", "region", "rights", "keys", "expired", "pace", "network", "else"]
"""What of a store, or of its settings, is to be looked at."""
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"})
"""Codes of credentials that are over; fresh ones may do."""

_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_NO_BUCKET = frozenset({"NoSuchBucket", "ContainerNotFound"})
_ELSEWHERE = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})
_NO_RIGHT = frozenset({"AccessDenied", "AuthorizationPermissionMismatch", "AuthorizationFailure"})
_WORDS: Mapping[str, tuple[str, About]] = {
    **dict.fromkeys(_NO_BUCKET, ("the bucket does not exist", "bucket")),
    **dict.fromkeys(_ELSEWHERE, ("the bucket is in another region", "region")),
    **dict.fromkeys(_NO_RIGHT, ("permission denied", "rights")),
    **dict.fromkeys(EXPIRED, ("the credentials have expired", "expired")),
    "InvalidAccessKeyId": ("the store does not know the access key", "keys"),
    "SignatureDoesNotMatch": ("the secret key is wrong", "keys"),
    "AuthenticationFailed": ("the credentials are not accepted", "keys"),
    "SlowDown": ("the store keeps asking for fewer requests", "pace"),
}
_AGAIN = "Run the same command again: it resumes an unfinished run."
ADVICE: Mapping[About, str] = {
    "bucket": "Correct the lake's address, or create the bucket: axsync does not.",
    "region": "Set `region` in [lake], or AWS_REGION, to the region of the bucket.",
    "rights": "Give the store's credentials the rights that docs/stores.md lists, or use others.",
    "keys": "Correct the store's credentials: AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for other "
    "clouds see docs/stores.md.",
    "expired": f"Renew the store's credentials, for example with `aws sso login`. {_AGAIN}",
    "pace": f"Retry later. {_AGAIN}",
    "network": "Check the lake's address, `endpoint` in [lake] and the network.",
    "else": f"{_AGAIN} `axsync check` tests each operation that a run needs.",
}
"""What to do about it, for people."""


class StoreRefusal(OSError):
    """A store does not do what it was asked for. Attribute: `about`, what is to be looked at."""

    def __init__(self, words: str, about: About) -> None:
        super().__init__(errno.EIO, words)
        self.about: About = about


def code_of(error: BaseException) -> str:
    """The store's own word for it; empty where there is none."""
    found = _CODE.search(str(error))
    return found[1] if found else ""


def refusal_of(error: BaseException) -> StoreRefusal:
    """In one sentence."""
    text, code = str(error), code_of(error)
    status = _STATUS.search(text)
    if code in _WORDS:
        return StoreRefusal(*_WORDS[code])
    if "without LOCATION" in text:  # a redirect (301): S3 says so by it
        return StoreRefusal(*_WORDS["PermanentRedirect"])
    if code or status:
        told = " ".join(part for part in (status[1] if status else "", code) if part)
        return StoreRefusal(f"the store answers {told}", "else")
    if "credential" in text.lower():
        return StoreRefusal("no credentials are found", "keys")
    if "HTTP error" in text:
        return StoreRefusal("the store does not answer", "network")
    return StoreRefusal(f"the store fails ({type(error).__name__})", "else")


def as_os_error(error: BaseException, key: str) -> OSError:
    """What to raise instead: FileNotFoundError where nothing has the key."""
    if isinstance(error, FileNotFoundError) and code_of(error) not in _NO_BUCKET:
        return FileNotFoundError(errno.ENOENT, "there is no such object", key)
    return refusal_of(error)


def advice_for(error: BaseException) -> str | None:
    """What to do about an error, or about what it was raised from; None where no store has refused."""
    found = next((one for one in (error, error.__cause__) if isinstance(one, StoreRefusal)), None)
    return ADVICE[found.about] if found else None
