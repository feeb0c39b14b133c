"""Builds the fleets of an instance from its options."""

from __future__ import annotations

from axsync.emulator.columns import Family
from axsync.emulator.drift import drifted
from axsync.emulator.fleet import Fleet
from axsync.emulator.forms import Form
from axsync.emulator.girth import longer, wider
from axsync.emulator.ids import Ids
from axsync.emulator.options import Options
from axsync.emulator.press import SEEN_POOL, Part, Press, seen_dates, seen_in
from axsync.emulator.profiles import Profile
from axsync.emulator.records import family_of
from axsync.emulator.records.recorded import recorded
from axsync.emulator.shapes import SEEN_LETTERS, Shapes
from axsync.emulator.specimens import specimens

_SCATTER = 0xC2B2AE3D27D4EB4F


def families(options: Options) -> dict[str, Family]:
    """The family of each offered entity type."""
    return {entity: _family(entity, options) for entity in options.offered()}


def _family(entity: str, options: Options) -> Family:
    if options.like is not None and entity in options.like.entities:
        return recorded(entity, options.like.entities[entity])
    family = family_of(entity, twin_labels=options.twin_labels)
    return wider(longer(family, options.bulk), options.more_fields)


def fleets(options: Options, profile: Profile) -> dict[str, Fleet]:
    """The fleet of each offered entity type."""
    return {entity: _fleet(family, options, profile) for entity, family in families(options).items()}


def _fleet(family: Family, options: Options, profile: Profile) -> Fleet:
    ids = Ids(options.seed, family.entity, odd=options.odd_ids)
    iso = options.iso_dates and profile.may_iso_dates
    merging = options.merged_dates == "newest" and not family.recorded
    form = Form(
        None,
        short_keys=profile.short_keys,
        raw_tree=profile.raw_tree,
        iso_dates=iso,
        newest=merging,
        distinct=merging,
        shapes=None if options.shapes is None or family.recorded else Shapes(options.shapes, family.entity),
    )
    press = Press(
        lambda: (specimens(family, options.seed), drifted(family, options.seed) if options.drift_percent else ()),
        _parts(family.entity, ids, options, iso=iso),
        options.drift_percent,
        varied=options.shapes is not None,
    )
    return Fleet(family.entity, options.size(family.entity), ids, press, form)


def _parts(entity: str, ids: Ids, options: Options, *, iso: bool) -> dict[str, Part]:
    dates = seen_dates(iso=iso)
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
        "d": lambda number: dates[number * 7919 % SEEN_POOL],
        # An instance is a pair (device, weakness): all devices meet one CVE, then the next one.
        "c": lambda number: _cve(number % owners + number // owners if per_cve > 1 else number),
        "v": lambda number: devices.text(number % owners).encode(),
    }


def _seen(form: str) -> Part:
    dates = seen_in(form)
    return lambda number: dates[number * 7919 % SEEN_POOL]


def _cve(number: int) -> bytes:
    return b"CVE-%d-%05d" % (2015 + number % 12, 10_000 + number // 12)
