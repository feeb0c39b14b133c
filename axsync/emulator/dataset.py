"""The rows of an entity type: built from the options, rendered on demand, changed by tests and faults between requests.

Ids are computed from row numbers and back, so no table of ids is kept.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache, lru_cache
from hashlib import blake2b

from axsync.emulator.drift import drifted
from axsync.emulator.fields import EntityModel, Json
from axsync.emulator.models import entity_models
from axsync.emulator.options import Options, Profile
from axsync.emulator.rendering import Filler, RowLayout, RowRenderer, SamplePool, moment
from axsync.emulator.samples import draw_samples
from axsync.emulator.shapes import SEEN_LETTERS, Shapes, date_in

_HISTORY_SPREAD = 0x9E3779B1
_SCATTER = 0xC2B2AE3D27D4EB4F
_BITS = 128
_MASK = (1 << _BITS) - 1
_HEX = "0123456789abcdef"
_BEYOND = "ghijklmnopqrstuv"
_TO_BEYOND = str.maketrans(_HEX, _BEYOND)
_FROM_BEYOND = str.maketrans(_BEYOND, _HEX)
_ODD_EVERY = 17
_POOLS_KEPT = 48
_FIRST_SEEN, _SEEN_STEP, _SEEN_POOL = 1_780_000_000, 3_607, 4096


class Ids:
    """A bijection between row numbers of one entity type and 32-character ids."""

    def __init__(self, seed: int, entity: str, *, odd: bool = False) -> None:
        digest = blake2b(f"{seed}/{entity}".encode(), digest_size=32).digest()
        self._factor = int.from_bytes(digest[:16]) | 1
        self._shift = int.from_bytes(digest[16:])
        self._inverse = pow(self._factor, -1, 1 << _BITS)
        self._odd = odd

    def text(self, number: int) -> str:
        """The id of row *number*."""
        value = (number * self._factor + self._shift) & _MASK
        value ^= value >> 64
        text = f"{(value * self._factor) & _MASK:032x}"
        if self._odd and number % _ODD_EVERY == 3:
            return text.translate(_TO_BEYOND)
        return text

    def number(self, text: str) -> int | None:
        """The row number of an id, or None when no row can have that id."""
        try:
            value = int(text.translate(_FROM_BEYOND), 16) * self._inverse & _MASK
        except ValueError:
            return None
        value ^= value >> 64
        number = (value - self._shift) * self._inverse & _MASK
        return number if number < 1 << 48 and self.text(number) == text else None


class Dataset:
    """The rows of one entity type: their numbers in served order."""

    def __init__(self, entity: str, size: int, ids: Ids, renderer: RowRenderer, default_layout: RowLayout) -> None:
        self.entity = entity
        self.ids_of = ids
        self.renderer = renderer
        self.version = 0  # incremented by every change
        self._layout = default_layout  # key style and dates of the profile
        self._numbers = array("q", range(size))
        self._initial = size  # rows that existed at the start
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
        """Insert a new row at *position*; returns its id."""
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
        """Move the row at *position* to *target*; returns its id."""
        number = self._numbers.pop(position)
        self._numbers.insert(target, number)
        self.version += 1
        return self.ids_of.text(number)

    def touch(self, position: int) -> str:
        """Change the content of the row at *position* but not its id; returns the id."""
        number = self._numbers[position]
        self.renderer.touched[number] = self.renderer.touched.get(number, 0) + 1
        self.version += 1
        return self.ids_of.text(number)

    def record(
        self, position: int, fields: Sequence[str] | None, *, details: bool = False, plain: bool = False
    ) -> bytes:
        """The JSON text of the row at *position*, byte for byte as a page with *fields* serves it."""
        return self.renderer.row(self._numbers[position], self.layout(fields, details=details, plain=plain))

    def layout(
        self, fields: Sequence[str] | None, *, details: bool = False, nulls: bool = False, plain: bool = False
    ) -> RowLayout:
        """How this instance serves *fields*; with *plain*, merged lists keep their duplicates."""
        wanted = None if fields is None else tuple(fields)
        distinct = self._layout.distinct and not plain
        return replace(self._layout, fields=wanted, details=details, nulls=nulls, distinct=distinct)

    def values(self, number: int, name: str) -> Sequence[Json]:
        """The values of one field of row *number*."""
        if name == "internal_axon_id":
            return (self.ids_of.text(number),)
        return self.renderer.values(number, name, self._layout)

    def on_day(self, newest: date, day: date) -> Sequence[int]:
        """The rows of a history day: those that existed at the start, about 1% fewer for each day back."""
        age = (newest - day) // timedelta(days=1)
        lost = 10 * (age + 1)  # per mille
        return array("q", (n for n in range(self._initial) if (n + 1) * _HISTORY_SPREAD % 1009 >= lost))


def build_datasets(options: Options, profile: Profile) -> dict[str, Dataset]:
    """The dataset of each offered entity type."""
    return {entity: _dataset(model, options, profile) for entity, model in entity_models(options).items()}


def _dataset(model: EntityModel, options: Options, profile: Profile) -> Dataset:
    ids = Ids(options.seed, model.entity, odd=options.odd_ids)
    iso = options.iso_dates and profile.may_iso_dates
    merging = options.merged_dates == "newest" and not model.recorded
    layout = RowLayout(
        None,
        short_keys=profile.short_keys,
        raw_tree=profile.raw_tree,
        iso_dates=iso,
        newest=merging,
        distinct=merging,
        shapes=None if options.shapes is None or model.recorded else Shapes(options.shapes, model.entity),
    )
    renderer = RowRenderer(
        _pool(model, options.seed, drifts=bool(options.drift_percent)),
        _fillers(model.entity, ids, options, iso=iso),
        options.drift_percent,
        varied=options.shapes is not None,
    )
    return Dataset(model.entity, options.size(model.entity), ids, renderer, layout)


@lru_cache(maxsize=_POOLS_KEPT)
def _pool(model: EntityModel, seed: int, *, drifts: bool) -> SamplePool:
    """One for all emulators of this process with the same model and seed, which differ in sizes and faults at most."""
    return SamplePool(lambda: (*draw_samples(model, seed), *(drifted(model, seed) if drifts else ())))


def _fillers(entity: str, ids: Ids, options: Options, *, iso: bool) -> dict[str, Filler]:
    dates = _seen_dates(iso=iso)
    devices = Ids(options.seed, "devices", odd=options.odd_ids)
    owners = max(options.size("devices"), 1)
    per_cve = owners if entity == "vulnerability_instances" else 1
    drawn = {} if options.shapes is None else {letter: _seen(form) for form, letter in SEEN_LETTERS.items()}
    return {
        **drawn,
        "i": lambda number: ids.text(number).encode(),
        "n": lambda number: b"%07d" % number,
        "h": lambda number: b"%012X" % (number * _SCATTER & 0xFFFFFFFFFFFF),
        "m": lambda number: (
            b"02:00:%02x:%02x:%02x:%02x" % (number >> 24, number >> 16 & 255, number >> 8 & 255, number & 255)
        ),
        "a": lambda number: b"10.%d.%d.%d" % (number >> 16 & 255, number >> 8 & 255, number & 255),
        "r": lambda number: b"%d" % (167772160 + (number & 0xFFFFFF)),
        "d": lambda number: dates[number * 7919 % _SEEN_POOL],
        # A row is a pair of device and CVE: the first CVE with every device, then the next CVE.
        "c": lambda number: _cve(number % owners + number // owners if per_cve > 1 else number),
        "v": lambda number: devices.text(number % owners).encode(),
    }


def _seen(form: str) -> Filler:
    dates = _seen_in(form)
    return lambda number: dates[number * 7919 % _SEEN_POOL]


@cache
def _seen_in(form: str) -> tuple[bytes, ...]:
    """The dates for last_seen in one of the drawn forms."""
    return tuple(str(date_in(form, _FIRST_SEEN + step * _SEEN_STEP)).encode() for step in range(_SEEN_POOL))


@cache
def _seen_dates(*, iso: bool) -> tuple[bytes, ...]:
    """The dates that the placeholder for last_seen cycles through."""
    return tuple(moment(_FIRST_SEEN + step * _SEEN_STEP, iso=iso).encode() for step in range(_SEEN_POOL))


def _cve(number: int) -> bytes:
    return b"CVE-%d-%05d" % (2015 + number % 12, 10_000 + number // 12)
