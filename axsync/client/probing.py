"""Which generation an instance speaks and how, found out with a handful of cheap reads.

What they tell: docs/axonius-api.md, "Endpoints".
"""

from axsync.api import GENERATIONS, Api, Dialect, Question
from axsync.client.context import RequestContext
from axsync.client.source import Source
from axsync.client.transport import Transport
from axsync.errors import BadAnswer, BadRequest, NotOffered, ServerError, Unreachable
from axsync.model import Window
from axsync.settings import InstanceSettings

_FIRST = Window(0, 0, 1)
_PROBED = ("specific_data.data.hostname", "specific_data.data.last_seen")


async def probe(settings: InstanceSettings, transport: Transport) -> Source:
    """The instance as a source: v2 first, v1 where v2 is not there, or what `api` fixes.

    Raises: Refused, Unreachable, NotOffered where neither generation answers.
    """
    wanted = list(GENERATIONS) if settings.api == "auto" else [settings.api]
    refusal: ServerError | None = None
    for generation in wanted:
        api = GENERATIONS[generation]
        source = Source(settings.name, api, transport, Dialect())
        try:
            return await _introduce(source, sure=len(wanted) == 1)
        except (NotOffered, BadAnswer, BadRequest) as error:
            # An error told with status 200 says more than that the other generation is not there.
            refusal = refusal if isinstance(refusal, BadAnswer) and refusal.detail else error
    host = transport.host
    message = f"{host} speaks no API that axsync knows ({', '.join(wanted)})"
    status, words = (refusal.status, refusal.detail) if refusal else (None, "")
    raise NotOffered(message, host=host, status=status, detail=words)


async def _introduce(source: Source, *, sure: bool) -> Source:
    """About, discovery, entity types, one row with every optional key. Raises: what says that it is not this API."""
    hidden = False
    try:
        source.version = await _about(source.api, source.transport)
    except (NotOffered, BadAnswer, BadRequest) as error:
        # 404 means another generation; 403 may be a role that sees assets but not the about page.
        hidden = error.status == 403
        if not sure and not hidden:
            raise
    cycle = await source.discovery()
    source.titles = await _listed(source)
    source.listed = tuple(source.titles) or None
    ill = await _taste(source)
    # Errors told with status 200 look like answers, until not one of them says anything.
    if isinstance(ill, BadAnswer) and not (hidden or source.version or cycle or source.listed):
        raise ill
    return source


async def _about(api: Api, transport: Transport) -> str | None:
    host = transport.host
    return await transport.ask(api.about_request(), lambda reply: api.read_about(reply, host), RequestContext())


async def _listed(source: Source) -> dict[str, str]:
    """Entity type → its title, nothing where the server has no list."""
    request = source.api.entities_request()
    if request is None:
        return {}
    host = source.transport.host
    try:
        return await source.transport.ask(
            request, lambda reply: source.api.read_entities(reply, host), RequestContext()
        )
    except (NotOffered, BadRequest, BadAnswer):
        return {}  # the path may be taken for an asset's id and answer 400, 404, 405


async def _taste(source: Source) -> ServerError | None:
    """Ask for one device with all optional keys, so that refused ones are known before lanes start.

    Returns what came instead: devices may be out of this account's reach, or ill; lanes will tell.
    """
    try:
        await source.page(Question("devices", _PROBED), _FIRST, RequestContext())
    except (NotOffered, BadRequest, BadAnswer, Unreachable) as error:
        return error
    return None
