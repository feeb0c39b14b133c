"""The baseline: what one writes in half an hour. Run: python naive.py URL FOLDER FIELDS.json, keys as AX_…."""

import asyncio
import json
import os
import sys
from pathlib import Path

import aiohttp
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

LIMIT, AT_ONCE = 2000, 4


async def main(url: str, folder: Path, fields: list[str]) -> None:
    """All devices, page by page, into one Parquet file each."""
    headers = {"api-key": os.environ["AX_KEY"], "api-secret": os.environ["AX_SECRET"]}
    gate = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(url, headers=headers) as session:

        async def fetch(offset: int) -> int:
            body = {"fields": fields, "page": {"offset": offset, "limit": LIMIT}, "include_metadata": True}
            async with gate, session.post("/api/v2/assets/devices", json=body) as answer:
                page = orjson.loads(await answer.read())
            rows = pa.Table.from_pylist(page["assets"])
            pq.write_table(rows, folder / f"part-{offset:08}.parquet", compression="zstd")
            return int(page["meta"]["page"]["totalResources"])

        total = await fetch(0)
        await asyncio.gather(*(fetch(offset) for offset in range(LIMIT, total, LIMIT)))


asyncio.run(main(sys.argv[1], Path(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text("utf-8"))))
