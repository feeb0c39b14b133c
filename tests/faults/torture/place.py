"""A lake, and processes of axsync that fill it and are killed on the way."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FULL = bool(os.environ.get("AXSYNC_TORTURE"))
"""Whether every operation has its turn (`make torture`), or some of them (`make test`)."""
ROOT = Path(__file__).parents[3]
HARNESS = "tests.faults.torture.harness"
RUN = ("run", "--date", "2026-11-23")
KEYS = {"T_KEY": "demo-key-of-the-emulator", "T_SECRET": "demo-secret-of-the-emulator"}
CONFIG = """
[lake]
uri = "{lake}"
{format}
seal_seconds = 1
max_part_bytes = "64KiB"
row_group_rows = 100
[instances.prod]
url = "{url}"
api_key = "env:T_KEY"
api_secret = "env:T_SECRET"
requests_per_second = 5000
in_flight = 4
page_size = 50
"""


def emulator(seed: int) -> tuple["subprocess.Popen[str]", str]:
    command = [sys.executable, "-m", "axsync.emulator", "--profile", "p90", "--seed", str(seed), "--output", "json"]
    command += ["--type", "devices", "--type", "users", "--size", "devices=400", "--size", "users=90", "--drift", "5"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["url"]


class Harness:
    """Starts processes of axsync, one after the other, as its program (`forks`) patches them."""

    def __init__(self, program: str = HARNESS, **more: str) -> None:
        # Threads of a library that are there before a fork are not there after it.
        environ = os.environ | KEYS | {"OPENBLAS_NUM_THREADS": "1"} | more
        # In a session of its own: where the last shell of one ends, the system wakes what is stopped in it.
        self._server = subprocess.Popen(
            [sys.executable, "-m", program],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environ,
            start_new_session=True,
        )

    def start(self, wish: dict[str, object]) -> int:
        """The number of the process."""
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(wish) + "\n")
        self._server.stdin.flush()
        return self.ended()

    def ended(self) -> int:
        """How it ended, once it has."""
        assert self._server.stdout is not None
        return int(self._server.stdout.readline())

    def close(self) -> None:
        """No more."""
        self._server.communicate()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended, and what it said."""

    returncode: int
    stderr: str


class Place:
    """A lake and the command that fills it."""

    def __init__(self, folder: Path, harness: Harness, form: str = "parquet") -> None:
        folder.mkdir(exist_ok=True)
        self._form = form
        self.lake = folder / "lake"
        self._folder, self._harness = folder, harness

    def run(self, url: str, *, at: int = 0, fault: str = "kill", command: Sequence[str] = RUN) -> Ended:
        """`axsync run`, or another command, with a fault at the n-th durable operation."""
        self.start(url, at=at, fault=fault, command=command)
        return self.ended()

    def start(self, url: str, *, at: int = 0, fault: str = "kill", command: Sequence[str] = RUN) -> int:
        """The same, not waited for; the number of the process."""
        config = self._folder / "axsync.toml"
        config.write_text(CONFIG.format(lake=self.lake, format=f'format = "{self._form}"', url=url))
        arguments = [*command, "--config", str(config)]
        files = {name: str(self._folder / name) for name in ("count", "out", "err")}
        return self._harness.start({"at": at, "fault": fault, "arguments": arguments, **files})

    def ended(self) -> Ended:
        """Wait for it."""
        return Ended(self._harness.ended(), (self._folder / "err").read_text())

    @property
    def operations(self) -> int:
        """How many durable operations the last run that was not killed made."""
        return int((self._folder / "count").read_text())
