"""Fields that are asked for though no catalogue lists them: which of them a server refuses, and which never come."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from axsync.schema.selection import GENERIC, Selection

_PART = r"[\w.]"  # of a field's name


@dataclass(slots=True)
class Unlisted:
    """What is known of these fields in one lane; shared by all that read for it.

    `asked` are all of them, `refused` those that the server does not take, `unserved` the operator's own ones that no
    page has shown, `looked` whether any page with rows was looked at.
    """

    asked: frozenset[str] = frozenset()
    refused: set[str] = field(default_factory=set)
    unserved: set[str] = field(default_factory=set)
    looked: bool = False

    def settle(self, selection: Selection) -> Selection:
        """Begin with these fields, but for those that were refused before."""
        self.asked = selection.unlisted | selection.optional
        self.unserved = set(selection.unlisted) - self.refused
        return selection.without(self.refused)

    def named_in(self, words: str, fields: Sequence[str]) -> list[str]:
        """Those of `fields` that may be left out and that a refusal names; from now on they are refused.

        Several pages may be under way with the same fields, so one that was refused before is named again.
        """
        named = [name for name in fields if name in self.asked and _is_named(name, words)]
        self.refused.update(named)
        self.unserved.difference_update(named)
        return named

    def look(self, body: bytes, keys: Mapping[str, str]) -> None:
        """Take note of fields that a page shows; `keys` are their keys in this server's records, by field.

        The bytes are searched as they are: a second reading of each page would cost more than it tells.
        """
        self.looked = True
        for name in list(self.unserved):
            if _has_key(body, {name, keys.get(name, name)}):
                self.unserved.discard(name)

    def never_served(self) -> list[str]:
        """The operator's own names that came in no page; none where there were no rows."""
        return sorted(self.unserved) if self.looked else []


def _is_named(name: str, words: str) -> bool:
    """Whether the words name a field: by its full name, or in quotes without the generic prefix."""
    if re.search(rf"(?<!{_PART}){re.escape(name)}(?!\w|\.\w)", words):
        return True
    short = re.escape(name.removeprefix(GENERIC))
    return re.search(rf"""(["'`]){short}\1""", words) is not None


def _has_key(body: bytes, names: Collection[str]) -> bool:
    # A server may escape what is not ASCII.
    spelled = {orjson.dumps(name) for name in names} | {json.dumps(name).encode() for name in names}
    return any(re.search(re.escape(text) + rb"\s*:", body) for text in spelled)
