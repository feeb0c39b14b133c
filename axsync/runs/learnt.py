"""What runs learnt of an instance, kept beside the lake: where the next run begins, never what it believes.

An entry is there because it spares requests (docs/adr/0027). The first answers confirm it or overturn it: the API that
was found holds for the version of the product that is told first, and for a week; a page size grows back with good
pages. The file may be deleted at any time; one that is damaged, or of another server, is as good as none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import msgspec

from axsync.client import Known, Source
from axsync.lake import layout
from axsync.lake.publish import Lake
from axsync.model import Lane
from axsync.pacing.page_size import MOST_WANTED, FoundSize
from axsync.settings import Settings

FORMAT = 1
MOST_BYTES = 1 << 20
"""Of a file; a larger one is not ours."""
BELIEVED = timedelta(days=7)
"""How long after a full probe a run asks for the version alone."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What is known of one instance: its API, asked for in full on the day `probed`; page sizes by entity type."""

    host: str
    known: Known | None = None
    probed: date = date.min
    pages: Mapping[str, FoundSize] = field(default_factory=dict)
    format_version: int = FORMAT

    def believed(self, today: date) -> Known | None:
        """What a run of today may begin with."""
        return self.known if timedelta(0) <= today - self.probed < BELIEVED else None

    def after(self, source: Source, sizes: Sequence[tuple[Lane, FoundSize | None]], today: date) -> "Learnt":
        """What is known behind a run that asked this source, and in which these lanes ended with these page sizes."""
        known = _known(source)
        pages = dict(self.pages) | {lane.entity: size for lane, size in sizes if size}
        for lane, size in sizes:
            if size is None:
                pages.pop(lane.entity, None)
        probed = self.probed if known is not None and known == self.believed(today) else today
        return Learnt(self.host, known, probed if known else date.min, dict(sorted(pages.items())))


def _known(source: Source) -> Known | None:
    """The API of a source whose dialect a page has confirmed; None where its version is not told, or tells a secret."""
    if not source.agreed or not source.version or source.transport.hides(source.version):
        return None
    return Known(source.api.GENERATION, source.version, source.dialect.refused)


def read_learnt(lake: Lake, settings: Settings) -> dict[str, Learnt]:
    """Instance name → what is known of it; nothing where no file tells. Blocks."""
    hosts = {instance.name: instance.url for instance in settings.chosen()}
    return {name: _read(lake, name, host) for name, host in hosts.items()}


def believed(learnt: Mapping[str, Learnt], today: date) -> dict[str, Known]:
    """What earlier runs found of the instances, as far as it may be believed today."""
    return {name: known for name, one in learnt.items() if (known := one.believed(today))}


def _read(lake: Lake, instance: str, host: str) -> Learnt:
    try:
        found = msgspec.json.decode(lake.store.read(layout.state(instance), MOST_BYTES), type=Learnt)
    except (OSError, ValueError, RecursionError):
        return Learnt(host)
    sound = all(s.rows > 0 and s.good >= 0 and 0 < s.wanted <= MOST_WANTED for s in found.pages.values())
    return found if sound and (found.host, found.format_version) == (host, FORMAT) else Learnt(host)


def learn(
    lake: Lake,
    learnt: Mapping[str, Learnt],
    sources: Mapping[str, Source],
    sizes: Iterable[tuple[Lane, FoundSize | None]],
) -> list[str]:
    """Keep what a run found of its sources and the page sizes of its lanes; returns what cannot be kept. Blocks."""
    read: dict[str, list[tuple[Lane, FoundSize | None]]] = {}
    for lane, size in sizes:
        read.setdefault(lane.instance, []).append((lane, size))
    today = datetime.now(UTC).date()
    told = [
        _keep(lake, name, learnt[name].after(source, read.get(name, []), today)) for name, source in sources.items()
    ]
    return [text for text in told if text]


def _keep(lake: Lake, instance: str, learnt: Learnt) -> str:
    """Write it down where it is news; returns why it cannot be kept."""
    if learnt == _read(lake, instance, learnt.host):
        return ""
    try:
        lake.store.write(layout.state(instance), msgspec.json.encode(learnt))
    except OSError as error:
        return f"the state of instance {instance} cannot be saved: {error.strerror or error}"
    return ""
