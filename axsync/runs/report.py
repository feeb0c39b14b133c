"""What a run, and a look at an instance, came to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from axsync.errors import AxsyncError
from axsync.model import Outcome


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to. `manifest` is relative to the lake, None when nothing was published."""

    run_id: str
    logical_date: str
    verdict: str
    outcomes: tuple[Outcome, ...]
    manifest: str | None
    lake: str
    seconds: float
    errors: tuple[AxsyncError, ...] = ()


Failure: TypeAlias = Literal["", "refused", "unreachable", "unknown", "other"]
"""What kind a failed step was of; unknown: the settings name an entity type that is not there."""


@dataclass(frozen=True, slots=True)
class CheckStep:
    """One thing that was tried. `ok` is None where it was not, or does not matter; `failure` says what kind it was.

    `advice` is what to try; it is also there where nothing failed and something should be looked at.
    """

    name: str
    ok: bool | None
    text: str
    advice: str = ""
    failure: Failure = ""
    facts: Mapping[str, str | int | float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EntityCheck:
    """Whether an entity type can be read with this credential; `note` has the server's words where it cannot.

    `title` is what people call the type, which may differ from its name.
    """

    entity: str
    state: Literal["readable", "empty", "forbidden", "not licensed", "not offered", "failed"]
    count: int | None = None
    note: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class InstanceCheck:
    """What `axsync check` found about one instance."""

    name: str
    url: str
    steps: tuple[CheckStep, ...]
    entities: tuple[EntityCheck, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the credential was."""
        return any(step.name == "credential" and step.ok for step in self.steps)


@dataclass(frozen=True, slots=True)
class EntityRow:
    """An entity type that an instance offers; `title` is what people call it."""

    instance: str
    entity: str
    count: int | None
    note: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field of the catalogue, with the column and the type it gets."""

    instance: str
    field: str
    column: str
    type: str
    title: str
    adapter: str | None
