"""The live model: which rows of an entity type exist, in which order; tests may change it between calls."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from axsync.emulator.columns import Json
from axsync.emulator.forms import Form
from axsync.emulator.ids import Ids
from axsync.emulator.press import Press

_HISTORY_SPREAD = 0x9E3779B1


class Fleet:
    """The rows of one entity type: numbers in served order, printed on demand."""

    def __init__(self, entity: str, size: int, ids: Ids, press: Press, house_form: Form) -> None:
        self.entity = entity
        self.ids_of = ids
        self.press = press
        self.version = 0  # counts changes
        self._form = house_form  # key style and dates of the profile
        self._numbers = array("q", range(size))
        self._born = size  # rows that existed at the start
        self._next = size
        self._gone: set[int] = set()

    def __len__(self) -> int:
        return len(self._numbers)

    def ids(self) -> list[str]:
        """Ids in served order."""
        return [self.ids_of.text(number) for number in self._numbers]

    def numbers(self) -> Sequence[int]:
        """Row numbers in served order."""
        return self._numbers

    def number(self, identity: str) -> int | None:
        """The row number of a live row, or None."""
        number = self.ids_of.number(identity)
        alive = number is not None and number < self._next and number not in self._gone
        return number if alive else None

    def insert(self, position: int) -> str:
        """Put a new row at *position*; returns its id."""
        number, self._next = self._next, self._next + 1
        self._numbers.insert(position, number)
        self.version += 1
        return self.ids_of.text(number)

    def delete(self, position: int) -> str:
        """Remove the row at *position*; returns its id."""
        number = self._numbers.pop(position)
        self._gone.add(number)
        self.version += 1
        return self.ids_of.text(number)

    def move(self, position: int, target: int) -> str:
        """Take the row at *position* out and put it in at *target*; returns its id."""
        number = self._numbers.pop(position)
        self._numbers.insert(target, number)
        self.version += 1
        return self.ids_of.text(number)

    def touch(self, position: int) -> str:
        """Give the row at *position* other content under the same id; returns the id."""
        number = self._numbers[position]
        self.press.touched[number] = self.press.touched.get(number, 0) + 1
        self.version += 1
        return self.ids_of.text(number)

    def record(
        self, position: int, fields: Sequence[str] | None, *, details: bool = False, plain: bool = False
    ) -> bytes:
        """The JSON text of the row at *position*, byte for byte as a page with *fields* serves it."""
        return self.press.row(self._numbers[position], self.form(fields, details=details, plain=plain))

    def form(
        self, fields: Sequence[str] | None, *, details: bool = False, nulls: bool = False, plain: bool = False
    ) -> Form:
        """The form in which this instance prints *fields*; *plain*: merged lists keep what comes twice."""
        wanted = None if fields is None else tuple(fields)
        distinct = self._form.distinct and not plain
        return replace(self._form, fields=wanted, details=details, nulls=nulls, distinct=distinct)

    def values(self, number: int, name: str) -> Sequence[Json]:
        """The values of one field of row *number*."""
        if name == "internal_axon_id":
            return (self.ids_of.text(number),)
        return self.press.values(number, name, self._form)

    def on_day(self, newest: date, day: date) -> Sequence[int]:
        """The frozen rows of a history day: those of the start, a little fewer for each day back."""
        age = (newest - day) // timedelta(days=1)
        lost = 10 * (age + 1)  # per mille
        return array("q", (n for n in range(self._born) if (n + 1) * _HISTORY_SPREAD % 1009 >= lost))
