"""Views that answer: what people ask of a lake, as SELECTs over its entity types and their history.

`lanes`, `<entity>_history` and, outside of `axsync sql`, `<entity>` are made where their rows are known: here are their
names. Everything else stands on them, and is the same in every engine but for the words of `sql.engines`. Columns are
looked up by their Axonius fields; a view whose columns are not there is not made.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from axsync.schema.columns import RESCUED
from axsync.schema.kinds import Atom, Group, Kind, Many
from axsync.sql.engines import ListRows, Words
from axsync.sql.tables import PARTITIONS, EntityTable

GENERIC = "specific_data.data."
PREFERRED = "_preferred"
SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "NONE")
"""From the highest on."""
SLA_DAYS = {"CRITICAL": 15, "HIGH": 30, "MEDIUM": 90, "LOW": 180}
"""Days within which a vulnerability has to be gone from a device, counted from its first_seen."""
KEYS = ("instance", "dt", "internal_axon_id")
LANE_COLUMNS: Mapping[str, Kind] = {
    "run": Atom("text"),
    "dt": Atom("date"),
    "instance": Atom("text"),
    "entity": Atom("text"),
    "verdict": Atom("text"),
    "rows": Atom("integer"),
    "rescued_values": Atom("integer"),
    "stand_in": Atom("text"),
    "newest_of_day": Atom("bool"),
}
STORED_LANE_COLUMNS: Mapping[str, Kind] = {
    **{name: kind for name, kind in LANE_COLUMNS.items() if name != "newest_of_day"},
    "finished_at": Atom("timestamp"),
    "files_dt": Atom("date"),
    "schema": Atom("text"),
    "globbed": Atom("bool"),
}
"""As `axsync.lake.lane_files` has them."""
_EXPLODED = (
    # view, entity type, field, member of its objects, column; without a column: one for each member
    ("device_adapters", "devices", "adapters", "", "adapter"),
    ("device_network_interfaces", "devices", "network_interfaces", "", ""),
    ("device_ips", "devices", "network_interfaces", "ips", "ip"),
    ("device_installed_software", "devices", "installed_software", "", ""),
    ("device_software_cves", "devices", "software_cves", "", ""),
    ("device_open_ports", "devices", "open_ports", "", ""),
    ("device_users", "devices", "last_used_users", "", "username"),
    ("user_groups", "users", "groups", "", "group_name"),
)
HISTORY_WORDS = ("lanes", "_history", "coverage")
"""What names of views that need all days have in them."""
VIEW_WORDS = (*HISTORY_WORDS, "_flat", "_rescued", "findings", *(view for view, *_ in _EXPLODED))
"""What names of views have in them."""
_BY_NATURE_LISTS = ("adapters", "labels")
_FINDING = ("cve_id", "software_name", "software_version")
_OF_DEVICE = ("hostname", "os_type", "last_seen")
_OF_VULNERABILITY = ("cvss", "cve_description")


_Joined: TypeAlias = tuple[str, list[tuple[str, str]], str]
"""A JOIN, the columns that it brings, and the view that it needs."""


@dataclass(frozen=True, slots=True)
class SqlView:
    """One view: its SELECT, and the names that this selects from."""

    name: str
    sql: str
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """What views are called in a lake with these entity types: one that collides with a type gives way to it."""

    taken: frozenset[str]

    def of(self, wished: str) -> str:
        """The name of a view."""
        return self.of(f"{wished}_view") if wished in self.taken else wished

    def history(self, entity: str) -> str:
        """The view of all days."""
        return self.of(f"{entity}_history")

    def flat(self, entity: str) -> str:
        """The view of single values."""
        return self.of(f"{entity}_flat")

    @property
    def lanes(self) -> str:
        """The table of verdicts."""
        return self.of("lanes")

    @property
    def stored_lanes(self) -> str:
        """The table over the files that have them."""
        return self.of("stored_lanes")


def lanes_of(words: Words, source: str) -> str:
    """`lanes` over the files of lanes.

    The newest of a day is the newest that wrote files there, else the newest that read it, as in `sql.days`.
    """
    named = {name: f"t.{words.quoted(name)}" for name in STORED_LANE_COLUMNS}
    own = f"{named['stand_in']} IS NULL"
    rank = f"CASE WHEN {own} AND {named['files_dt']} IS NOT NULL THEN 0"
    rank += f" WHEN {own} AND {named['schema']} IS NOT NULL THEN 1 ELSE 2 END"
    order = f"{rank}, {named['finished_at']} DESC, {named['run']} DESC"
    of_day = f"PARTITION BY {named['entity']}, {named['instance']}, {named['dt']}"
    values = {
        **named,
        "dt": words.as_dt(named["dt"]),
        "newest_of_day": f"row_number() OVER ({of_day} ORDER BY {order}) = 1",
    }
    listed = ",\n".join(f"  {values[name]} AS {words.quoted(name)}" for name in LANE_COLUMNS)
    return f"SELECT\n{listed}\nFROM {source} AS t"


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the views of a lake in the words of one engine. `ref` is how a view is named in another one's FROM."""

    words: Words
    names: Names
    ref: Callable[[str], str]

    def views(self, now: Mapping[str, EntityTable], history: Mapping[str, EntityTable]) -> Iterator[SqlView]:
        """All views over these tables, each after those that it needs."""
        for entity, table in now.items():
            yield self._view(self.names.flat(entity), self._flat(table), entity)
            yield self._view(self.names.of(f"{entity}_rescued"), self._rescued(table), entity)
        for name, entity, field, member, column in _EXPLODED:
            if entity in now and (sql := self._exploded(now[entity], field, member, column)):
                yield self._view(self.names.of(name), sql, entity)
        if "devices" in history and (covered := self._coverage(history["devices"])):
            yield self._view(self.names.of("coverage"), covered, self.names.history("devices"))
        if found := self._findings(now):
            yield self._view(self.names.of("findings"), *found)

    def _view(self, name: str, sql: str, *needs: str) -> SqlView:
        return SqlView(name, sql, needs)

    def q(self, name: str, alias: str = "t") -> str:
        """A column of a table in FROM."""
        return f"{alias}.{self.words.quoted(name)}"

    def select(self, columns: Iterable[tuple[str, str]], source: str, *, distinct: bool = False) -> str:
        """A SELECT of these expressions and their names."""
        listed = ",\n".join(f"  {sql} AS {self.words.quoted(name)}" for sql, name in columns)
        return f"SELECT{' DISTINCT' if distinct else ''}\n{listed}\nFROM {source}"

    def _from(self, name: str, alias: str = "t") -> str:
        return f"{self.ref(name)} AS {alias}"

    def _keys(self, table: EntityTable) -> list[tuple[str, str]]:
        return [(self.q(key), key) for key in KEYS if key in table.columns or key in PARTITIONS]

    # ------------------------------------------------------------------------------------------------ single values

    def _flat(self, table: EntityTable) -> str:
        columns = list(_flat_columns(table))
        listed = [(self._single(table, name), name) for name in columns]
        return self.select([*listed, *((self.q(name), name) for name in PARTITIONS)], self._from(table.entity))

    def _single(self, table: EntityTable, name: str) -> str:
        kind, found = table.columns[name], self.q(name)
        if isinstance(kind, Many):
            kind, field = kind.item, table.fields.get(name, name).rpartition(".")[2]
            found = self._one_of(found, kind, field)
        chosen = f"{name}{PREFERRED}"
        return f"coalesce({self.q(chosen)}, {found})" if table.columns.get(chosen) == kind else found

    def _one_of(self, value: str, kind: Kind, field: str) -> str:
        words = self.words
        is_moment = kind in (Atom("timestamp"), Atom("date"))
        if is_moment and field.startswith("last_"):
            return words.most(value, kind)
        if is_moment and field.startswith("first_"):
            return words.least(value, kind)
        if kind == Atom("bool"):
            return words.any_true(value)
        if field.endswith("severity") and kind == Atom("text"):
            ranked = " ".join(f"WHEN {words.has_word(value, one)} THEN '{one}'" for one in SEVERITIES)
            return f"CASE {ranked} ELSE {words.only(value, kind)} END"
        return words.only(value, kind)

    # -------------------------------------------------------------------------------------------------- rows of lists

    def _exploded(self, table: EntityTable, field: str, member: str, column: str) -> str | None:
        name = _column(table, field)
        if name is None:
            return None
        kind = table.columns[name]
        item = kind.item if isinstance(kind, Many) else kind
        rows = self.words.rows(self._listed(self.q(name), kind), item, "u")
        joins, columns = [rows.join], list[tuple[str, str]]()
        if isinstance(item, Group):
            kinds = {one.name: one.kind for one in item.members}
            if member and member not in kinds:
                return None
            if member:
                inner, rows = kinds[member], self._inside(rows, member, kinds[member])
                joins.append(rows.join)
                if isinstance(inner, Many) and not isinstance(inner.item, Group):
                    columns = [(rows.value, column)]
            elif not column:
                columns = [(rows.member(one, kinds[one]), _free(one)) for one in kinds]
            elif "name" in kinds:
                columns = [(rows.member("name", kinds["name"]), column)]
        elif column and not member:
            columns = [(rows.value, column)]
        if not columns:
            return None
        source = "\n".join([self._from(table.entity), *joins])
        return self.select([*self._keys(table), *columns], source, distinct=bool(column))

    def _inside(self, rows: ListRows, member: str, kind: Kind) -> ListRows:
        item = kind.item if isinstance(kind, Many) else kind
        return self.words.rows(self._listed(rows.member(member, kind), kind), item, "w")

    def _listed(self, value: str, kind: Kind) -> str:
        is_list = isinstance(kind, Many)
        return value if is_list else f"CASE WHEN {value} IS NOT NULL THEN {self.words.one(value)} END"

    def _rescued(self, table: EntityTable) -> str:
        join, path, served = self.words.entries(self.q(RESCUED), "u")
        columns = [*self._keys(table), (path, "path"), (served, "served")]
        return self.select(columns, f"{self._from(table.entity)}\n{join}")

    # ------------------------------------------------------------------------------------------------------- answers

    def _coverage(self, devices: EntityTable) -> str | None:
        """How many devices each adapter knows, of how many there are."""
        if (name := _column(devices, "adapters")) is None or not isinstance(devices.columns[name], Many):
            return None
        history, words = self._from(self.names.history("devices")), self.words
        by = [(self.q("instance"), "instance"), (self.q("dt"), "dt")]
        join, adapter = words.items(words.distinct(self.q(name)))
        known = self.select([*by, (adapter, "adapter")], f"{history}\n{join}" if join else history)
        counted = self.select([*by, (self.q("adapter"), "adapter"), ("count(*)", "devices")], f"(\n{known}\n) AS t")
        counted += f"\nGROUP BY {self.q('instance')}, {self.q('dt')}, {self.q('adapter')}"
        total = self.select([*by, ("count(*)", "of_devices")], history)
        total += f"\nGROUP BY {self.q('instance')}, {self.q('dt')}"
        columns = [(self.q(one, "c"), one) for one in ("instance", "dt", "adapter", "devices")]
        same = " AND ".join(f"{self.q(key, 'c')} = {self.q(key, 'd')}" for key in ("instance", "dt"))
        source = f"(\n{counted}\n) AS c JOIN (\n{total}\n) AS d ON {same}"
        return self.select([*columns, (self.q("of_devices", "d"), "of_devices")], source)

    def _findings(self, now: Mapping[str, EntityTable]) -> tuple[str, ...] | None:
        """Vulnerabilities on devices, with their age and what is late. The SELECT, and the names that it needs."""
        table = now.get("vulnerability_instances")
        if table is None:
            return None
        device, seen, cve = (_flat_column(table, f) for f in ("device_internal_axon_id", "first_seen", "cve_id"))
        if device is None or seen is None or cve is None:
            return None
        severity = _flat_column(table, "cve_severity") or _flat_column(table, "severity")
        first = self.q(seen) if table.columns[seen] == Atom("date") else self.words.day(self.q(seen))
        age = self.words.days_between(first, f"CAST({self.q('dt')} AS date)")
        degree = f"upper({self.q(severity)})" if severity else "CAST(NULL AS varchar)"
        limits = " ".join(f"WHEN '{one}' THEN {days}" for one, days in SLA_DAYS.items())
        allowed = f"CASE {degree} {limits} END"
        columns = [
            *self._keys(table),
            *((self.q(name), one) for one in _FINDING if (name := _flat_column(table, one))),
            (degree, "severity"),
            (self.q(seen), "first_seen"),
            (age, "age_days"),
            (allowed, "sla_days"),
            (f"{age} > {allowed}", "is_overdue"),
            (self.q(device), "device_internal_axon_id"),
        ]
        joins = [self._of_device(now.get("devices"), device), self._of_vulnerability(now.get("vulnerabilities"), cve)]
        source, needs = [self._from(self.names.flat(table.entity))], [self.names.flat(table.entity)]
        for found in filter(None, joins):
            source.append(found[0])
            columns += found[1]
            needs.append(found[2])
        return self.select(columns, "\n".join(source)), *needs

    def _of_device(self, devices: EntityTable | None, device: str) -> _Joined | None:
        """The device that a vulnerability is on."""
        if devices is None:
            return None
        name = self.names.flat("devices")
        same = f"{self.q('instance', 'd')} = {self.q('instance')}"
        on = f"{same} AND {self.q('internal_axon_id', 'd')} = {self.q(device)}"
        columns = [(self.q(found, "d"), one) for one in _OF_DEVICE if (found := _flat_column(devices, one))]
        return f"LEFT JOIN {self._from(name, 'd')} ON {on}", columns, name

    def _of_vulnerability(self, vulnerabilities: EntityTable | None, cve: str) -> _Joined | None:
        """What is known of a CVE; several assets may be the same one."""
        key = _flat_column(vulnerabilities, "cve_id") if vulnerabilities else None
        if vulnerabilities is None or key is None:
            return None
        name = self.names.flat("vulnerabilities")
        held = [(found, one) for one in _OF_VULNERABILITY if (found := _flat_column(vulnerabilities, one))]
        by = [(self.q("instance"), "instance"), (self.q(key), "cve_id")]
        inner = self.select([*by, *((f"max({self.q(found)})", one) for found, one in held)], self._from(name))
        inner += f"\nGROUP BY {self.q('instance')}, {self.q(key)}"
        same = f"{self.q('instance', 'v')} = {self.q('instance')}"
        on = f"{same} AND {self.q('cve_id', 'v')} = {self.q(cve)}"
        return f"LEFT JOIN (\n{inner}\n) AS v ON {on}", [(self.q(one, "v"), one) for _, one in held], name


def _column(table: EntityTable, field: str) -> str | None:
    """The column of a field, or of the generic one of this name."""
    for name, held in table.fields.items():
        if held in (field, GENERIC + field):
            return name
    return None


def _flat_column(table: EntityTable, field: str) -> str | None:
    """The same, if the flat view has it. `os_type` means `os.type`."""
    names = set(_flat_columns(table))
    found = _column(table, field) or _column(table, field.replace("_", ".", 1))
    return found if found in names else None


def _flat_columns(table: EntityTable) -> Iterator[str]:
    """Columns that have, or can be taken for, a single value. A preferred one takes the place of the others."""
    for name, kind in table.columns.items():
        bare = name.removesuffix(PREFERRED)
        takes_place = bare != name and table.columns.get(bare) in (kind, Many(kind))
        is_single = isinstance(kind, Atom) or (isinstance(kind, Many) and isinstance(kind.item, Atom))
        if is_single and not takes_place and table.fields.get(name) not in _BY_NATURE_LISTS:
            yield name


def _free(member: str) -> str:
    """A member's name beside the keys."""
    return f"{member}_" if member in KEYS else member


def named(views: Sequence[SqlView], wanted: Iterable[str]) -> list[SqlView]:
    """Those of the views that are wanted, and those that they need, in their order."""
    by_name, found = {view.name: view for view in views}, set[str]()
    waiting = [name for name in wanted if name in by_name]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [one for one in by_name[name].needs if one in by_name]
    return [view for view in views if view.name in found]
