"""Text and numbers for display: without control characters, with thousands separators, in common units."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from axsync.model import iso

MB = 1_000_000
MAX_CHARACTERS = 400  # of one text from a server or file

# Whole sequences are removed, or their visible rest would stay: CSI, OSC up to its end, two-character ones.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -~]"
)
_LONG_WORD = re.compile(r"(?=[^\s]*\d)(?=[^\s]*[A-Za-z])[A-Za-z0-9+/=_~-]{16,}")
_SECRET_NAME = re.compile(r"key|secret|token|password", re.IGNORECASE)


def clean(text: str, *, most: int = MAX_CHARACTERS) -> str:
    """The text on one line, without control sequences and invisible characters."""
    plain = _ESCAPES.sub("", text[: 4 * most])
    shown = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in plain)
    shown = " ".join(shown.split())
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def redact(text: str, environ: Mapping[str, str]) -> str:
    """The text without possible keys: values of variables with telling names, long words with digits and letters."""
    for name, value in environ.items():
        if _SECRET_NAME.search(name) and len(value) >= 4:
            text = text.replace(value, "***")
    return _LONG_WORD.sub("***", text)


def number(count: int) -> str:
    return f"{count:,}"


def counted(count: int, noun: str, nouns: str = "") -> str:
    """The number with its noun: `1 page`, `2,000 pages`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {nouns or noun + 's'}"


def megabytes(size: int) -> str:
    """MB without the unit, for a column with that title."""
    return f"{size / MB:,.1f}"


def volume(size: float) -> str:
    """Bytes in a suitable unit."""
    for unit, text in ((10**12, "TB"), (10**9, "GB")):
        if size >= unit:
            return f"{size / unit:,.2f} {text}"
    return f"{size / MB:,.1f} MB"


def clock(seconds: float) -> str:
    """A duration as `0:01:23`."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def visible(text: str, *, most: int = MAX_CHARACTERS) -> str:
    r"""The text with control and invisible characters escaped, such as `\x1b` and `\u202e`."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:most])
    return shown if len(text) <= most else f"{shown}…"


def as_json(found: Sequence[Any]) -> str:
    """Frozen values as one JSON document in plain ASCII, so that nothing in it can control a terminal."""
    return json.dumps([asdict(one) for one in found], indent=2, default=str)


def as_json_object(document: Mapping[str, Any]) -> str:
    """One JSON object, in plain ASCII for the same reason."""
    return json.dumps(document, indent=2, default=str)


def json_line(now: datetime, name: str, values: dict[str, Any]) -> str:
    """One log line. Not orjson: everything beyond ASCII is escaped, so that it cannot control a terminal."""
    return json.dumps({"ts": iso(now, "milliseconds"), "event": name} | values, default=str)
