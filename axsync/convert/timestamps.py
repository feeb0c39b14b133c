"""Dates of a whole column at once: parsed to timestamps, with a word on what would not be reproduced, and written."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
import pyarrow as pa

from axsync.convert.arrays import Bytes, Flags, Ints, Letters, same_width, valid
from axsync.schema.dates import DAY, DAY_MICROS, FIRST, LAST, parse, write, zone_offset
from axsync.schema.kinds import RFC1123

FEW: Final = 64
"""Most texts that are parsed one by one."""

_POWERS = 10 ** np.arange(5, -1, -1, dtype=np.int64)
_DAYS_IN_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_EPOCH_DAYS = 719_468  # days from 0000-03-01 to 1970-01-01


class WordTable:
    """Looks up three-letter words, many at once."""

    def __init__(self, *words: str) -> None:
        known = np.array([int.from_bytes(word.encode(), "big") for word in words])
        self._order = np.argsort(known)
        self._sorted = known[self._order]

    def find(self, letters: Bytes, good: Flags) -> Ints:
        """The index of the word in each row; unknown words clear the row's flag in `good`."""
        packed = letters @ _LETTERS
        at = np.minimum(np.searchsorted(self._sorted, packed), len(self._sorted) - 1)
        good &= self._sorted[at] == packed
        return np.asarray(self._order[at], dtype=np.int64)


_LETTERS = np.array([1 << 16, 1 << 8, 1], dtype=np.int64)
_MONTHS: Final = WordTable("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEKDAYS: Final = WordTable("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class Layout:
    """Positions of the parts of a date in a form; every form has a fixed width.

    `template` has Y n D h m s f for digits, a and b for the letters of weekday and month; anything else is literal.
    The month is n, as the M of GMT is a literal.
    """

    template: str

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Positions by letter."""
        return {letter: [i for i, c in enumerate(self.template) if c == letter] for letter in "YnDhmsfab"}

    @cached_property
    def literals(self) -> tuple[list[int], Bytes]:
        """Positions and bytes of the literals."""
        places = [i for i, c in enumerate(self.template) if c not in "YnDhmsfab"]
        return places, np.frombuffer("".join(self.template[i] for i in places).encode(), dtype=np.uint8)


@lru_cache
def layout_of(form: str) -> Layout:
    """The layout of a form named in `schema.dates`."""
    if form == RFC1123:
        return Layout("aaa, DD bbb YYYY hh:mm:ss GMT")
    if form == DAY:
        return Layout("YYYY-nn-DD")
    _, separator, digits, zone = form.split(":", 3)
    fraction = "." + "f" * int(digits) if int(digits) else ""
    middle = "T" if separator == "T" else " "
    return Layout(f"YYYY-nn-DD{middle}hh:mm:ss{fraction}{'' if zone == 'none' else zone}")


def parse_timestamps(texts: pa.Array, form: str) -> tuple[Ints, Flags, Flags]:
    """Per string: microseconds since 1970, whether it is exactly in the form, whether it is null."""
    return (parse_few if len(texts) <= FEW else parse_many)(texts, form)


def parse_few(texts: pa.Array, form: str) -> tuple[Ints, Flags, Flags]:
    """The same, one text after the other: quicker where there are few."""
    listed = texts.to_pylist()
    found = [None if text is None else parse(text, form) for text in listed]
    values = np.array([value or 0 for value in found], dtype=np.int64)
    exact = np.array([value is not None for value in found], dtype=np.bool_)
    return values, exact, np.array([text is None for text in listed], dtype=np.bool_)


def parse_many(texts: pa.Array, form: str) -> tuple[Ints, Flags, Flags]:
    """The same, all texts at once."""
    layout = layout_of(form)
    if not len(texts):
        return np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros(0, np.bool_)
    null = ~valid(texts)
    rows, matrix = _matrix(texts, len(layout.template), null)
    micros, good = _read(matrix, layout)
    micros -= zone_offset(form)
    good &= (micros >= FIRST) & (micros <= LAST)
    values, exact = np.zeros(len(texts), dtype=np.int64), np.zeros(len(texts), dtype=np.bool_)
    values[rows], exact[rows] = np.where(good, micros, 0), good
    return values, exact, null


def _matrix(texts: pa.Array, width: int, null: Flags) -> tuple[Ints, Bytes]:
    """The strings of the right width as rows of bytes, and their row numbers."""
    _, offsets_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    starts = offsets[:-1].astype(np.int64)
    rows = np.flatnonzero((np.diff(offsets) == width) & ~null)
    if not len(rows) or data_buffer is None:
        return rows[:0], np.empty((0, width), dtype=np.uint8)
    data = np.frombuffer(data_buffer, dtype=np.uint8)
    if len(rows) == len(texts) or int(starts[rows[-1]] - starts[rows[0]]) == width * (len(rows) - 1):
        first = int(starts[rows[0]])
        return rows, data[first : first + width * len(rows)].reshape(len(rows), width)
    return rows, data[starts[rows][:, None] + np.arange(width)]


def _read(matrix: Bytes, layout: Layout) -> tuple[Ints, Flags]:
    places, literal = layout.literals
    good = (matrix[:, places] == literal).all(axis=1)
    at = layout.places
    year, day, hour, minute, second = (_number(matrix, at[letter], good) for letter in "YDhms")
    fraction = at["f"]
    micros = _number(matrix, fraction, good) * 10 ** (6 - len(fraction)) if fraction else 0
    spelled = at["b"]
    month = _MONTHS.find(matrix[:, spelled], good) + 1 if spelled else _number(matrix, at["n"], good)
    days = _days(year, month, day, good)
    good &= (hour < 24) & (minute < 60) & (second < 60)
    if weekday := at["a"]:
        good &= _WEEKDAYS.find(matrix[:, weekday], good) == (days + 3) % 7  # 1970-01-01 was a Thursday
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second
    return seconds * 1_000_000 + micros, good


def _number(matrix: Bytes, places: list[int], good: Flags) -> Ints:
    if not places:
        return np.zeros(len(matrix), dtype=np.int64)
    digits = matrix[:, places] - np.uint8(48)  # wraps around below "0", so one comparison suffices
    good &= (digits <= 9).all(axis=1)
    return np.asarray(digits @ _POWERS[-len(places) :], dtype=np.int64)


def _days(year: Ints, month: Ints, day: Ints, good: Flags) -> Ints:
    """Days since 1970 in the proleptic Gregorian calendar, by the shifted-year method."""
    good &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    good &= day <= _DAYS_IN_MONTH[np.clip(month, 0, 12)] + (leap & (month == 2))
    shifted = year - (month <= 2)
    era, of_era = shifted // 400, shifted % 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _EPOCH_DAYS


# ------------------------------------------------------------------------------------------------------------- written

_MINUTES: Final = np.array([f"{minute // 60:02}:{minute % 60:02}:" for minute in range(24 * 60)], "S")


def write_timestamps(micros: Ints, form: str, is_valid: Flags) -> pa.Array:
    """The instants, microseconds since 1970, as `schema.dates.write` writes each; null where not valid.

    A text is put together from parts that are looked up. Each day of the column is written once.
    """
    days, rest = np.divmod(np.clip(micros + zone_offset(form), FIRST, LAST), DAY_MICROS)
    known, places = np.unique(days, return_inverse=True)
    heads = np.array([_head(day, form) for day in known.tolist()], "S")[places]
    return same_width(heads if form == DAY else _with_clock(heads, rest, layout_of(form).template), is_valid)


def _with_clock(heads: Letters, micros: Ints, template: str) -> Letters:
    """Texts in a form, from what stands before the clock and the microseconds of the day."""
    clock = template.index("hh")
    tail = template[clock + len("hh:mm:ss") :]
    minutes, rest = np.divmod(micros, 60_000_000)
    seconds, fraction = np.divmod(rest, 1_000_000)
    ends = np.array([f"{second:02}{tail}" for second in range(60)], "S")
    found = np.empty(len(heads), [("head", f"S{clock}"), ("minute", "S6"), ("end", ends.dtype)])
    found["head"], found["minute"], found["end"] = heads, _MINUTES[minutes], ends[seconds]
    letters = found.view(np.uint8).reshape(len(heads), len(template))
    for place in range(tail.count("f")):
        letters[:, clock + len("hh:mm:ss.") + place] = fraction // 10 ** (5 - place) % 10 + ord("0")
    return letters.reshape(-1).view(f"S{len(template)}")


@lru_cache(maxsize=1 << 16)
def _head(day: int, form: str) -> str:
    """What stands before the clock on that day."""
    return write(day * DAY_MICROS - zone_offset(form), form).partition("00:00")[0]
