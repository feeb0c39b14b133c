"""`axsync run --cluster` with Dask, in an environment of its own: `make test-dask`.

AXSYNC_DASK_ROUNDS says how often a worker is killed.
"""

import asyncio
import os
import random
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pytest

from axsync.emulator import Emulator, Options
from axsync.lake import layout
from axsync.lake.local import LocalStore
from axsync.settings import EntitySettings
from tests.flow.harness import Lab

pytestmark = pytest.mark.dask
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell runs in the background would ignore it

ROOT = Path(__file__).parents[3]
ROUNDS = int(os.environ.get("AXSYNC_DASK_ROUNDS", "3"))
WORKERS = 3
PER_SECOND = 25.0


async def begin(folder: Path, *arguments: str, **environ: str) -> Process:
    """A Python process in this folder."""
    told = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=folder, env=told, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )


async def ended(process: Process) -> tuple[int | None, str]:
    """Exit code, and what it said."""
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode, (out + err).decode()


@asynccontextmanager
async def background(folder: Path, *arguments: str) -> AsyncIterator[Process]:
    """A process that ends with the block."""
    process = await begin(folder, "-m", "dask", *arguments)
    reading = asyncio.ensure_future(process.communicate())
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await reading


def worker(address: str) -> list[str]:
    return ["worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard"]


@asynccontextmanager
async def cluster(folder: Path, count: int) -> AsyncIterator[tuple[str, list[Process]]]:
    """The address of a scheduler, and its workers, all of them processes of their own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--no-dashboard"]
    async with background(folder, *scheduler), AsyncExitStack() as stack:
        one = worker(address)
        yield address, [await stack.enter_async_context(background(folder, *one)) for _ in range(count)]


@asynccontextmanager
async def hosts(lab: Lab, count: int) -> AsyncIterator[dict[str, Emulator]]:
    """Emulators of different sizes, and a settings file that names them."""
    async with AsyncExitStack() as stack:
        found, lines = {}, [f'[lake]\nuri = "{lab.lake}"\n[entities."*"]\nfields = ["name"]']
        for place in range(count):
            options = Options(
                "p90", sizes={"devices": 100 + 10 * place}, types=("devices",), latency_ms=60.0, count_nulls=0
            )
            name, one = f"host{place}", await stack.enter_async_context(Emulator(options))
            found[name], keys = one, lab.keys(name, one.api_key, one.api_secret)
            lines.append(
                f'[instances.{name}]\nurl = "{one.url}"\napi_key = "{keys.api_key}"\napi_secret = "{keys.api_secret}"\n'
                f"page_size = 10\nrequests_per_second = {PER_SECOND}\nin_flight = 2"
            )
        (lab.folder / "axsync.toml").write_text("\n".join(lines))
        yield found


def rows(lab: Lab, name: str) -> pa.Table:
    """Of devices, but for what differs from run to run."""
    table = lab.table("devices", name)
    assert table is not None
    return table.drop_columns(["axsync_run_id", "axsync_fetched_at"]).sort_by("internal_axon_id")


async def undisturbed(folder: Path, emulators: dict[str, Emulator]) -> dict[str, pa.Table]:
    """What one process makes of them."""
    lab = Lab(folder)
    folder.mkdir()  # noqa: ASYNC240
    few = {"default": EntitySettings(fields=("name",))}
    await lab.run(lab.settings(*[lab.instance(one, name) for name, one in emulators.items()], types=few))
    return {name: rows(lab, name) for name in emulators}


async def test_processes_on_this_machine(tmp_path: Path) -> None:
    """`local:2` makes them; the same command again has nothing to do."""
    lab = Lab(tmp_path)
    async with hosts(lab, 3) as emulators:
        code, told = await ended(await begin(tmp_path, "-m", "axsync", "run", "--cluster", "local:2"))
        asked = sum(len(one.log) for one in emulators.values())
        again, words = await ended(await begin(tmp_path, "-m", "axsync", "run", "--cluster", "local:2"))

        assert (code, again, "nothing to do" in words) == (0, 0, True), told + words
        assert sum(len(one.log) for one in emulators.values()) == asked
        assert "host2/devices: complete; 120 rows" in told
        assert {name: rows(lab, name) for name in emulators} == await undisturbed(tmp_path / "one", emulators)


async def test_workers_are_killed_at_random_moments(tmp_path: Path) -> None:
    """Their shards go on elsewhere; the lake is the undisturbed one, and no host is asked more than it bears."""
    dice, lab = random.Random(ROUNDS), Lab(tmp_path)
    async with hosts(lab, 6) as emulators, cluster(tmp_path, WORKERS) as (address, workers), AsyncExitStack() as stack:
        expected = await undisturbed(tmp_path / "one", emulators)
        for _ in range(ROUNDS):
            for one in emulators.values():
                one.log.clear()
            command = ["-m", "axsync", "run", "--fresh", "--cluster", address]
            process = await begin(tmp_path, *command)
            ending = asyncio.ensure_future(ended(process))
            await asked_at_all(emulators, ending)
            await asyncio.sleep(dice.uniform(0.0, 3.0))
            victim = workers.pop(dice.randrange(len(workers)))
            with suppress(ProcessLookupError):  # the scheduler may have given it up already
                victim.send_signal(signal.SIGKILL)
            workers.append(await stack.enter_async_context(background(tmp_path, *worker(address))))
            code, told = await ending

            assert code == 0, told
            assert {name: rows(lab, name) for name in emulators} == expected
            assert max(one.peak_in_window(1.0) for one in emulators.values()) <= PER_SECOND


async def test_what_is_held_is_waited_for_and_a_stopped_run_goes_on(tmp_path: Path) -> None:
    """Ctrl-C ends the command, and soon after it what workers do; the same command waits for a shard that is held."""
    lab = Lab(tmp_path)
    async with hosts(lab, 4) as emulators, cluster(tmp_path, 1) as (address, _):
        command = ["-m", "axsync", "run", "--cluster", address]
        process = await begin(tmp_path, *command)
        ending = asyncio.ensure_future(ended(process))
        await asked_at_all(emulators, ending)
        process.send_signal(signal.SIGINT)
        code, told = await ending
        assert (code, "nothing was published" in told) == (130, True), told

        store, (plan,) = LocalStore(lab.lake), lab.lake.glob("_axsync/runs/*/plan.json")
        process = await begin(tmp_path, *command)
        assert process.stderr is not None
        with store.hold(layout.shard_lock(plan.parent.name, 3), what="shard 3", run="x"):
            async with asyncio.timeout(60):
                while b"shard 3 waits: another run is using shard 3" not in await process.stderr.readline():
                    assert not process.stderr.at_eof()
        code, told = await ended(process)

        assert code == 0, told
        assert len(list(lab.lake.glob("_axsync/runs/*/plan.json"))) == 1
        assert {name: rows(lab, name) for name in emulators} == await undisturbed(tmp_path / "one", emulators)


async def asked_at_all(emulators: dict[str, Emulator], ending: "asyncio.Future[tuple[int | None, str]]") -> None:
    """Until the first host is asked, or all is over."""
    while not ending.done() and not any(one.log for one in emulators.values()):  # noqa: ASYNC110  it is another process
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--cluster", "tcp://127.0.0.1:1"], 75, "no scheduler with a worker answers"),
        (["--cluster", "local:0"], 2, "local:N has 1 to"),
        (["--cluster", "nowhere://x"], 2, "--cluster takes an address such as"),
        (["--cluster", "local:1", "--dry-run"], 2, "cannot be combined"),
    ],
)
async def test_what_cannot_be_is_refused(tmp_path: Path, options: list[str], code: int, words: str) -> None:
    """With one sentence, before anything is asked or written."""
    lab = Lab(tmp_path)
    told = {"AXSYNC_LAKE": str(lab.lake), "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}
    (tmp_path / "axsync.toml").write_text(
        '[instances.prod]\nurl = "https://axonius.invalid"\napi_key = "env:K"\napi_secret = "env:S"\n'
    )
    found = await ended(await begin(tmp_path, "-m", "axsync", "run", *options, **told))

    assert found[0] == code, found
    assert words in found[1]
    assert "Traceback" not in found[1]
    assert not lab.lake.exists()
