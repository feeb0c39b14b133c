"""Measures that need a look inside a process: the loop's stalls during a run, what the pace costs.

Run: python -m tests.benchmarks.probes stall CONFIG | pace
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

LANES, ALLOWED, SECONDS = 60, 5_000, 5.0
TICK = 0.001


async def stall(config: str) -> dict[str, Any]:
    """The longest time the event loop was not served during a run, in milliseconds, and when that was."""
    import axsync  # noqa: PLC0415  its imports are not part of the run
    import axsync.runs  # noqa: PLC0415

    settings = axsync.load_settings(Path(config))
    gaps: list[tuple[float, float]] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK)
            gaps.append((time.perf_counter() - before - TICK, before - began))

    began = time.perf_counter()
    watching = asyncio.create_task(watch())
    await axsync.sync(settings)
    watching.cancel()
    worst = sorted(gaps, reverse=True)[:5]
    return {"stall": worst[0][0] * 1e3, "worst": [(gap * 1e3, at) for gap, at in worst]}


async def pace() -> dict[str, Any]:
    """What 60 lanes take of a core at the pace, where 5,000 per second are allowed and an answer takes 100 ms.

    What the same lanes cost without a pace is taken off. The cost of one grant is told as well.
    """
    from axsync.pacing.limiter import HostLimiter  # noqa: PLC0415

    meter = HostLimiter(requests_per_second=ALLOWED, in_flight=256)

    async def with_pace() -> None:
        async with meter.slot("page") as place:
            await asyncio.sleep(0.1)
            place.answered("good")

    async def without() -> None:
        await asyncio.sleep(0.1)

    await _share(with_pace, SECONDS)  # until the pace is found
    paced, asked = await _share(with_pace, SECONDS)
    bare, _ = await _share(without, SECONDS)
    return {"share": 100 * (paced - bare), "per_second": asked, "grant": 1e6 * (paced - bare) / max(asked, 1)}


async def _share(ask: Any, seconds: float) -> tuple[float, float]:  # noqa: ANN401  a coroutine function
    """CPU seconds per second, and requests per second, of 60 lanes that ask one after the other."""
    asked, ends = 0, time.perf_counter() + seconds

    async def lane() -> None:
        nonlocal asked
        while time.perf_counter() < ends:
            await ask()
            asked += 1

    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(LANES)))
    took = time.perf_counter() - began
    return (time.process_time() - cpu) / took, asked / took


if __name__ == "__main__":
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    print(json.dumps(asyncio.run(stall(sys.argv[2]) if sys.argv[1] == "stall" else pace())))
