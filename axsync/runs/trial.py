"""One credential tried on its host: the few cheap reads that every run begins with."""

from dataclasses import dataclass

from axsync.credentials import Credential
from axsync.errors import ServerError
from axsync.events import Event
from axsync.model import Generation
from axsync.runs.instances import open_sources
from axsync.settings import InstanceSettings, LakeSettings, Settings


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the host told, once it had accepted the credential."""

    url: str
    api: Generation
    server_version: str | None


async def try_credential(instance: InstanceSettings, credential: Credential | None = None) -> Accepted:
    """Ask the instance with this credential, or with the one that its settings name.

    Raises: Refused, NotOffered, Unreachable, BadAnswer; ConfigError and its kin where the credential cannot be read.
    """
    settings = Settings(LakeSettings(), (instance,))
    async with open_sources(settings, _quiet, given=credential) as sources:
        source = sources[instance.name]
        if isinstance(source, ServerError):
            raise source
        return Accepted(instance.url, source.api.GENERATION, source.version)


def _quiet(event: Event) -> None:
    del event
