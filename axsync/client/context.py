"""Who asks, and what must agree before an answer counts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from axsync.model import Lane


async def admit_at_once(size: int) -> None:
    """Admission without back-pressure, for small control answers."""
    del size


@dataclass(slots=True)
class Counters:
    """What one lane cost: requests sent and retries among them."""

    requests: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Who asks, and what must agree before the place at the gate is given up (back-pressure by bytes)."""

    lane: Lane | None = None
    admit: Callable[[int], Awaitable[None]] = admit_at_once
    counters: Counters = field(default_factory=Counters)
    kind: str = ""  # what tells questions apart whose answers take different times
    heard: Callable[[float, int], None] | None = None  # seconds on the wire and bytes of a good answer
    patience: Callable[[], int] | None = None  # 5xx and timeouts after which a smaller page is the better question
