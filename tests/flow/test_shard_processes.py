"""`axsync plan --shards`, `work`, `publish` as processes: one is killed, one stands still, the lake is the same."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from pathlib import Path

import pyarrow as pa
import pytest

from axsync.emulator import Emulator
from axsync.settings import EntitySettings
from tests.flow.harness import Lab

pytestmark = pytest.mark.slow

Start = Callable[..., Awaitable[Emulator]]
ROOT = Path(__file__).parents[2]
PER_SECOND = 25.0


async def begin(folder: Path, *arguments: str) -> Process:
    """A process of axsync in this folder."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "axsync", *arguments, cwd=folder, env=environ, stdout=PIPE, stderr=PIPE
    )


async def ended(process: Process) -> tuple[int | None, str]:
    """Exit code, and what it said."""
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, (out + err).decode()


def configure(lab: Lab, emulators: dict[str, Emulator]) -> None:
    """A settings file as a person would write it."""
    lines = [f'[lake]\nuri = "{lab.lake}"\n[entities."*"]\nfields = ["name"]']
    for name, one in emulators.items():
        keys = lab.keys(name, one.api_key, one.api_secret)
        lines.append(
            f'[instances.{name}]\nurl = "{one.url}"\napi_key = "{keys.api_key}"\napi_secret = "{keys.api_secret}"\n'
            f"page_size = 10\nrequests_per_second = {PER_SECOND}\nin_flight = 2"
        )
    (lab.folder / "axsync.toml").write_text("\n".join(lines))


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not done():  # noqa: ASYNC110  the other process knows no event
            await asyncio.sleep(0.01)


def rows(lab: Lab, name: str) -> pa.Table:
    """Of devices, but for what differs from run to run."""
    table = lab.table("devices", name)
    assert table is not None
    return table.drop_columns(["axsync_run_id", "axsync_fetched_at"]).sort_by("internal_axon_id")


async def test_of_four_processes_one_is_killed_and_one_stands_still(lab: Lab, start: Start) -> None:
    """The killed one goes on elsewhere; nothing is published without the other; the lake is the undisturbed one."""
    names = ("killed", "still", "third", "fourth")
    sizes = [{"devices": 120 + 10 * place} for place in range(4)]
    emulators = dict(zip(names, [await start(sizes=one, latency_ms=80.0) for one in sizes], strict=True))
    configure(lab, emulators)
    code, plan = await ended(await begin(lab.folder, "plan", "--shards", "4"))
    assert code == 0, plan
    (lab.folder / "plan.json").write_text(plan)
    number = {name: place for place, name in enumerate(sorted(names, key=lambda name: emulators[name].url[7:]))}
    at_work = {name: await begin(lab.folder, "work", "plan.json", str(number[name])) for name in names}
    for name, sign in (("killed", signal.SIGKILL), ("still", signal.SIGSTOP)):
        await until(lambda log=emulators[name].log: len(log) > 8)  # type: ignore[misc]
        at_work[name].send_signal(sign)

    assert [(await ended(at_work[name]))[0] for name in ("killed", "third", "fourth")] == [-signal.SIGKILL, 0, 0]
    for command in (("publish", "plan.json"), ("work", "plan.json", str(number["still"]))):
        assert (await ended(await begin(lab.folder, *command)))[0] == 75
    at_work["still"].send_signal(signal.SIGCONT)
    assert (await ended(at_work["still"]))[0] == 0
    code, told = await ended(await begin(lab.folder, "publish", "plan.json"))
    assert (code, "is unfinished, so nothing is published" in told) == (75, True)
    assert lab.published() == []
    code, told = await ended(await begin(lab.folder, "work", "plan.json", str(number["killed"])))
    assert code == 0, told
    code, told = await ended(await begin(lab.folder, "publish", "plan.json"))
    assert code == 0, told

    assert all(one.peak_in_window(1.0) <= PER_SECOND for one in emulators.values())
    other = Lab(lab.folder / "undisturbed")
    other.folder.mkdir()
    few = {"default": EntitySettings(fields=("name",))}
    await other.run(other.settings(*[other.instance(one, name) for name, one in emulators.items()], types=few))
    assert all(rows(lab, name).equals(rows(other, name)) for name in names)
    assert [lab.lane("devices", name)["verdict"] for name in names] == ["complete"] * 4
