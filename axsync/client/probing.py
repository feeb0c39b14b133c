"""Finds out which API generation an instance speaks, with a handful of cheap reads.

What the answers mean: docs/axonius-api.md, "Endpoints".
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from axsync.api import GENERATIONS, Api, Dialect, Question
from axsync.client.source import Source
from axsync.client.transport import FACT_BYTES, PROBE_SECONDS, RequestContext, Transport
from axsync.errors import (
    BadAnswer,
    BadRequest,
    InternalError,
    NotOffered,
    Redirected,
    ServerError,
    UnknownApi,
    Unreachable,
)
from axsync.model import Generation, Window
from axsync.settings import InstanceSettings

_FIRST = Window(0, 0, 1)
_PROBED = ("specific_data.data.hostname", "specific_data.data.last_seen")


PROBE_TRIES = 2
"""For each question, of `PROBE_SECONDS` each: a host that does not answer is not waited for as a page is."""

Together: TypeAlias = Callable[[Iterable[Coroutine[Any, Any, Any]]], Awaitable[list[Any]]]
"""Runs coroutines side by side and returns their results in order, as `engine.gather_all`."""


@dataclass(frozen=True, slots=True)
class Known:
    """What an earlier run found of an instance; it holds for this version of the product alone."""

    generation: Generation
    version: str
    refused: frozenset[str] = frozenset()  # optional keys


async def probe(
    settings: InstanceSettings, transport: Transport, together: Together, known: Known | None = None
) -> Source:
    """Probe the instance: v2 first, then v1, or only the generation that `api` fixes. Two round trips.

    One round trip where the server is still as it was `known`.

    Raises: Refused, Unreachable, Redirected; UnknownApi if neither generation answers.
    """
    wanted = list(GENERATIONS) if settings.api == "auto" else [settings.api]
    if known is not None and known.generation in wanted:
        source = Source(settings.name, GENERATIONS[known.generation], transport, Dialect(known.refused), agreed=True)
        if await _is_as_known(source, known, together):
            return source
    refusal: ServerError | None = None
    for generation in wanted:
        api = GENERATIONS[generation]
        source = Source(settings.name, api, transport, Dialect())
        try:
            return await _introduce(source, together, sure=len(wanted) == 1)
        except (InternalError, Redirected):
            raise
        except (NotOffered, BadAnswer, BadRequest) as error:
            # An error reported with status 200 is more specific than the absence of the other generation.
            refusal = refusal if isinstance(refusal, BadAnswer) and refusal.detail else error
    host = transport.host
    message = f"{host} speaks no API that axsync knows ({', '.join(wanted)})"
    status, words = (refusal.status, refusal.detail) if refusal else (None, "")
    raise UnknownApi(message, host=host, status=status, detail=words)


async def _introduce(source: Source, together: Together, *, sure: bool) -> Source:
    """Read version, then discovery, entity types and one row at once. Raises: what shows that this is not the API.

    The version goes first and alone: a wrong credential, and the other generation, cost one request.
    """
    hidden = False
    try:
        source.version = await _about(source.api, source.transport)
    except (NotOffered, BadAnswer, BadRequest) as error:
        # 404 means another generation; 403 may be a role that may read assets but not the about page.
        hidden = error.status == 403
        if not sure and not hidden:
            raise
    cycle, source.titles, ill = await together([source.discovery(_briefly()), _listed(source), _probe_row(source)])
    source.listed = tuple(source.titles) or None
    # Errors reported with status 200 look like answers; without any usable answer, this is not the API.
    if isinstance(ill, BadAnswer) and not (hidden or source.version or cycle or source.listed):
        raise ill
    return source


async def _is_as_known(source: Source, known: Known, together: Together) -> bool:
    """Read version and entity types, and say whether the version is the known one. Raises: Refused, Unreachable."""
    about = _about(source.api, source.transport)
    try:
        source.version, source.titles = await together([about, _listed(source)])
    except (NotOffered, BadAnswer, BadRequest):
        return False
    source.listed = tuple(source.titles) or None
    return source.version == known.version


def _briefly() -> RequestContext:
    return RequestContext(seconds=PROBE_SECONDS, tries=PROBE_TRIES)


async def _about(api: Api, transport: Transport) -> str | None:
    host = transport.host
    ask = replace(_briefly(), most=FACT_BYTES)
    return await transport.ask(api.about_request(), lambda reply: api.read_about(reply, host), ask)


async def _listed(source: Source) -> dict[str, str]:
    """Entity type → its title; empty if the server has no list."""
    request = source.api.entities_request()
    if request is None:
        return {}
    host = source.transport.host
    try:
        return await source.transport.ask(request, lambda reply: source.api.read_entities(reply, host), _briefly())
    except (NotOffered, BadRequest, BadAnswer):
        return {}  # some servers take the path for an asset's id and answer 400, 404 or 405


async def _probe_row(source: Source) -> ServerError | None:
    """Request one device with all optional keys, so that refused keys are known before the lanes start.

    Returns the error, if any: the account may not be allowed to read devices. The lanes will report that.
    """
    try:
        await source.page(Question("devices", _PROBED), _FIRST, _briefly())
    except (NotOffered, BadRequest, BadAnswer, Unreachable) as error:
        return error
    return None
