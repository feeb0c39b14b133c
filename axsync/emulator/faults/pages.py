"""Faults of pages and counts: which rows a page has, and what its meta claims."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from axsync.emulator.faults.fault import Fault
from axsync.emulator.faults.records import corrupt
from axsync.emulator.fields import Json
from axsync.emulator.instance import Instance
from axsync.emulator.layouts import RowLayout
from axsync.emulator.messages import ApiRequest
from axsync.emulator.pages import PageDraft, PageRequest


async def faulty_page(instance: Instance, request: ApiRequest) -> PageDraft:
    """The requested page, with all faults of the request injected."""
    page = request.page_request
    for fault in request.faults:
        if fault.kind in REQUEST_FAULTS:
            page = REQUEST_FAULTS[fault.kind](instance, page, fault)
    draft = await instance.draft(page)
    draft.request = request.page_request  # meta describes the original request, as if nothing had gone wrong
    for fault in request.faults:
        if fault.kind in DRAFT_FAULTS:
            DRAFT_FAULTS[fault.kind](instance, draft, fault)
        corrupt(instance, draft, fault)
    return draft


def faulty_count(faults: Iterable[Fault], correct: int) -> Json:
    """The *correct* count, unless a fault makes it null or another number."""
    for fault in faults:
        if fault.kind == "count-null":
            return None
        if fault.kind == "count":
            return fault.details.get("to", correct + fault.integer("by", 0))
    return correct


# --- before the rows are selected -----------------------------------------------------------------------------------


def clamp(_instance: Instance, page: PageRequest, fault: Fault) -> PageRequest:
    """At maximum `limit` rows, however many were requested."""
    return replace(page, limit=min(page.limit, fault.integer("limit", 100)))


def oversize(_instance: Instance, page: PageRequest, fault: Fault) -> PageRequest:
    """`extra` rows more than requested."""
    return replace(page, limit=page.limit + fault.integer("extra", 5))


def repeat_page(_instance: Instance, page: PageRequest, _fault: Fault) -> PageRequest:
    """Ignore the offset: always serve the first page."""
    return replace(page, offset=0)


def never_ending(instance: Instance, page: PageRequest, _fault: Fault) -> PageRequest:
    """Past the end, start over with the first row."""
    return replace(page, offset=page.offset % max(len(instance.rows(page)), 1))


def shift(instance: Instance, page: PageRequest, fault: Fault) -> PageRequest:
    """Insert `insert` and delete `delete` rows at `position` (default: somewhere before the page)."""
    dataset = instance.dataset(page.entity)
    for _ in range(fault.integer("insert", 1)):
        fault.ids.append(dataset.insert(_position(instance, page, fault, len(dataset))))
    for _ in range(fault.integer("delete", 0)):
        if len(dataset):
            fault.ids.append(dataset.delete(_position(instance, page, fault, len(dataset) - 1)))
    return page


def _position(instance: Instance, page: PageRequest, fault: Fault, maximum: int) -> int:
    if "position" in fault.details:
        return min(fault.integer("position", 0), maximum)
    return instance.rng.randint(0, min(page.offset, maximum))


def reorder(instance: Instance, page: PageRequest, fault: Fault) -> PageRequest:
    """Move `moves` rows, as an unstable sort would."""
    dataset = instance.dataset(page.entity)
    for _ in range(fault.integer("moves", 10) if len(dataset) else 0):
        fault.ids.append(dataset.move(instance.rng.randrange(len(dataset)), instance.rng.randrange(len(dataset))))
    return page


def churn(instance: Instance, page: PageRequest, fault: Fault) -> PageRequest:
    """Insert and delete rows at random, so that `percent` of them change while all pages are read."""
    dataset = instance.dataset(page.entity)
    due = fault.number("_rest", 0.0) + min(page.limit, len(dataset)) * fault.number("percent", 5.0) / 100
    fault.details["_rest"] = due % 1
    for _ in range(int(due)):
        if instance.rng.random() < 0.5 or not len(dataset):
            fault.ids.append(dataset.insert(instance.rng.randint(0, len(dataset))))
        else:
            fault.ids.append(dataset.delete(instance.rng.randrange(len(dataset))))
    return page


def discovery_starts(instance: Instance, page: PageRequest, fault: Fault) -> PageRequest:
    """Start a discovery cycle (`status`)."""
    instance.discovery = fault.text("status", "running")
    return page


REQUEST_FAULTS: dict[str, Callable[[Instance, PageRequest, Fault], PageRequest]] = {
    "clamp": clamp,
    "oversize": oversize,
    "repeat-page": repeat_page,
    "never-ending": never_ending,
    "shift": shift,
    "churn": churn,
    "reorder": reorder,
    "discovery-starts": discovery_starts,
}

# --- after they are rendered ----------------------------------------------------------------------------------------


def short_page(_instance: Instance, draft: PageDraft, fault: Fault) -> None:
    """Serve only `rows` rows, or `share` of them."""
    keep = fault.integer("rows", int(len(draft.rows) * fault.number("share", 0.5)))
    del draft.rows[keep:], draft.ids[keep:]


def empty_page(_instance: Instance, draft: PageDraft, _fault: Fault) -> None:
    """Serve no rows, although rows remain."""
    del draft.rows[:], draft.ids[:]


def shuffle(instance: Instance, draft: PageDraft, _fault: Fault) -> None:
    """Serve the rows in random order."""
    order = list(range(len(draft.rows)))
    instance.rng.shuffle(order)
    draft.rows[:], draft.ids[:] = [draft.rows[at] for at in order], [draft.ids[at] for at in order]


def duplicate_row(instance: Instance, draft: PageDraft, fault: Fault) -> None:
    """Start with the last row of the previous page; on the first page, repeat the first row."""
    if not draft.rows:
        return
    dataset, rows = instance.dataset(draft.request.entity), instance.rows(draft.request)
    number = rows[max(min(draft.request.offset, len(rows)) - 1, 0)]
    draft.rows.insert(0, dataset.renderer.row(number, draft.request.layout))
    draft.ids.insert(0, dataset.ids_of.text(number))
    fault.ids.append(dataset.ids_of.text(number))


def same_id(instance: Instance, draft: PageDraft, fault: Fault) -> None:
    """Repeat a row with the same id and different content."""
    if not draft.rows or draft.ids[0] is None:
        return
    dataset = instance.dataset(draft.request.entity)
    other = dataset.renderer.row(len(dataset) + 10**6, draft.request.layout)
    other_id = dataset.ids_of.text(len(dataset) + 10**6)
    draft.rows.append(other.replace(other_id.encode(), draft.ids[0].encode()))
    draft.ids.append(draft.ids[0])
    fault.ids.append(draft.ids[0])


def total(_instance: Instance, draft: PageDraft, fault: Fault) -> None:
    """Set the total to `to` (a number, or "absent"), or change it by `by`."""
    to = fault.details.get("to")
    if to == "absent":
        draft.total = None
    elif to is not None:
        draft.total = to
    else:
        draft.total += fault.integer("by", 1)


def token_loop(_instance: Instance, draft: PageDraft, _fault: Fault) -> None:
    """Return the token that was sent."""
    draft.next_token = draft.request.continuation


def token_vanishes(_instance: Instance, draft: PageDraft, _fault: Fault) -> None:
    """Return no token, although rows remain."""
    draft.next_token = ""


def empty_meta(_instance: Instance, draft: PageDraft, _fault: Fault) -> None:
    """Return an empty meta."""
    draft.meta = False


def no_specific_data(instance: Instance, draft: PageDraft, fault: Fault) -> None:
    """Omit specific_data from `share` of the rows."""
    fields = tuple(name for name in draft.request.layout.fields or () if name != "specific_data")
    _render_again(instance, draft, fault, replace(draft.request.layout, fields=fields))


def other_keys(instance: Instance, draft: PageDraft, fault: Fault) -> None:
    """Use the other version's key style in `share` of the rows."""
    _render_again(instance, draft, fault, replace(draft.request.layout, short_keys=not draft.request.layout.short_keys))


def _render_again(instance: Instance, draft: PageDraft, fault: Fault, layout: RowLayout) -> None:
    dataset = instance.dataset(draft.request.entity)
    for at, identity in enumerate(draft.ids):
        number = None if identity is None else dataset.number(identity)
        if number is not None and identity and instance.rng.random() < fault.number("share", 0.2):
            draft.rows[at] = dataset.renderer.row(number, layout)
            fault.ids.append(identity)


DRAFT_FAULTS: dict[str, Callable[[Instance, PageDraft, Fault], None]] = {
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
