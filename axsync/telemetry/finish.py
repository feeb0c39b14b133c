"""`on_finish`: runs a command with the summary of the run as JSON on its standard input."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from axsync.errors import ConfigError
from axsync.events import Event
from axsync.telemetry.reporter import Failed, Summary

KEPT_BYTES = 4096  # of the output of a command; its last line is reported if it fails


def argv_of(command: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Split the command by the quoting rules of a shell, without starting one. Raises: ConfigError."""
    words = tuple(shlex.split(command))
    if not shutil.which(words[0], path=environ.get("PATH")):
        raise ConfigError(f"on_finish names the program {words[0]!r}, which does not exist or is not executable")
    return words


@dataclass(frozen=True, slots=True)
class FinishCommand:
    """Runs the command at the end of the run."""

    argv: tuple[str, ...]
    seconds: float  # until it is killed
    environ: Mapping[str, str]

    def __call__(self, event: Event) -> None:
        """Ignore events; only the end matters."""

    def close(self, summary: Summary) -> None:
        """Run the command to its end. Raises: Failed, OSError."""
        # Files, not pipes: a command that reads nothing, or leaves a child running, must not block.
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            given.write(json.dumps(summary, default=str).encode() + b"\n")
            given.seek(0)
            code = self._run(given, said)
            if code:
                raise Failed(f"{self.argv[0]} {_ended(code)}{_last_line(said)}")

    def _run(self, given: IO[bytes], said: IO[bytes]) -> int:
        child = subprocess.Popen(  # noqa: S603  the operator's own command, and no shell
            self.argv, stdin=given, stdout=said, stderr=said, env=dict(self.environ), start_new_session=True
        )
        try:
            return child.wait(self.seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.argv[0]} did not finish within {self.seconds:g} s and was killed") from None
        finally:
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def _ended(code: int) -> str:
    return f"failed with exit code {code}" if code > 0 else f"was killed by signal {-code}"


def _last_line(said: IO[bytes]) -> str:
    said.seek(max(0, said.seek(0, os.SEEK_END) - KEPT_BYTES))
    lines = said.read().decode(errors="replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""
