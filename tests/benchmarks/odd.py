"""A server of rows that are odd, dead, sparse, wide or doubled, in a process of its own.

python -m tests.benchmarks.odd '{"rows": 16000, "columns": 2000, "odd": 50}'
"""

import asyncio
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from http import HTTPStatus

ID = "internal_axon_id"
FILLED = 3  # fields of a row that have a value
_SAME = {
    "about": b'{"installed_version": "9_0_7_1"}',
    "discovery": b'{"status": "done"}',
    "assets/asset_types": b'{"asset_types": ["devices"]}',
}


@dataclass(frozen=True, slots=True)
class Odd:
    """What is served. Shares are percent of the rows, spread evenly."""

    rows: int = 16_000
    columns: int = 2_000
    odd: int = 0  # rows with a value that does not fit its column
    dead: int = 0  # rows without an id
    width: int = 0  # bytes of text that each row has beside
    strays: bool = False  # odd rows have a key besides that no other row has
    generic: bool = False  # whether the fields are those of all adapters, or of one
    hidden: int = 0  # the walks before the third do not show the last row, and there is no `in` for ids
    inflate: int = 0  # bytes of blanks within each page, which is sent with gzip

    def name(self, number: int) -> str:
        """A field."""
        return f"{'specific_data.data.' if self.generic else 'adapters_data.wide_adapter.'}field_{number:05}"

    def record(self, place: int) -> bytes:
        """A row: sparse, some of its fields filled in turn."""
        odd = place * self.odd % 100 < self.odd
        dead = (place + 1) * self.dead % 100 < self.dead
        row: dict[str, object] = {} if dead else {ID: f"{place * 0x9E3779B97F4A7C15 % (1 << 128):032x}"}
        for step in range(FILLED):
            number = (place * FILLED + step) % self.columns
            value: object = place if number % 2 else f"text {place}"
            row[self.name(number)] = [value] if self.generic else value
        if odd:
            row[self.name((place * FILLED) % self.columns | 1)] = f"{place} and a half"
            if self.strays:
                row[f"stray {place}"] = place
        if self.width:
            row[self.name(0)] = f"{place:07}" * (self.width // 7)
        return json.dumps(row).encode()

    @property
    def catalogue(self) -> bytes:
        """All fields; every second one is a number."""
        names = ((number, self.name(number)) for number in range(self.columns))
        kinds = [{"name": name, "type": "integer" if number % 2 else "string"} for number, name in names]
        return json.dumps({"generic" if self.generic else "wide_adapter": kinds}).encode()


class Server:
    """Answers as API v2 does, as far as a run asks."""

    def __init__(self, shape: Odd) -> None:
        self.shape, self.walks = shape, 0

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        kind = path.partition("?")[0].removeprefix("/api/v2/")
        if kind in _SAME:
            return 200, _SAME[kind]
        if kind == "assets/devices/fields":
            return 200, self.shape.catalogue
        if kind == "assets/devices/count":
            return 200, b'{"value": %d}' % self.shape.rows
        return self._page(json.loads(body)) if kind == "assets/devices" else (404, b"{}")

    def _page(self, asked: dict[str, object]) -> tuple[int, bytes]:
        if self.shape.hidden and "query" in asked:
            return 400, b'{"error": "no such query"}'
        page = asked["page"]
        assert isinstance(page, dict)
        first, limit = page.get("offset", 0), page["limit"]
        only_ids = asked.get("fields") == [ID]
        self.walks += first == 0 and limit > 1
        last = self.shape.rows - (self.shape.hidden if self.walks < 2 else 0)
        places = range(first, min(first + limit, last))
        if only_ids:
            whole = (json.loads(self.shape.record(place)) for place in places)
            rows = [json.dumps({ID: row[ID]} if ID in row else {}).encode() for row in whole]
        else:
            rows = [self.shape.record(place) for place in places]
        blanks = b" " * self.shape.inflate
        meta = b'"meta":{"page":{"totalResources":%d}}' % self.shape.rows
        return 200, b'{"assets":[' + b",".join(rows) + blanks + b"]," + meta + b"}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = head.lower().split("\r\n")
                length = next((line for line in lines if line.startswith("content-length:")), ":0")
                body = await reader.readexactly(int(length.partition(":")[2]))
                status, content = self.answer(head.split()[1], body)
                packed = "Content-Encoding: gzip\r\n" if self.shape.inflate else ""
                content = _packed(content) if packed else content
                first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
                writer.write(f"{first}{packed}Content-Length: {len(content)}\r\n\r\n".encode() + content)
                await writer.drain()
        writer.close()


@lru_cache(maxsize=4)
def _packed(content: bytes) -> bytes:
    return gzip.compress(content, 1)


async def _serve(shape: Odd) -> None:
    server = await asyncio.start_server(Server(shape).serve, "127.0.0.1", 0)
    async with server:
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


@contextmanager
def served(shape: Odd) -> Iterator[str]:
    """The server as a process of its own; yields its URL."""
    command = [sys.executable, "-m", "tests.benchmarks.odd", json.dumps(asdict(shape))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    asyncio.run(_serve(Odd(**json.loads(sys.argv[1]))))
