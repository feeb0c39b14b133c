"""`axsync plan --shards`, `work`, `publish` as processes over S3: one is killed, one frozen and overtaken."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from axsync.emulator import Emulator, Options
from axsync.lake import layout
from tests.faults.torture.place import Harness
from tests.flow.harness import pages
from tests.stores.place import PATIENCE, PROGRAM, Place, rows_of
from tests.stores.servers import Server, s3, s3_config

pytestmark = pytest.mark.stores

NAMES = ("killed", "frozen", "third", "fourth")
PER_SECOND = 25.0
BUSY = 75


@dataclass
class Machine:
    """Runs one process of axsync at a time over a prefix of a bucket, with an empty folder for drafts each time."""

    place: Place
    folder: Path
    harness: Harness = field(default_factory=lambda: Harness(PROGRAM))
    process: int = 0
    _begun: int = 0

    async def start(self, *arguments: str) -> None:
        self._begun += 1
        files = {name: str(self.folder / f"{name}{self._begun}") for name in ("count", "out", "err", "drafts")}
        told = {"bucket": s3_config(self.place.server.endpoint), "prefix": self.place.prefix, "ttl": self.place.ttl}
        wish = {"at": 0, "fault": "kill", "arguments": arguments, **told, **files}
        self.process = await asyncio.to_thread(self.harness.start, wish)

    async def ended(self) -> tuple[int, str]:
        """How, and what it said."""
        code = await asyncio.wait_for(asyncio.to_thread(self.harness.ended), PATIENCE)
        return code, (self.folder / f"out{self._begun}").read_text() + (self.folder / f"err{self._begun}").read_text()

    async def run(self, *arguments: str) -> tuple[int, str]:
        await self.start(*arguments)
        return await self.ended()

    async def patient(self, *arguments: str) -> tuple[int, str]:
        """Again and again, as long as that is what its exit code says."""
        async with asyncio.timeout(PATIENCE):
            while (ended := await self.run(*arguments))[0] == BUSY:  # noqa: ASYNC110  of another process
                await asyncio.sleep(0.2)
        return ended


@pytest.fixture(scope="module")
def server() -> Server:
    return s3()


@pytest.fixture
def machines(server: Server, tmp_path: Path) -> Iterator[list[Machine]]:
    """Five over one lake."""
    place = Place.fresh(server, tmp_path / "place")
    found = [Machine(place, tmp_path / f"machine{number}") for number in range(5)]
    for one in found:
        one.folder.mkdir()
    yield found
    for one in found:
        with suppress(ProcessLookupError):  # or the one who started it waits for ever
            os.kill(one.process, signal.SIGKILL)
        one.harness.close()


@pytest.fixture
async def emulators() -> AsyncIterator[dict[str, Emulator]]:
    """One instance for each shard."""
    async with AsyncExitStack() as stack:
        found = {}
        for place, name in enumerate(NAMES):
            size = {"killed": 300, "frozen": 600}.get(name, 120 + 10 * place)
            options = Options(sizes={"devices": size}, types=("devices",), count_nulls=0, latency_ms=80.0)
            found[name] = await stack.enter_async_context(Emulator(options))
        yield found


def configured(folder: Path, emulators: dict[str, Emulator]) -> str:
    """A settings file; the harness says which bucket and prefix the lake is."""
    lines = ['[lake]\nuri = "s3://lake/of-the-harness"\nformat = "delta"\nseal_seconds = 1\n[entities."*"]']
    lines.append('fields = ["name"]')
    for name, one in emulators.items():
        lines.append(
            f'[instances.{name}]\nurl = "{one.url}"\napi_key = "env:T_KEY"\napi_secret = "env:T_SECRET"\n'
            f"page_size = 10\nrequests_per_second = {PER_SECOND}\nin_flight = 2"
        )
    (folder / "axsync.toml").write_text("\n".join(lines))
    return str(folder / "axsync.toml")


def numbers(plan: Path) -> dict[str, str]:
    """Instance → its shard."""
    shards = json.loads(plan.read_text())["shards"]
    return {name: str(number) for number, shard in enumerate(shards) for name in shard["instances"]}


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not done():  # noqa: ASYNC110  the other process knows no event
            await asyncio.sleep(0.01)


async def test_of_four_processes_one_is_killed_and_one_frozen_and_overtaken(
    machines: list[Machine], emulators: dict[str, Emulator], tmp_path: Path
) -> None:
    """Both go on elsewhere; the frozen one wakes while its hosts are read, and neither asks nor changes more.

    With a table, to which the publication alone commits.
    """
    config = configured(tmp_path, emulators)
    at_work, fifth = dict(zip(NAMES, machines, strict=False)), machines[4]
    code, told = await fifth.run("plan", "--shards", "4", "--config", config)
    assert code == 0, told
    plan, number = str(fifth.folder / "out1"), numbers(fifth.folder / "out1")
    for name in NAMES:
        await at_work[name].start("work", plan, number[name])
    for name, sign in (("killed", signal.SIGKILL), ("frozen", signal.SIGSTOP)):
        await until(lambda log=emulators[name].log: len(pages(log)) > 8)  # type: ignore[misc]
        os.kill(at_work[name].process, sign)
    ended = {name: await at_work[name].ended() for name in ("killed", "third", "fourth")}
    assert [code for code, _ in ended.values()] == [-signal.SIGKILL, 0, 0], ended

    before = len(pages(emulators["frozen"].log))
    going_on = asyncio.ensure_future(fifth.patient("work", plan, number["frozen"]))
    await until(lambda: len(pages(emulators["frozen"].log)) > before + 4)
    os.kill(at_work["frozen"].process, signal.SIGCONT)
    code, told = await at_work["frozen"].ended()
    assert (code, "another process has taken over shard" in told, "Traceback" in told) == (BUSY, True, False), told
    code, told = await going_on
    assert code == 0, told
    code, told = await fifth.run("publish", plan)
    assert (code, "is unfinished, so nothing is published" in told) == (BUSY, True), told
    assert machines[0].place.seen() is None
    for command in (("work", plan, number["killed"]), ("publish", plan)):
        code, told = await fifth.patient(*command)
        assert code == 0, told

    assert all(one.peak_in_window(1.0) <= PER_SECOND for one in emulators.values())
    assert [*fifth.place.lake().store.list(layout.ALL_STAGED)] == []
    calm = Machine(Place.fresh(fifth.place.server, tmp_path / "calm"), tmp_path, fifth.harness)
    code, told = await calm.run("run", "--config", config)
    assert code == 0, told
    assert rows_of(fifth.place.lake()) == rows_of(calm.place.lake())
