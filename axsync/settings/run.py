"""Settings of entity types and of one run; and all settings together."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Literal, get_args

from axsync.errors import ConfigError
from axsync.model import MAX_LIMIT
from axsync.settings.checks import (
    Between,
    check_bounds,
    check_command,
    check_day,
    check_folder_names,
    check_names,
    nearest,
)
from axsync.settings.instance import InstanceSettings
from axsync.settings.lake import LakeSettings

DEFAULT_ENTITY = "default"
LATEST = "latest"
"""As `as_of`: the newest day of history that there is."""

Proof = Literal["always", "signs"]
Publish = Literal["what-is-whole", "all-or-nothing"]
FieldWord = Literal["generic", "full", "raw", "saved-query"]
Fields = FieldWord | tuple[str, ...]

FIELD_WORDS: tuple[FieldWord, ...] = get_args(FieldWord)
"""What may stand in place of a list of fields."""

_TABLE = re.compile(r"[a-z][a-z0-9_]*")
_QUOTES = frozenset("\"'`")


@dataclass(frozen=True, slots=True)
class EntitySettings:
    """Settings of one table. `type` is its entity type at Axonius, empty if the table is named like it.

    `query` is AQL; `saved_query` is the name or id of one. `extra_fields` are requested beside `fields`, even if no
    catalogue lists them. `details` are fields for which each adapter's own value is wanted as well.
    """

    type: str = ""
    fields: Fields = "generic"
    extra_fields: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    query: str = ""
    saved_query: str = ""
    page_size: Annotated[int, Between(0, MAX_LIMIT)] = 0  # rows; 0: the instance's
    max_columns: Annotated[int, Between(1, 100_000)] = 2000
    proof: Proof = "always"  # list all ids after every read of several pages, or only on signs of movement

    def __post_init__(self) -> None:
        check_bounds(self)
        if not self.fields or not all(name.strip() for name in self.fields):
            words = "generic, full, raw, saved-query or a list of names and globs"
            raise ConfigError(f"fields must be {words}, none of them empty")
        for name in self.extra_fields:
            _check_field("extra_fields", name)
        for name in self.details:
            _check_field("details", name)
        if self.details and self.fields in ("raw", "saved-query"):
            raise ConfigError(
                f"details and fields = {self.fields} cannot be combined; name the fields, or take generic"
            )
        if self.query and self.saved_query:
            raise ConfigError("query and saved_query cannot both be set")
        if self.fields == "saved-query" and not self.saved_query:
            raise ConfigError("fields = saved-query requires saved_query, the query whose columns are meant")

    def asked(self, name: str) -> str:
        """The entity type that the table `name` requests from Axonius."""
        return self.type or name


def _check_field(called: str, name: str) -> None:
    """Refuse an impossible field name. The message does not repeat it: it may be a misplaced secret."""
    if name != name.strip():
        raise ConfigError(f"{called} has a name with leading or trailing white space")
    if not name:
        raise ConfigError(f"{called} has an empty name")
    if any(letter in "*?[]" for letter in name):
        raise ConfigError(f"{called} takes names of fields, and has one with a wildcard or a bracket")
    if ".." in name or name[0] == "." or name[-1] == ".":
        raise ConfigError(f"{called} has a name with an empty part between its dots")
    if not name.isprintable() or not _QUOTES.isdisjoint(name):
        raise ConfigError(f"{called} has a name with a quote or an invisible character, which no field has")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Settings of one run. Empty `entities`, `instances` or `tags` mean all of them; `skip` wins.

    `instances` are names or globs of them. Of several tags an instance needs one.

    Days are YYYY-MM-DD, or `today` and `yesterday` by UTC.
    """

    entities: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    inventory: str = ""  # command:ARGV, a program that prints more instances as JSON; empty: none
    logical_date: str | None = None  # None: the day of history that is read, or the UTC day on which the run starts
    as_of: str | None = None  # a day of history, or "latest"; None: live data
    limit: Annotated[int | None, Between(1, 10**12)] = None  # rows per entity type
    dry_run: bool = False
    fresh: bool = False
    accept_drop: bool = False
    replace_worse: bool = False  # publish also what is less than the logical date has
    publish: Publish = "what-is-whole"  # if an entity type failed: the others, or nothing
    publish_wait_minutes: Annotated[float, Between(0, 10_080)] = (
        0.0  # for the last tenth of the instances; 0: unlimited
    )
    wait_stable_minutes: Annotated[float, Between(0, 1440)] = 0.0
    deadline_minutes: Annotated[float, Between(0, 10_080)] = 0.0  # for the whole run; 0: unlimited
    writers: Annotated[int, Between(0, 1024)] = 0  # threads; 0: one per core
    state_folder: str = ""  # shared by several lakes so that only one run at a time uses a host; empty: no coordination
    metrics_file: str = ""  # Prometheus text; empty: none
    lineage_file: str = ""  # OpenLineage events; empty: none
    otel: bool = False  # traces and metrics, sent where the OTEL_* variables say
    on_finish: str = ""  # a command that receives the summary as JSON; empty: none
    on_finish_seconds: Annotated[float, Between(1, 3600)] = 60.0

    def __post_init__(self) -> None:
        check_bounds(self)
        for name in self.entities:
            if "," in name:
                apart = " ".join(word.strip() for word in name.split(",") if word.strip())
                raise ConfigError(f"separate entity types with spaces: {apart}")
        check_folder_names("entities", self.entities)
        check_names("skip", self.skip)
        if self.entities and not self.wanted:
            raise ConfigError("skip leaves out every entity type that is named, so there is nothing to copy")
        if self.limit is not None and self.publish == "all-or-nothing":
            raise ConfigError("publish = all-or-nothing and limit cannot be combined: what is cut is never whole")
        if self.logical_date is not None:
            check_day("logical_date (--date)", self.logical_date)
        if self.as_of not in (None, LATEST):
            check_day("as_of (--as-of)", self.as_of, also=" or latest")
        check_command("on_finish", self.on_finish)
        check_names("tags", self.tags)
        if self.inventory and self.inventory_command in ("", self.inventory):
            raise ConfigError("inventory must be command:PROGRAM ARGUMENTS")
        check_command("inventory", self.inventory_command)

    @property
    def inventory_command(self) -> str:
        """The program of `inventory` with its arguments; empty without one."""
        return self.inventory.removeprefix("command:")

    @property
    def wanted(self) -> tuple[str, ...]:
        """The named entity types without those to skip; empty if none is named."""
        return tuple(name for name in self.entities if name not in self.skip)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a run, without the secrets."""

    lake: LakeSettings
    instances: tuple[InstanceSettings, ...]
    entities: Mapping[str, EntitySettings] = field(default_factory=dict)
    run: RunSettings = field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        known = [instance.name for instance in self.instances]
        # Names become folders, and some file systems do not distinguish Prod from prod.
        if len({name.lower() for name in known}) < len(known):
            raise ConfigError("two instances have the same name, ignoring case")
        check_folder_names("entities", self.entities)
        self._check_tables()
        self._check_choice(known)

    def _check_choice(self, known: Sequence[str]) -> None:
        for name in self.run.instances:
            if not any(fnmatchcase(one, name) for one in known):
                told = (
                    f"no instance matches {name!r}"
                    if any(letter in "*?[" for letter in name)
                    else f"there is no instance {name!r}"
                )
                raise ConfigError(f"{told}{nearest(name, known)}")
        tags = dict.fromkeys(tag for instance in self.instances for tag in instance.tags)
        for tag in self.run.tags:
            if tag not in tags:
                raise ConfigError(f"no instance has the tag {tag!r}{nearest(tag, tags)}")
        if self.instances and not self.chosen():
            raise ConfigError(f"no instance that is chosen by name has a tag of {', '.join(self.run.tags)}")

    def _check_tables(self) -> None:
        if len({name.lower() for name in self.entities}) < len(self.entities):
            raise ConfigError("two tables of entities have the same name, ignoring case")
        for name, table in self.entities.items():
            if name == DEFAULT_ENTITY and table.type:
                raise ConfigError(f"[entities.{name}]: type can only be set in a table with a name of its own")
        for name in self.tables:
            if not _TABLE.fullmatch(name):  # it becomes a table of databases that accept no other names
                rule = "small letters, digits and underscores, the first a letter"
                raise ConfigError(f"[entities.{name}]: a table with a type must be called with {rule}")

    def entity(self, name: str) -> EntitySettings:
        """Settings of this table; `default` applies to tables that are not listed."""
        return self.entities.get(name) or self.entities.get(DEFAULT_ENTITY) or EntitySettings()

    def asked(self, name: str) -> str:
        """The entity type that the table `name` requests from Axonius: the only place that tells the two apart."""
        return self.entity(name).asked(name)

    @property
    def tables(self) -> dict[str, str]:
        """Tables that are not named like their entity type → that type."""
        return {name: table.type for name, table in self.entities.items() if table.type not in ("", name)}

    def chosen(self) -> tuple[InstanceSettings, ...]:
        """The instances of this run, in the order of the configuration."""
        names, tags = self.run.instances, self.run.tags
        return tuple(
            one
            for one in self.instances
            if (not names or any(fnmatchcase(one.name, name) for name in names))
            and (not tags or any(tag in one.tags for tag in tags))
        )

    @property
    def are_chosen(self) -> bool:
        """Whether only some of the instances were asked for."""
        return bool(self.run.instances or self.run.tags)
