"""HTML of which every value is text: names that a server chose cannot become elements, attributes or a layout."""

from collections.abc import Iterable
from html import escape
from typing import LiteralString

from axsync.console.text import visible


class Html(str):
    """Text that stands in a page as it is. Only `html`, `joined` and what draws our own shapes make it."""

    __slots__ = ()


def html(template: LiteralString, *values: object) -> Html:
    """The template with the values in the places of its `{}`, escaped; a template is written by us and never made.

    Invisible characters of a text are written out, and long ones cut. None is nothing.
    """
    return Html(template.format(*map(_shown, values)))


def joined(pieces: Iterable[Html]) -> Html:
    """One behind the other."""
    return Html("".join(pieces))


def _shown(value: object) -> str:
    if isinstance(value, Html):
        return value
    if value is None:
        return ""
    return escape(visible(value) if isinstance(value, str) else str(value))
