"""What the commands set in motion. Tests hand in their own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from axsync.config import load_settings
from axsync.console.session import Sync
from axsync.credentials import Credential
from axsync.runs import EntityRow, FieldRow, InstanceCheck, Plan, check, entities, fields, plan, sync
from axsync.runs.trial import Accepted, try_credential
from axsync.settings import InstanceSettings, Settings


@dataclass(frozen=True, slots=True)
class Services:
    """The library as the command line uses it."""

    load_settings: Callable[..., Settings] = load_settings
    sync: Sync = sync
    check: Callable[..., Awaitable[tuple[InstanceCheck, ...]]] = check
    entities: Callable[..., Awaitable[tuple[EntityRow, ...]]] = entities
    fields: Callable[..., Awaitable[tuple[FieldRow, ...]]] = fields
    try_credential: Callable[[InstanceSettings, Credential | None], Awaitable[Accepted]] = try_credential
    plan: Callable[..., Awaitable[Plan]] = plan
