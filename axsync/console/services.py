"""The parts of the library that ask an instance. Tests replace some of them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from axsync import runs
from axsync.console.invocation import Invocation
from axsync.credentials import Credential
from axsync.events import Observer
from axsync.runs import Backfill, EntityRow, FieldRow, InstanceCheck, Plan, QueryRow, Report
from axsync.runs.inspect import Accepted, try_credential
from axsync.settings import InstanceSettings, Settings


class Sync(Protocol):
    """The signature of `axsync.runs.sync`."""

    def __call__(self, settings: Settings, *, observers: Sequence[Observer] = ()) -> Awaitable[Report]:
        """Run to the end."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What commands call to ask an instance."""

    sync: Sync
    backfill: Callable[..., Awaitable[Backfill]]
    check: Callable[..., Awaitable[tuple[InstanceCheck, ...]]]
    entities: Callable[..., Awaitable[tuple[EntityRow, ...]]]
    fields: Callable[..., Awaitable[tuple[FieldRow, ...]]]
    queries: Callable[..., Awaitable[tuple[QueryRow, ...]]]
    plan: Callable[..., Awaitable[Plan]]
    try_credential: Callable[[InstanceSettings, Credential | None], Awaitable[Accepted]]

    @classmethod
    def real(cls, **replaced: Any) -> "Services":
        """The library itself, apart from what is replaced."""
        names = ("sync", "backfill", "check", "entities", "fields", "queries", "plan")
        library = {name: getattr(runs, name) for name in names}
        return cls(**library | {"try_credential": try_credential} | replaced)


def services_of(given: Invocation) -> Services:
    """The library, or the fakes of a test."""
    return given.services or Services.real()
