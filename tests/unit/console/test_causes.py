import errno
import json

import msgspec
import orjson
import pytest

from axsync.console.explain import explain, in_words
from axsync.errors import ManifestError, StorageError
from axsync.lake.manifest import read_snapshot


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "/srv/lake"), "Permission denied: /srv/lake"),
        (OSError(), ""),
        (json.JSONDecodeError("Expecting value", "{", 1), "it is not JSON: Expecting value"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "it is not UTF-8 text"),
        (KeyError("manifest"), "it has no 'manifest'"),
        (RecursionError("maximum recursion depth exceeded"), "it is nested too deeply"),
        (TypeError("'NoneType' object is not subscriptable"), ""),
        (msgspec.ValidationError("Expected `int`, got `str` - at `$.rows`"), "Expected `int`, got `str` - at `$.rows`"),
    ],
)
def test_a_cause_is_told_in_words(cause: BaseException, words: str) -> None:
    """No names of classes, no numbers of errors, nothing about our own code."""
    assert in_words(cause) == words


def test_what_is_no_json_is_told_whichever_library_read_it() -> None:
    """We read with orjson."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  its own class is what is looked at
        orjson.loads("{")

    assert in_words(caught.value).startswith("it is not JSON: ")


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff", b'{"format_version": "one"}', b"[" * 100_000])
def test_a_damaged_manifest_names_no_class(raw: bytes) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(ManifestError, match="is damaged") as caught:
        read_snapshot(raw, "r1")

    assert "Error" not in "\n".join(explain(caught.value).lines())


def test_a_cause_that_the_sentence_has_said_is_not_said_again() -> None:
    """A full disk is one thing to read."""
    error = StorageError("cannot write a part: No space left on device")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")

    assert explain(error).cause == ""
