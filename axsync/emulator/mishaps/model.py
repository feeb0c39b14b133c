"""One mishap: what, where, how often."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from random import Random

from axsync.emulator.asks import Ask
from axsync.emulator.columns import Json
from axsync.emulator.mishaps.kinds import COUNTS, KINDS, PAGES, TOKENS, home, known

Pages = int | Collection[int] | Callable[[Ask], bool]


class Mishap:
    """Something that goes wrong on demand.

    Args:
        kind: one of `axsync.emulator.KINDS`, or a status such as "503" (html=True, retry_after=FORM).
        probability: of each call that is in scope.
        entity: only calls about this entity type.
        on: only this path, by its short name (page, count, fields, types, asset, about, discovery, adapters, …).
        page: only these page numbers (from 1), or pages for which a predicate holds.
        above: only pages with a larger limit.
        times: at most so often.
        after: let so many calls in scope pass first.
        details: what the kind wants to know.
    """

    def __init__(  # noqa: PLR0913  all but the kind have a default and a name
        self,
        kind: str,
        *,
        probability: float = 1.0,
        entity: str | None = None,
        on: str | None = None,
        page: Pages | None = None,
        above: int | None = None,
        times: int | None = None,
        after: int = 0,
        **details: Json,
    ) -> None:
        if not known(kind):
            raise ValueError(f"unknown mishap {kind!r}; known are any status and {', '.join(sorted(KINDS))}")
        self.kind, self.details = kind, details
        self.probability, self.after = probability, after
        self.times = 1 if times is None and kind == "maintenance" else times  # a spell, not all the time
        self.entity, self.on, self.page, self.above = entity, on, page, above
        self.fired = 0  # how often it happened
        self.ids: list[str] = []  # rows that it altered
        self._met = 0

    def __repr__(self) -> str:
        return f"Mishap({self.kind!r}, fired={self.fired})"

    def strikes(self, path: str, entity: str, ask: Ask | None, dice: Random) -> bool:
        """Whether it happens to this call; counts the call if it is in scope."""
        if not self._in_scope(path, entity, ask) or (self.times is not None and self.fired >= self.times):
            return False
        self._met += 1
        if self._met <= self.after or dice.random() >= self.probability:
            return False
        self.fired += 1
        return True

    def _in_scope(self, path: str, entity: str, ask: Ask | None) -> bool:
        if not _at_home(home(self.kind), path, ask):
            return False
        if (self.on is not None and self.on != path) or (self.entity is not None and self.entity != entity):
            return False
        if self.above is not None and (ask is None or ask.limit <= self.above):
            return False
        if self.page is None:
            return True
        return ask is not None and self._on_page(ask, self.page)

    @staticmethod
    def _on_page(ask: Ask, page: Pages) -> bool:
        if callable(page):
            return page(ask)
        return ask.number == page if isinstance(page, int) else ask.number in page

    def whole(self, name: str, default: int) -> int:
        """A detail that is a whole number."""
        return int(self.details.get(name, default))

    def real(self, name: str, default: float) -> float:
        """A detail that is a number."""
        return float(self.details.get(name, default))

    def text(self, name: str, default: str) -> str:
        """A detail that is a text, or JSON."""
        detail = self.details.get(name, default)
        return detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False)


def _at_home(place: str, path: str, ask: Ask | None) -> bool:
    if place == COUNTS:
        return path == "count"
    if place == TOKENS:
        return ask is not None and ask.walk is not None
    return place != PAGES or ask is not None
