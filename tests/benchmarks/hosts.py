"""Many instances in one process: peak memory, open files, threads and CPU of a run over 1 to 200 small Axonius.

Run: python tests/benchmarks/hosts.py HOSTS [DEVICES] [--bulk 2.3] [--files 256]

DEVICES are those of each instance; its four other entity types have a tenth of that. All instances are served by one
process. With `--bulk 2.3`, a device has 8 kB, as in large deployments.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

import axsync
from axsync.emulator import Emulator, Options
from axsync.settings import InstanceSettings, LakeSettings, RunSettings, Settings
from tests.benchmarks.fleet import KEY, SECRET
from tests.benchmarks.process import folder
from tests.flow.harness import Lab

TYPES = ("devices", "users", "groups", "software", "networks")
SAMPLE_SECONDS = 0.1  # looking costs CPU, too


class Mirrors:
    """Many hosts that answer as one emulator does. What was answered once is answered from memory."""

    def __init__(self, url: str, session: aiohttp.ClientSession, latency: float) -> None:
        self._url, self._session, self._latency = url, session, latency
        self._answers: dict[tuple[str, str, bytes], asyncio.Future[tuple[int, bytes]]] = {}

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """The emulator's answer, after a while where it is one with rows."""
        asked = request.method, request.path_qs, await request.read()
        if asked not in self._answers:
            self._answers[asked] = asyncio.ensure_future(self._ask(*asked))
        status, body = await asyncio.shield(self._answers[asked])
        await asyncio.sleep(self._latency if b"limit" in asked[2] else 0)
        return web.Response(status=status, body=body, content_type="application/json")

    async def _ask(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        headers = {"api-key": KEY, "api-secret": SECRET, "Content-Type": "application/json"}
        async with self._session.request(method, self._url + path, data=body, headers=headers) as answer:
            return answer.status, await answer.read()


async def serve(hosts: int, devices: int, bulk: float, latency: float) -> None:
    """Serve that many instances until standard input ends; their URLs are printed as JSON."""
    sizes = dict.fromkeys(TYPES, max(1, devices // 10)) | {"devices": devices}
    options = Options(profile="p70", sizes=sizes, types=TYPES, bulk=bulk, api_key=KEY, api_secret=SECRET)
    async with Emulator(options) as emulator, aiohttp.ClientSession() as session:
        runner = web.ServerRunner(web.Server(Mirrors(emulator.url, session, latency).answer, access_log=None))
        await runner.setup()
        for _ in range(hosts):
            await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(json.dumps([f"http://127.0.0.1:{port}" for _, port in runner.addresses]), flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextmanager
def serving(hosts: int, devices: int, bulk: float, latency: float) -> Iterator[list[str]]:
    """The instances in a process of their own."""
    command = [
        sys.executable,
        __file__,
        "--serve",
        str(hosts),
        str(devices),
        "--bulk",
        str(bulk),
        "--latency",
        str(latency),
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.communicate()


class Watch:
    """The most open files and threads of this process, looked at now and then by a thread."""

    def __init__(self) -> None:
        self.files = self.threads = 0
        self._over = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.files = max(self.files, len([*Path("/proc/self/fd").iterdir()]))
            self.threads = max(self.threads, threading.active_count())

    def stop(self) -> None:
        """Look no more."""
        self._over.set()


def peak() -> float:
    """Peak resident memory of this process, in MB."""
    told = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(told.split()[1]) * 1024 / 1e6


def copy(urls: list[str]) -> dict[str, Any]:
    """Run over these instances; what it took."""
    with folder() as place:
        lab = Lab(place)
        keys = lab.keys("all", KEY, SECRET)
        instances = tuple(
            InstanceSettings(f"host-{number:04}", url, keys, requests_per_second=1000)
            for number, url in enumerate(urls)
        )
        settings = Settings(LakeSettings(uri=str(place / "lake")), instances, {}, RunSettings(entities=TYPES))
        begun, watch = time.monotonic(), Watch()
        report = asyncio.run(axsync.sync(settings))
        seconds = time.monotonic() - begun
    watch.stop()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    rows, cpu = sum(one.rows for one in report.outcomes), usage.ru_utime + usage.ru_stime
    return {
        "hosts": len(urls), "verdict": report.verdict, "rows": rows, "peak_mb": round(peak()), "files": watch.files,
        "threads": watch.threads, "cpu_s": round(cpu, 2), "us_per_row": round(cpu / max(rows, 1) * 1e6),
        "seconds": round(seconds, 1),
    }  # fmt: skip


def main() -> None:
    """Serve, copy in a process of its own, and print a line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("hosts", type=int)
    parser.add_argument("devices", type=int, nargs="?", default=50)
    parser.add_argument("--bulk", type=float, default=0.0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before rows are answered")
    parser.add_argument("--files", type=int, default=0)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--copy", action="store_true")
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(serve(asked.hosts, asked.devices, asked.bulk, asked.latency))
    elif asked.copy:
        if asked.files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (asked.files, asked.files))
        print(json.dumps(copy(json.load(sys.stdin))))
    else:
        with serving(asked.hosts, asked.devices, asked.bulk, asked.latency) as urls:
            again = [sys.executable, __file__, "--copy", *sys.argv[1:]]
            # As the command does it (ADR 0018).
            environ = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "jemalloc"}
            subprocess.run(again, input=json.dumps(urls), text=True, check=True, env=environ)


if __name__ == "__main__":
    main()
