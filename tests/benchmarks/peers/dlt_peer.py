"""dlt, into Parquet. Run: python dlt_peer.py URL FOLDER FIELDS.json (keys in the environment)."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
from dlt.sources.helpers import requests

url, folder, fields = sys.argv[1], Path(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text("utf-8"))
LIMIT = 2000


@dlt.resource(name="devices", max_table_nesting=0, write_disposition="replace")
def devices() -> Iterator[list[dict[str, Any]]]:
    headers = {"api-key": os.environ["AX_KEY"], "api-secret": os.environ["AX_SECRET"]}
    offset = 0
    while True:
        body = {"fields": fields, "page": {"offset": offset, "limit": LIMIT}, "include_metadata": True}
        rows = requests.post(f"{url}/api/v2/assets/devices", json=body, headers=headers).json()["assets"]
        if not rows:
            return
        yield rows
        offset += len(rows)


pipeline = dlt.pipeline(
    "bench",
    pipelines_dir=str(folder / "pipelines"),
    destination=dlt.destinations.filesystem(bucket_url=(folder / "out").as_uri()),
    dataset_name="axonius",
)
pipeline.run(devices(), loader_file_format="parquet")
