"""What each step of a page costs by itself, in CPU milliseconds, so that a regression shows where it is."""

import asyncio
import io
import json
import socket
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from axsync.api import paths, v2
from axsync.convert import Converter
from axsync.convert import converter as conversion
from axsync.convert.page_bytes import cut_records, has_explicit_null, has_long_number, rows_only
from axsync.convert.typed_columns import finish
from axsync.lake.parts import DICTIONARY_LIMIT, use_steady_memory
from axsync.model import Page, Reply, Window
from axsync.pacing.limiter import HostLimiter
from axsync.runs.pin import LakeColumns, pin
from axsync.schema.selection import select_fields
from tests.benchmarks.fleet import KEY, SECRET, Load, emulator
from tests.benchmarks.process import own_cpu

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
GROUP = 15  # pages in one row group
GRANTS = 2_000
SIMDJSON = 13.5 / 42.4
"""simdjson into Arrow builders against pyarrow's reader, by an earlier study on other devices (13.5 and 42.4 ms).
No package does that, so the parser of the limit is the measured one times this."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One page, and the converter of its lane."""

    body: bytes
    converter: Converter


def sample(load: Load, limit: int) -> Sample:
    """The first page of a fresh emulator, so many rows."""
    assert isinstance(load.fields, tuple)
    with emulator(load.arguments) as url:
        catalogue = _ask(url + paths.read("v2.fields", load.entity)[1] + "?exclude_subfields=false")
        asked = {"page": {"limit": limit, "offset": 0}, "fields": load.fields, "include_details": False}
        body = _ask(url + paths.read("v2.page", load.entity)[1], orjson.dumps(asked))
    selection = select_fields(v2.read_fields(Reply(200, {}, catalogue), "emulator"), load.fields)
    pinned = pin(v2, selection, Page(Window(0, 0, limit), body, None, None, None), lake=LakeColumns(), max_columns=2000)
    return Sample(body, Converter(pinned.columns, rows_key="assets", run_id="bench"))


def _ask(url: str, body: bytes | None = None) -> bytes:
    headers = {"api-key": KEY, "api-secret": SECRET, "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:  # noqa: S310  the emulator's
        content: bytes = answer.read()
        return content


def measure(load: Load, limit: int = 500) -> dict[str, Any]:
    """Milliseconds of CPU for one page of so many rows, by step; rescue is for the same rows with 2 and 20 % drift."""
    use_steady_memory()
    plain = sample(load, limit)
    body, made = plain.body, plain.converter
    text = rows_only(body, "assets") or b""
    rows = conversion._read(text, made._ways.plain, "assets")
    steps: dict[str, Callable[[], object]] = {
        "receive (raw socket)": lambda: _receive(body),
        "look at the bytes": lambda: (has_explicit_null(body), has_long_number(body), rows_only(body, "assets")),
        "read (pyarrow)": lambda: conversion._read(text, made._ways.plain, "assets"),
        "shape (dates, checks)": lambda: finish(rows, made.columns),
        "cut into records": lambda: cut_records(body),
        "page to batch": lambda: made.convert(body, page=0, fetched_at=NOW),
    }
    found = {name: own_cpu(step) * 1e3 for name, step in steps.items()}
    for drift in (2, 20):
        drifted = sample(replace(load, drift=drift), limit)
        work = drifted.converter
        found[f"page to batch, {drift} % drift"] = 1e3 * own_cpu(
            lambda work=work, page=drifted.body: work.convert(page, page=0, fetched_at=NOW)  # type: ignore[misc]
        )
    batch = made.convert(body, page=0, fetched_at=NOW).batch
    found["encode (zstd 1)"] = own_cpu(lambda: _encode(batch)) * 1e3 / GROUP
    found["throttle, 1,000 grants"] = own_cpu(lambda: asyncio.run(_grants())) * 1e6 / GRANTS
    floor = found["receive (raw socket)"] + SIMDJSON * found["read (pyarrow)"] + found["encode (zstd 1)"]
    return {"page": len(body) / 1e6, "rows": limit, "steps": found, "floor": floor}


def _receive(body: bytes) -> None:
    ours, theirs = socket.socketpair()
    buffer = bytearray(len(body))
    sender = threading.Thread(target=theirs.sendall, args=(body,))
    sender.start()
    view, got = memoryview(buffer), 0
    while got < len(body):
        got += ours.recv_into(view[got:])
    sender.join()
    ours.close()
    theirs.close()


def _encode(batch: pa.RecordBatch) -> None:
    options = {"compression": "zstd", "compression_level": 1, "dictionary_pagesize_limit": DICTIONARY_LIMIT}
    with pq.ParquetWriter(io.BytesIO(), batch.schema, **options) as writer:
        table = pa.Table.from_batches([batch] * GROUP)
        writer.write_table(table, row_group_size=table.num_rows)


async def _grants() -> None:
    pace = HostLimiter(requests_per_second=10_000, in_flight=256)

    async def lane() -> None:
        for _ in range(GRANTS // 50):
            async with pace.slot("bench"):
                await asyncio.sleep(0)

    await asyncio.gather(*(lane() for _ in range(50)))


if __name__ == "__main__":
    print(json.dumps(measure(Load(rows=2_000)), indent=1))
