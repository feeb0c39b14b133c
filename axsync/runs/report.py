"""What a run, and a look at an instance, came to."""

from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True, slots=True)
class CheckStep:
    """One thing that was tried; `ok` is None where it does not matter for a run."""

    name: str
    ok: bool | None
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class EntityCheck:
    """Whether an entity type can be read with this credential."""

    entity: str
    state: Literal["readable", "empty", "forbidden", "not offered"]
    count: int | None = None


@dataclass(frozen=True, slots=True)
class InstanceCheck:
    """What `axsync check` found about one instance."""

    name: str
    url: str
    steps: tuple[CheckStep, ...]
    entities: tuple[EntityCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class EntityRow:
    """An entity type that an instance offers."""

    instance: str
    entity: str
    count: int | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field of the catalogue, with the column and the type it gets."""

    instance: str
    field: str
    column: str
    type: str
    title: str
    adapter: str | None
