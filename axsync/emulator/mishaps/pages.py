"""Mishaps of paging: which rows a page holds, and what its meta claims."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from axsync.emulator.asks import Ask, Sheet
from axsync.emulator.calls import Call
from axsync.emulator.forms import Form
from axsync.emulator.instance import Instance
from axsync.emulator.mishaps.model import Mishap
from axsync.emulator.mishaps.records import spoil
from axsync.emulator.pages import sheet


async def paged(instance: Instance, call: Call) -> Sheet:
    """The page that *call* asks for, with everything that goes wrong with it."""
    ask = call.ask
    for mishap in call.struck:
        if mishap.kind in ASKS:
            ask = ASKS[mishap.kind](instance, ask, mishap)
    made = await sheet(instance, ask)
    made.ask = call.ask  # what meta speaks of; the server does not know that something went wrong
    for mishap in call.struck:
        if mishap.kind in SHEETS:
            SHEETS[mishap.kind](instance, made, mishap)
        spoil(instance, made, mishap)
    return made


# --- before the rows are chosen -------------------------------------------------------------------------------------


def clamp(_instance: Instance, ask: Ask, mishap: Mishap) -> Ask:
    """At most `limit` rows, whatever was asked."""
    return replace(ask, limit=min(ask.limit, mishap.whole("limit", 100)))


def oversize(_instance: Instance, ask: Ask, mishap: Mishap) -> Ask:
    """`extra` rows more than asked."""
    return replace(ask, limit=ask.limit + mishap.whole("extra", 5))


def repeat_page(_instance: Instance, ask: Ask, _mishap: Mishap) -> Ask:
    """The offset is ignored: always the first page."""
    return replace(ask, offset=0)


def never_ending(instance: Instance, ask: Ask, _mishap: Mishap) -> Ask:
    """Beyond the end the rows start again."""
    return replace(ask, offset=ask.offset % max(len(instance.rows(ask)), 1))


def shift(instance: Instance, ask: Ask, mishap: Mishap) -> Ask:
    """`insert` rows appear and `delete` rows vanish at `position` (default: somewhere before the page)."""
    fleet = instance.fleet(ask.entity)
    for _ in range(mishap.whole("insert", 1)):
        mishap.ids.append(fleet.insert(_position(instance, ask, mishap, len(fleet))))
    for _ in range(mishap.whole("delete", 0)):
        if len(fleet):
            mishap.ids.append(fleet.delete(_position(instance, ask, mishap, len(fleet) - 1)))
    return ask


def _position(instance: Instance, ask: Ask, mishap: Mishap, most: int) -> int:
    if "position" in mishap.details:
        return min(mishap.whole("position", 0), most)
    return instance.dice.randint(0, min(ask.offset, most))


def reorder(instance: Instance, ask: Ask, mishap: Mishap) -> Ask:
    """`moves` rows change their place, as under an unstable sort."""
    fleet = instance.fleet(ask.entity)
    for _ in range(mishap.whole("moves", 10) if len(fleet) else 0):
        mishap.ids.append(fleet.move(instance.dice.randrange(len(fleet)), instance.dice.randrange(len(fleet))))
    return ask


def churn(instance: Instance, ask: Ask, mishap: Mishap) -> Ask:
    """Rows come and go at random positions, so that `percent` of the set changes over one full walk."""
    fleet = instance.fleet(ask.entity)
    due = mishap.real("_rest", 0.0) + min(ask.limit, len(fleet)) * mishap.real("percent", 5.0) / 100
    mishap.details["_rest"] = due % 1
    for _ in range(int(due)):
        if instance.dice.random() < 0.5 or not len(fleet):
            mishap.ids.append(fleet.insert(instance.dice.randint(0, len(fleet))))
        else:
            mishap.ids.append(fleet.delete(instance.dice.randrange(len(fleet))))
    return ask


def discovery_starts(instance: Instance, ask: Ask, mishap: Mishap) -> Ask:
    """From now on a discovery cycle runs (`status`)."""
    instance.discovery = mishap.text("status", "running")
    return ask


ASKS: dict[str, Callable[[Instance, Ask, Mishap], Ask]] = {
    "clamp": clamp,
    "oversize": oversize,
    "repeat-page": repeat_page,
    "never-ending": never_ending,
    "shift": shift,
    "churn": churn,
    "reorder": reorder,
    "discovery-starts": discovery_starts,
}

# --- after they are printed -----------------------------------------------------------------------------------------


def short_page(_instance: Instance, made: Sheet, mishap: Mishap) -> None:
    """Only `rows` rows, or `share` of them."""
    keep = mishap.whole("rows", int(len(made.rows) * mishap.real("share", 0.5)))
    del made.rows[keep:], made.ids[keep:]


def empty_page(_instance: Instance, made: Sheet, _mishap: Mishap) -> None:
    """No rows, in the middle of the walk."""
    del made.rows[:], made.ids[:]


def shuffle(instance: Instance, made: Sheet, _mishap: Mishap) -> None:
    """The rows come in another order."""
    order = list(range(len(made.rows)))
    instance.dice.shuffle(order)
    made.rows[:], made.ids[:] = [made.rows[at] for at in order], [made.ids[at] for at in order]


def duplicate_row(instance: Instance, made: Sheet, mishap: Mishap) -> None:
    """The page starts with the last row of the page before; on the first page its first row comes twice."""
    if not made.rows:
        return
    fleet, rows = instance.fleet(made.ask.entity), instance.rows(made.ask)
    number = rows[max(min(made.ask.offset, len(rows)) - 1, 0)]
    made.rows.insert(0, fleet.press.row(number, made.ask.form))
    made.ids.insert(0, fleet.ids_of.text(number))
    mishap.ids.append(fleet.ids_of.text(number))


def same_id(instance: Instance, made: Sheet, mishap: Mishap) -> None:
    """A row comes a second time, same id, other content."""
    if not made.rows or made.ids[0] is None:
        return
    fleet = instance.fleet(made.ask.entity)
    other = fleet.press.row(len(fleet) + 10**6, made.ask.form)
    stranger = fleet.ids_of.text(len(fleet) + 10**6)
    made.rows.append(other.replace(stranger.encode(), made.ids[0].encode()))
    made.ids.append(made.ids[0])
    mishap.ids.append(made.ids[0])


def total(_instance: Instance, made: Sheet, mishap: Mishap) -> None:
    """The total is `to` (a number, or "absent"), or differs by `by`."""
    to = mishap.details.get("to")
    if to == "absent":
        made.total = None
    elif to is not None:
        made.total = to
    else:
        made.total += mishap.whole("by", 1)


def token_loop(_instance: Instance, made: Sheet, _mishap: Mishap) -> None:
    """The next token is the one that was sent."""
    made.following = made.ask.walk


def token_vanishes(_instance: Instance, made: Sheet, _mishap: Mishap) -> None:
    """No next token, although there is more."""
    made.following = ""


def empty_meta(_instance: Instance, made: Sheet, _mishap: Mishap) -> None:
    """An empty meta."""
    made.meta = False


def no_specific_data(instance: Instance, made: Sheet, mishap: Mishap) -> None:
    """`share` of the rows come without their specific_data."""
    fields = tuple(name for name in made.ask.form.fields or () if name != "specific_data")
    _reprint(instance, made, mishap, replace(made.ask.form, fields=fields))


def other_keys(instance: Instance, made: Sheet, mishap: Mishap) -> None:
    """`share` of the rows come with the other version's key style."""
    _reprint(instance, made, mishap, replace(made.ask.form, short_keys=not made.ask.form.short_keys))


def _reprint(instance: Instance, made: Sheet, mishap: Mishap, form: Form) -> None:
    fleet = instance.fleet(made.ask.entity)
    for at, identity in enumerate(made.ids):
        number = None if identity is None else fleet.number(identity)
        if number is not None and identity and instance.dice.random() < mishap.real("share", 0.2):
            made.rows[at] = fleet.press.row(number, form)
            mishap.ids.append(identity)


SHEETS: dict[str, Callable[[Instance, Sheet, Mishap], None]] = {
    "short-page": short_page,
    "empty-page": empty_page,
    "shuffle": shuffle,
    "duplicate-row": duplicate_row,
    "same-id": same_id,
    "total": total,
    "token-loop": token_loop,
    "token-vanishes": token_vanishes,
    "empty-meta": empty_meta,
    "no-specific-data": no_specific_data,
    "other-keys": other_keys,
}
