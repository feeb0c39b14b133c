"""The forms in which dates are served, each with a short name that the manifest stores.

    rfc1123            Mon, 02 Nov 2026 10:11:12 GMT
    iso:T:6:Z          2026-11-02T10:11:12.123456Z
    iso:S:0:none       2026-11-02 10:11:12
    iso:T:3:+02:00     2026-11-02T10:11:12.123+02:00
    day                2026-11-02

Two forms are numbers, converted by `of_epoch` and `to_epoch`: `epoch` and `epoch_ms`, seconds or milliseconds since
1970.

An instant is an integer: microseconds since 1970-01-01 00:00 UTC. A string without a zone means UTC.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

from axsync.schema.kinds import EPOCHS, RFC1123

DAY: Final = "day"

EPOCH_MICROS: Final = dict(zip(EPOCHS, (1_000_000, 1_000), strict=True))
"""Numeric form → microseconds per unit."""

_MICRO = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
DAY_MICROS: Final = 86_400_000_000
FIRST: Final = (1 - _EPOCH_DAY) * DAY_MICROS  # 0001-01-01
LAST: Final = (date(9999, 12, 31).toordinal() - _EPOCH_DAY + 1) * DAY_MICROS - 1

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = {name: number for number, name in enumerate(_MONTHS, 1)}

_ISO = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?P<sep>[T ])(?P<time>\d\d:\d\d:\d\d)(?:\.(?P<frac>\d{1,6}))?(?P<zone>Z|[+-]\d\d:\d\d)?",
    re.ASCII,
)
_MINUTES = {f"{m // 60:02}:{m % 60:02}:": m * 60_000_000 for m in range(24 * 60)}
_SECONDS = {f"{s:02}": s * 1_000_000 for s in range(60)}
_LOOSE_RFC = re.compile(
    r"(?:[A-Za-z]{3,9},? *)?(\d{1,2})[ -]([A-Za-z]{3})[ -](\d{4}) (\d\d:\d\d:\d\d) *(GMT|UTC|UT|Z|[+-]\d{4})?", re.ASCII
)
_LOOSE_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(:\d\d)?(?:[.,](\d{1,12}))? ?(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)
_FORM = re.compile(r"iso:([TS]):([0-6]):(none|Z|[+-]\d\d:\d\d)")


def exact_form(text: str) -> str | None:
    """The one form that reproduces this string exactly; None if there is none."""
    form = _shape(text)
    return form if form and parse(text, form) is not None else None


def parse(text: str, form: str) -> int | None:
    """The instant, iff writing it in `form` reproduces this string."""
    if form == RFC1123:
        return _instant(_rfc_days(text[:17]), text[17:25]) if text[25:] == " GMT" else None
    if form == DAY:
        return _instant(_iso_days(text), "00:00:00")
    separator, digits, zone, offset = _layout(form)
    point = 20 + digits if digits else 19
    if len(text) != point + len(zone) or not text.endswith(zone) or text[10] != separator:
        return None
    if digits and text[19] != ".":
        return None
    instant = _instant(_iso_days(text[:10]), text[11:19], text[20:point])
    return None if instant is None or not FIRST <= instant - offset <= LAST else instant - offset


def parse_any(text: str) -> int | None:
    """The instant of a date in any known form, including wrong weekdays and zone offsets."""
    if match := _LOOSE_ISO.fullmatch(text):
        day, minutes, seconds, fraction, zone = match.groups(default="")
        clock = (minutes or "00:00") + (seconds or ":00")
        return _to_utc(_instant(_iso_days(day), clock, fraction), zone)
    if match := _LOOSE_RFC.fullmatch(text):
        day, month, year, clock, zone = match.groups(default="")
        return _to_utc(_instant(_days(year, _MONTH.get(month.title(), 0), day), clock), zone)
    return None


def epoch_form(value: object) -> str | None:
    """The form of a number that may be an instant between 1973 and 2286: seconds or milliseconds since 1970."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    seconds, millis = EPOCHS
    return seconds if 10**8 <= value < 10**10 else millis if 10**11 <= value < 10**13 else None


def of_epoch(value: int, form: str) -> int | None:
    """The instant of a number in this form; None outside the years 1 to 9999."""
    instant = value * EPOCH_MICROS[form]
    return instant if FIRST <= instant <= LAST else None


def to_epoch(micros: int, form: str) -> int:
    """The number in this form."""
    return micros // EPOCH_MICROS[form]


def epoch_bounds(form: str) -> tuple[int, int]:
    """The smallest and the largest number in this form."""
    unit = EPOCH_MICROS[form]
    return -(-FIRST // unit), LAST // unit


def write(micros: int, form: str) -> str:
    """The instant as a string in this form; what the form cannot express is cut off."""
    # Within a day of the first or the last moment, another zone may have none.
    moment = _EPOCH + min(max(micros + zone_offset(form), FIRST), LAST) * _MICRO
    clock = f"{moment.hour:02}:{moment.minute:02}:{moment.second:02}"
    if form == RFC1123:
        named = f"{_WEEKDAYS[moment.weekday()]}, {moment.day:02} {_MONTHS[moment.month - 1]}"
        return f"{named} {moment.year:04} {clock} GMT"
    day = f"{moment.year:04}-{moment.month:02}-{moment.day:02}"
    return day if form == DAY else _write_iso(day, clock, f"{moment.microsecond:06}", form)


def micros_of(moment: datetime) -> int:
    """The instant of a datetime, by integer arithmetic; without a zone it means UTC."""
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICRO


def _write_iso(day: str, clock: str, fraction: str, form: str) -> str:
    separator, digits, zone, _ = _layout(form)
    return f"{day}{separator}{clock}{'.' if digits else ''}{fraction[:digits]}{zone}"


def _shape(text: str) -> str | None:
    if text.endswith(" GMT"):
        return RFC1123
    if len(text) == len("2026-11-02"):
        return DAY
    match = _ISO.fullmatch(text)
    return _shape_of(match) if match else None


def _shape_of(match: re.Match[str]) -> str:
    separator = "T" if match["sep"] == "T" else "S"
    return f"iso:{separator}:{len(match['frac'] or '')}:{match['zone'] or 'none'}"


def _instant(days: int | None, clock: str, fraction: str = "") -> int | None:
    minutes, seconds = _MINUTES.get(clock[:6]), _SECONDS.get(clock[6:])
    if days is None or minutes is None or seconds is None:
        return None
    instant = days * DAY_MICROS + minutes + seconds
    if not fraction:
        return instant
    return instant + int(fraction[:6].ljust(6, "0")) if fraction.isascii() and fraction.isdigit() else None


def zone_offset(form: str) -> int:
    """Microseconds by which texts in this form are ahead of UTC."""
    return _layout(form)[3] if form.startswith("iso") else 0


@lru_cache
def _layout(form: str) -> tuple[str, int, str, int]:
    """Separator, digits of the fraction, zone, and the zone's offset in microseconds."""
    match = _FORM.fullmatch(form)
    if match is None:
        raise ValueError(f"{form!r} is not the name of a date form")
    zone = match[3].replace("none", "")
    return match[1].replace("S", " "), int(match[2]), zone, -_zone_shift(zone)


def _to_utc(micros: int | None, zone: str) -> int | None:
    if micros is None:
        return None
    micros += _zone_shift(zone)
    return micros if FIRST <= micros <= LAST else None


def _zone_shift(zone: str) -> int:
    """Microseconds from a clock in this zone to UTC."""
    if zone[:1] not in ("+", "-"):
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return (-minutes if zone[0] == "+" else minutes) * 60_000_000


@lru_cache(maxsize=1 << 16)
def _rfc_days(text: str) -> int | None:
    """Days since 1970 of `Mon, 02 Nov 2026 `, weekday checked."""
    match = re.fullmatch(r"([A-Z][a-z]{2}), (\d\d) ([A-Z][a-z]{2}) (\d{4}) ", text, re.ASCII)
    if match is None:
        return None
    weekday, day, month, year = match.groups()
    days = _days(year, _MONTH.get(month, 0), day)
    return days if days is not None and _WEEKDAYS[(days + 3) % 7] == weekday else None


@lru_cache(maxsize=1 << 16)
def _iso_days(text: str) -> int | None:
    """Days since 1970 of `2026-11-02`."""
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", text, re.ASCII)
    return _days(match[1], int(match[2]), match[3]) if match else None


def _days(year: str, month: int, day: str) -> int | None:
    try:
        return date(int(year), month, int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
