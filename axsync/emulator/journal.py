"""The record of requests."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import TextIO

from axsync.emulator.columns import Json


@dataclass(slots=True)
class Seen:
    """One request. `finished` is when its body was ready to be written; infinite while it is worked on."""

    started: float  # monotonic seconds
    finished: float  # monotonic seconds
    method: str
    path: str
    body: dict[str, Json] | None
    status: int
    active: int  # requests being worked on when it arrived, itself included


class Journal:
    """Remembers each request, and writes it to a file of JSON lines if there is one."""

    def __init__(self, path: Path | None) -> None:
        self.log: list[Seen] = []
        self._active = 0
        self._file: TextIO | None = None if path is None else path.open("a", encoding="utf-8")

    def arrived(self, started: float, method: str, path: str) -> Seen:
        """Note an arrival."""
        self._active += 1
        seen = Seen(started, inf, method, path, None, 0, self._active)
        self.log.append(seen)
        return seen

    def ready(self, seen: Seen, finished: float, status: int) -> None:
        """Note that the body of *seen* is ready to be written."""
        self._active -= 1
        seen.finished, seen.status = finished, status
        if self._file is not None:
            self._file.write(json.dumps(asdict(seen), ensure_ascii=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
