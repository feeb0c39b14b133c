"""What a run over many instances costs, by a clock that jumps: the real run, all of it, without sockets.

Run: python tests/benchmarks/simulation.py INSTANCES [DEVICES] [--pace 10] [--latency 1]

DEVICES are those of each instance; its four other entity types have a tenth of that. Only what sends a request is
replaced: an answer comes after simulated seconds and is what an emulator answered to the same request. Where nothing
can go on, the clock jumps to the next timer; while a thread works, it stands still. So the hours are those of servers
and limits; the CPU time, which is real, comes on top where it is longer. Put the lake into memory with TMPDIR=/dev/shm.
"""

import time


class Clock:
    """Seconds that pass when somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The simulated time."""
        return self.now


CLOCK = Clock()
time.monotonic = CLOCK  # before the limiters take it for their clock

import argparse  # noqa: E402
import asyncio  # noqa: E402
import json  # noqa: E402
import selectors  # noqa: E402
from collections.abc import AsyncIterator, Callable, Mapping  # noqa: E402
from concurrent.futures import Future, ThreadPoolExecutor  # noqa: E402
from contextlib import asynccontextmanager  # noqa: E402
from contextvars import Context  # noqa: E402
from dataclasses import dataclass, field, replace  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402
from urllib.error import HTTPError  # noqa: E402
from urllib.parse import urlencode  # noqa: E402
from urllib.request import Request as Asked  # noqa: E402
from urllib.request import urlopen  # noqa: E402

import axsync  # noqa: E402
from axsync.client import transport  # noqa: E402
from axsync.client.connection import ConnectionConfig  # noqa: E402
from axsync.client.session import Arriving  # noqa: E402
from axsync.credentials import Credential  # noqa: E402
from axsync.model import Reply, Request  # noqa: E402
from axsync.settings import InstanceSettings, LakeSettings, RunSettings, Settings  # noqa: E402
from tests.benchmarks.fleet import KEY, SECRET  # noqa: E402
from tests.benchmarks.hosts import TYPES, peak, serving  # noqa: E402
from tests.benchmarks.process import folder  # noqa: E402
from tests.flow.harness import Lab  # noqa: E402

NIGHTS = ("2026-11-28", "2026-11-29")
SMALL_SECONDS = 0.2
"""What a request without rows takes."""


class JumpingSelector(selectors.DefaultSelector):
    """Lets simulated time pass instead of waiting, unless a thread has to come to its end first."""

    def __init__(self) -> None:
        super().__init__()
        self.working = 0  # jobs of threads

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready."""
        if timeout is not None and (timeout <= 0 or not self.working):
            CLOCK.now += max(timeout, 0.0)
            return super().select(0)
        return super().select(None)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop that knows how many threads work for it: each ends with a call that is safe for threads."""

    def __init__(self) -> None:
        self.jumping = JumpingSelector()
        super().__init__(self.jumping)

    def call_soon_threadsafe(  # type: ignore[override]  # its own types cannot be passed on
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """A thread has done its work."""
        self.jumping.working = max(self.jumping.working - 1, 0)
        return super().call_soon_threadsafe(callback, *args, context=context)


@dataclass(slots=True)
class Answers:
    """What an emulator answered, to whoever asks; and how much was asked."""

    url: str
    latency: float
    requests: int = 0
    size: int = 0
    _known: dict[tuple[str, str, bytes | None], Reply] = field(default_factory=dict)

    def to(self, request: Request) -> Reply:
        """The answer to a request: the emulator is asked once."""
        path = request.path + ("?" + urlencode(request.params) if request.params else "")
        key = request.method, path, request.body
        if key not in self._known:
            self._known[key] = self._ask(*key)
        return self._known[key]

    def _ask(self, method: str, path: str, body: bytes | None) -> Reply:
        headers = {"api-key": KEY, "api-secret": SECRET, "Content-Type": "application/json"}
        try:
            with urlopen(Asked(self.url + path, body, headers, method=method)) as answer:  # noqa: S310
                return Reply(answer.status, {"content-type": "application/json"}, answer.read())
        except HTTPError as error:
            return Reply(error.code, {"content-type": "application/json"}, error.read())

    @asynccontextmanager
    async def session(self, config: ConnectionConfig, credential: Credential) -> AsyncIterator["Session"]:
        """In the place of `client.session.open_session`."""
        del config, credential
        yield Session(self)


@dataclass(slots=True)
class Session:
    """A session with one instance. `skew` as in `HttpSession`."""

    answers: Answers
    skew: float | None = None

    async def send(
        self,
        request: Request,
        timeout: object,  # noqa: ASYNC109  aiohttp's
        *,
        signed: Mapping[str, str] | None = None,
        most: int = 0,
        arriving: Arriving | None = None,
    ) -> Reply:
        """The answer, after simulated seconds."""
        del timeout, signed, most
        self.answers.requests += 1
        reply = self.answers.to(request)
        await asyncio.sleep(self.answers.latency if arriving else SMALL_SECONDS)
        if arriving is not None:
            await arriving(len(reply.body))
        self.answers.size += len(reply.body)
        return reply


def count_jobs(loop: JumpingLoop) -> Callable[[], None]:
    """Have the loop know what threads do for it; returns what ends that."""
    submit = ThreadPoolExecutor.submit

    def counted(pool: ThreadPoolExecutor, *args: Any, **more: Any) -> Future[Any]:
        loop.jumping.working += 1
        return submit(pool, *args, **more)

    ThreadPoolExecutor.submit = counted  # type: ignore[method-assign,assignment]

    def end() -> None:
        ThreadPoolExecutor.submit = submit  # type: ignore[method-assign]

    return end


def settings_of(instances: int, pace: float, place: Path) -> Settings:
    """So many instances, each with a host of its own."""
    keys = Lab(place).keys("all", KEY, SECRET)
    named = [(f"tenant-{number:05}", f"http://127.0.0.1:{1024 + number}") for number in range(instances)]
    chosen = tuple(InstanceSettings(name, url, keys, requests_per_second=pace) for name, url in named)
    return Settings(LakeSettings(uri=str(place / "lake")), chosen, {}, RunSettings(entities=TYPES))


def night(settings: Settings, day: str, answers: Answers) -> dict[str, Any]:
    """A run; what it took."""
    began, cpu = CLOCK.now, time.process_time()
    answers.requests = answers.size = 0
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        end = count_jobs(runner.get_loop())  # type: ignore[arg-type]
        report = runner.run(axsync.sync(replace(settings, run=replace(settings.run, logical_date=day))))
        end()
    lake, dated = Path(settings.lake.uri), f"dt={day}"
    return {
        "day": day, "instances": len(settings.instances), "lanes": len(report.outcomes), "verdict": report.verdict,
        "rows": sum(one.rows for one in report.outcomes), "requests": answers.requests,
        "mb": round(answers.size / 1e6, 1), "seconds": round(CLOCK.now - began, 1),
        "cpu_s": round(time.process_time() - cpu, 1), "peak_mb": round(peak()),
        "files": sum(dated in one.parts for one in lake.rglob("*.parquet")),
        "manifest_kb": round((lake / (report.manifest or "")).stat().st_size / 1e3),
    }  # fmt: skip


def main() -> None:
    """Simulate, and print a line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("instances", type=int)
    parser.add_argument("devices", type=int, nargs="?", default=500)
    parser.add_argument("--pace", type=float, default=10.0, help="requests per second of each instance")
    parser.add_argument("--nights", type=int, default=len(NIGHTS), help="the first knows nothing of the instances")
    parser.add_argument("--latency", type=float, default=1.0, help="seconds before rows are answered")
    asked = parser.parse_args()
    with serving(1, asked.devices, 0.0, 0.0) as (url,):
        answers = Answers(url, asked.latency)
        transport.open_session = answers.session  # type: ignore[attr-defined,assignment]
        with folder() as place:
            settings = settings_of(asked.instances, asked.pace, place)
            for day in NIGHTS[: asked.nights]:
                print(json.dumps(night(settings, day, answers)), flush=True)


if __name__ == "__main__":
    main()
