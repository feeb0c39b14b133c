"""The administrators' tables: which there are, their columns, and how a listing becomes a page of rows.

A table is a listing that the server keeps beside its assets: no catalogue, no count, no id of an asset. Its rows are
made anew here, with the columns that are known to be harmless and nothing else, before anything is kept of them: some
of these listings carry passwords and keys (docs/axonius-api.md, "Administrators' tables"). No I/O.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import orjson

from axsync.api.envelope import read_object, refuse_error, total_in
from axsync.api.question import read_saved_query
from axsync.errors import BadAnswer
from axsync.model import ID_FIELD, Page, Reply, Window
from axsync.schema.columns import Field
from axsync.schema.kinds import Atom, Kind, Many

Row: TypeAlias = Mapping[str, object]
Paging: TypeAlias = Literal["offset", "number", "none"]

_TEXT, _TIME, _FLAG, _NUMBER = Atom("text"), Atom("timestamp"), Atom("bool"), Atom("integer")
_OPEN, _JSON, _TEXTS = Atom("unknown"), Atom("json"), Many(Atom("text"))

SECRET = re.compile(
    r"config|secret|passw|passphrase|token|credential|private|auth|signing|cert|keys?($|[_-])",
    re.IGNORECASE,
)
"""Keys inside of a value that may hold a secret; they are taken out with all that is below them."""
DEEPEST = 32
"""Levels of a value that are kept; what is below is taken out, since nobody has looked at it."""


@dataclass(frozen=True, slots=True)
class SystemTable:
    """The columns that are kept of a table, and what names its rows.

    `keys` are alternatives, each a set of columns that together are unique and stay the same from day to day. Where a
    row has none of them, a digest of it is its name.
    """

    columns: Mapping[str, Kind]
    keys: tuple[tuple[str, ...], ...] = ()


SYSTEM_TABLES: Mapping[str, SystemTable] = {
    "system_adapters": SystemTable(
        dict.fromkeys(("id", "plugin_name", "unique_plugin_name", "node_id", "node_name", "status"), _TEXT)
        | {"is_master": _FLAG, "connections_count": _OPEN, "supported_features": _TEXTS},
        (("unique_plugin_name",), ("plugin_name", "node_id"), ("id", "node_id"), ("id",)),
    ),
    "system_connections": SystemTable(
        dict.fromkeys(("id", "uuid", "connection_id", "adapter_name", "node_id", "node_name", "status"), _TEXT)
        | dict.fromkeys(("error", "note", "tunnel_id", "connection_label"), _TEXT)
        | dict.fromkeys(("last_fetch_time", "last_successful_fetch", "date_fetched"), _TIME)
        | dict.fromkeys(("active", "failed_connections_limit_exceeded", "did_notify_error"), _FLAG),
        (("uuid",), ("adapter_name", "node_id", "connection_id"), ("adapter_name", "connection_id"), ("id",)),
    ),
    "system_fetch_history": SystemTable(
        dict.fromkeys(("id", "adapter_discovery_id", "discovery_id", "client", "client_id", "connection_label"), _TEXT)
        | dict.fromkeys(("duration", "error", "node_name", "status", "axonius_version"), _TEXT)
        | dict.fromkeys(("start_time", "end_time", "last_fetch_time"), _TIME)
        | dict.fromkeys(("devices_count", "users_count", "resources_count"), _NUMBER)
        | dict.fromkeys(("ignored_devices_count", "ignored_users_count", "ignored_resources_count"), _NUMBER)
        | {"adapter": _OPEN, "fetch_events_count": _OPEN, "realtime": _FLAG, "has_configuration_changed": _FLAG},
        (("id",), ("uuid",)),
    ),
    "system_saved_queries": SystemTable(
        dict.fromkeys(("id", "name", "asset_type", "query", "query_type", "description"), _TEXT)
        | dict.fromkeys(("folder_id", "user_id", "created_by", "updated_by"), _TEXT)
        | dict.fromkeys(("timestamp", "last_updated", "last_run_time", "date_fetched"), _TIME)
        | dict.fromkeys(("predefined", "private", "asset_scope", "always_cached", "is_referenced"), _FLAG)
        | {"fields": _TEXTS, "tags": _TEXTS, "used_in": _JSON, "view": _JSON},
        (("id",),),
    ),
    "system_activity_log": SystemTable(
        dict.fromkeys(("id", "action", "category", "message", "type", "user", "role"), _TEXT)
        | dict.fromkeys(("impersonator_user", "data_scope", "discovery_cycle_id"), _TEXT)
        | {"date": _TIME},
        (("id",), ("uuid",)),
    ),
    "system_users": SystemTable(
        dict.fromkeys(("uuid", "user_name", "first_name", "last_name", "email", "title", "department"), _TEXT)
        | dict.fromkeys(("role_id", "role_name", "data_scope_id", "data_scope_name", "source"), _TEXT)
        | {"allowed_scopes_impersonation": _TEXTS, "last_login": _TIME, "last_updated": _TIME},
        (("uuid",), ("id",), ("user_name", "source")),
    ),
}
"""Read only where somebody names them. A column that is not listed here is never stored, whatever a server calls it."""

_OTHER_NAMES = {
    "system_adapters": {"clients_count": "connections_count"},
    "system_connections": {"client_id": "connection_id"},
    "system_fetch_history": {"instance": "node_name"},  # in the lake an instance is a deployment
}
"""What a server may call a column, so that all of them make the same table."""


@dataclass(frozen=True, slots=True)
class Listing:
    """How one generation lists a table.

    `read` is its name in `paths.READS`, `most` the rows that one request asks for at most, `params` go with each. A
    listing without paging comes whole with every request.
    """

    read: str
    paging: Paging = "none"
    most: int = 1_000_000
    params: tuple[tuple[str, str], ...] = ()

    def rows_at_once(self, wished: int) -> int:
        """Rows per request: as many as are wished, or as one answer may have."""
        return self.most if self.paging == "none" else min(wished, self.most)


@dataclass(frozen=True, slots=True)
class Rows:
    """What one answer lists: `listed` entries of the server's, made into `rows`; `total` of entries, where told."""

    rows: Sequence[object]
    listed: int
    total: int | None = None


def is_system(entity: str) -> bool:
    """Whether this is an administrators' table and no type of asset."""
    return entity in SYSTEM_TABLES


def table_fields(table: str) -> tuple[Field, ...]:
    """The columns of a table, in place of a catalogue."""
    return tuple(Field(name, kind) for name, kind in SYSTEM_TABLES[table].columns.items())


@dataclass(frozen=True, slots=True)
class ListingPlace:
    """What to ask a listing for, and which rows of the answer belong to the window: `skip` ones before it do not."""

    offset: int
    limit: int
    skip: int = 0

    @property
    def number(self) -> int:
        """Of the page, from 1 on, where pages are numbered."""
        return self.offset // self.limit + 1


def place_of(listing: Listing, window: Window) -> ListingPlace:
    """Where the rows of a window are in a listing.

    A numbered page begins at a multiple of its size, and a window may begin anywhere: then the page that holds its
    first row is asked for, and brings fewer rows than the window is wide.
    """
    if listing.paging == "none":
        return ListingPlace(0, listing.most, window.offset)
    limit = min(window.limit, listing.most)
    if listing.paging == "offset":
        return ListingPlace(window.offset, limit)
    limit = window.limit if window.limit <= listing.most and window.offset % window.limit == 0 else listing.most
    skip = window.offset % limit
    return ListingPlace(window.offset - skip, limit, skip)


def read_listing(reply: Reply, host: str) -> Mapping[str, object]:
    """The answer of a listing. Raises: BadAnswer for what is none, also for an error told with status 200."""
    answer = read_object(reply, host)
    refuse_error(answer, reply, host, "a listing")
    return answer


def entries_in(answer: Mapping[str, object], names: Iterable[str], host: str) -> list[object]:
    """The entries under the first of these names, or in the only list of an answer whose names are others.

    Raises: BadAnswer where there is none, or an empty table would be taken for a whole one.
    """
    lists = {key: value for key, value in answer.items() if isinstance(value, list) and key != "errors"}
    named = [lists[name] for name in names if name in lists]
    found = named or (list(lists.values()) if len(lists) == 1 else [])
    if not found:
        raise BadAnswer(f"{host} answered a listing without a list", host=host, status=200)
    return found[0]


def connections_in(adapters: Iterable[object]) -> Iterator[object]:
    """The connections of all adapters, each with the adapter and the node that it belongs to."""
    for adapter in adapters:
        if not isinstance(adapter, Mapping):
            continue
        own = {key: adapter[key] for key in ("node_id", "node_name") if key in adapter}
        own["adapter_name"] = adapter.get("plugin_name") or adapter.get("id")
        listed = adapter.get("connections", adapter.get("clients"))
        for one in listed if isinstance(listed, list) else ():
            yield {**own, **one} if isinstance(one, Mapping) else one


def system_page(
    table: str, listing: Listing, window: Window, served: Rows, *, fields: Sequence[str], enveloped: bool
) -> Page:
    """The rows of a window as a page in the form of its generation, `enveloped` as v1 has them.

    `fields`: only these columns, all of them where none are named. A row that is no object has no id in the page, so
    that it is counted and becomes a dead letter without what it held.
    """
    place = place_of(listing, window)
    rows = list(_with_ids(table, served.rows))[place.skip : place.skip + window.limit]
    if fields:
        rows = [{key: row[key] for key in fields if key in row} for row in rows]
    total = served.total
    if listing.paging == "none":  # one entry may be several rows; where fewer came than there are, they are missed
        total = len(served.rows) + max((served.total or 0) - served.listed, 0)
    meta = {} if total is None else {"page": {"totalResources": total}}
    if enveloped:
        body = {"data": [{"type": table, "id": row.get(ID_FIELD), "attributes": row} for row in rows], "meta": meta}
    else:
        body = {"assets": rows, "meta": meta}
    return Page(window, orjson.dumps(body), len(rows), total, None)


def listed_rows(rows: Sequence[object], listed: int, answer: Mapping[str, object]) -> Rows:
    """Rows with the total that their answer tells."""
    return Rows(rows, listed, total_in(answer))


def _with_ids(table: str, rows: Iterable[object]) -> Iterator[dict[str, object]]:
    """The rows with what may be kept of them; two of one answer never have the same id."""
    seen: Counter[str] = Counter()
    for served in rows:
        row = _kept(table, served) if isinstance(served, Mapping) else {}
        if isinstance(served, Mapping) and row:
            name = _name(SYSTEM_TABLES[table], served, row)
            seen[name] += 1
            row = {ID_FIELD: name if seen[name] == 1 else f"{name}#{seen[name]}", **row}
        yield row


def _kept(table: str, served: Row) -> dict[str, object]:
    """The known columns, their values without what may hold a secret. Nulls are left out: the row is made anew."""
    columns, other = SYSTEM_TABLES[table].columns, _OTHER_NAMES.get(table, {})
    named = {other.get(key, key): value for key, value in served.items()} | dict(served)
    if table == "system_saved_queries":
        named |= _query_columns(served)
    known = {key: _clean(value, DEEPEST) for key, value in named.items() if key in columns}
    return {key: value for key, value in known.items() if value is not None}


def _query_columns(served: Row) -> dict[str, object]:
    """What versions write under different keys: a nested view, or flat keys."""
    found = read_saved_query(served)
    if found is None:
        return {"query": None, "fields": None}
    told = {"id": found.id or None, "asset_type": found.entity or None}
    return {**told, "query": found.aql, "fields": list(found.fields)}


def _name(table: SystemTable, served: Row, row: Row) -> str:
    for key in table.keys:
        parts = [row.get(column, served.get(column)) for column in key]
        if all(isinstance(part, str | int) and part != "" for part in parts):
            return "/".join(map(str, parts))
    return hashlib.sha256(orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def _clean(value: object, levels: int) -> object:
    """The value without keys that may hold a secret."""
    if isinstance(value, Mapping | list) and not levels:
        return None
    if isinstance(value, Mapping):
        return {key: _clean(one, levels - 1) for key, one in value.items() if not SECRET.search(key)}
    if isinstance(value, list):
        return [_clean(one, levels - 1) for one in value]
    return value
