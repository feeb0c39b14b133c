"""The state of one emulated instance, shared by both API generations."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from random import Random

from axsync.emulator import aql
from axsync.emulator.asks import Ask
from axsync.emulator.calls import Refusal, bad_request
from axsync.emulator.catalogue import names
from axsync.emulator.fleet import Fleet
from axsync.emulator.mishaps.model import Mishap
from axsync.emulator.options import Options
from axsync.emulator.profiles import PROFILES, Profile
from axsync.emulator.saved import SavedQuery, saved_queries
from axsync.emulator.tokens import Tokens
from axsync.emulator.walks import Cursors
from axsync.emulator.world import families, fleets

_SELECTIONS_KEPT = 64


class Instance:
    """Fleets, saved queries, walks and counters of one emulated instance."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.profile: Profile = PROFILES[options.profile]
        if options.like is not None and options.like.server_version is not None:
            self.profile = replace(self.profile, version=options.like.server_version)
        self.families = families(options)
        self.fleets: dict[str, Fleet] = fleets(options, self.profile)
        self.mishaps: list[Mishap] = []
        self.queries: tuple[SavedQuery, ...] = saved_queries()
        self.newest = options.newest_day()  # of history; stays when midnight passes
        self.cursors = Cursors()
        self.discovery = "done"  # done | running | starting | stopping
        self.polls: OrderedDict[str, int] = OrderedDict()  # v1 counts: query -> answers of null so far
        self.tokens = Tokens(options)
        self.dice = Random(f"{options.seed}/chance")
        self._selections: OrderedDict[tuple[object, ...], Sequence[int]] = OrderedDict()

    def fleet(self, entity: str) -> Fleet:
        """The fleet of *entity*.

        Raises:
            Refusal: 404 (or as configured) when the instance has no licence for it.
        """
        if entity not in self.fleets:
            status = self.options.unlicensed_status
            raise Refusal(
                status, "Not Found" if status == 404 else "Forbidden", f"Asset type {entity} is not available"
            )
        return self.fleets[entity]

    def known(self, entity: str, fields: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """*fields* as they are, if this instance lets unknown names pass or knows all of them.

        Raises:
            Refusal: a 400 that names the first unknown one, or what `fleet` raises.
        """
        if self.options.unknown_fields == "refuse" and fields is not None:
            self.fleet(entity)
            known = names(self.families[entity])
            for name in fields:
                if name not in known:
                    raise bad_request(f"Unknown field '{name}' for asset type {entity}")
        return fields

    def rows(self, ask: Ask) -> Sequence[int]:
        """Row numbers that match *ask*, in served order."""
        fleet = self.fleet(ask.entity)
        if not ask.query and ask.day is None and ask.sort is None:
            return fleet.numbers()
        key = (ask.entity, ask.query, ask.day, ask.sort, fleet.version)
        if key not in self._selections:
            self._selections[key] = self._select(fleet, ask)
            if len(self._selections) > _SELECTIONS_KEPT:
                self._selections.popitem(last=False)
        return self._selections[key]

    def _select(self, fleet: Fleet, ask: Ask) -> Sequence[int]:
        numbers = self._dated(fleet, ask.day)
        if ask.query:
            numbers = _filtered(fleet, numbers, aql.parse(ask.query, self.aql_of), live=ask.day is None)
        if ask.sort == "":
            return ()  # an empty sort finds nothing, as on real v1 servers
        if ask.sort is not None:
            name = ask.sort.lstrip("-")
            numbers = sorted(numbers, key=lambda row: repr(fleet.values(row, name)), reverse=ask.sort.startswith("-"))
        return numbers

    def _dated(self, fleet: Fleet, day: str | None) -> Sequence[int]:
        if day is None:
            return fleet.numbers()
        if day not in self.days():
            return ()
        return fleet.on_day(self.newest, date.fromisoformat(day))

    def days(self) -> list[str]:
        """The days of history, oldest first; the third newest was missed."""
        newest = self.newest.toordinal()
        return [
            date.fromordinal(newest - age).isoformat()
            for age in range(self.options.history_days - 1, -1, -1)
            if age != 2
        ]

    def aql_of(self, identity: str) -> str:
        """The AQL of a saved query, by id or name.

        Raises:
            Refusal: a 400 when there is none.
        """
        return self.saved(identity, "id", "name").aql

    def saved(self, identity: str, *by: str) -> SavedQuery:
        """The saved query whose `id` or `name` (*by*) is *identity*.

        Raises:
            Refusal: a 400 when there is none.
        """
        for query in self.queries:
            if identity in [getattr(query, attribute) for attribute in by]:
                return query
        raise bad_request(f"Saved query {identity} was not found")

    def discovering(self) -> bool:
        """Whether a discovery cycle is under way."""
        return self.discovery != "done"


def _filtered(fleet: Fleet, numbers: Sequence[int], wanted: aql.Filter, *, live: bool) -> Sequence[int]:
    if wanted.ids is not None and live:
        found = {number for one in wanted.ids if (number := fleet.number(one)) is not None}
        return sorted(found)
    return array("q", (number for number in numbers if wanted.test(fleet.values, number)))
