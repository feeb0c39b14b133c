"""A lake as version 0.1.0 left it, written by hand: no code of this version has a part in it.

Two instances, one day. Columns stand in each lane's entry of the manifest. Each instance has its own names and types:
`id` is another field here than there, and `hostname` a list only in one. There is no registry, no journal, no schema by
hash; `asked`, `missing` and `empty_columns` are not told.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

RUN, DAY = "20261101T020000Z-7f3a", "2026-11-01"
GENERIC = "specific_data.data."
MOMENT = pa.timestamp("us", tz="UTC")
TEXTS = pa.list_(pa.string())
LANES: dict[str, dict[str, tuple[str, pa.DataType, list[Any]]]] = {
    "emea": {
        "internal_axon_id": ("internal_axon_id", pa.string(), ["0" * 31 + "1", "0" * 31 + "2"]),
        "id": (f"{GENERIC}id", pa.string(), ["dev-1", None]),
        "hostname": (f"{GENERIC}hostname", pa.string(), ["h1", "h2"]),
        "last_seen": (f"{GENERIC}last_seen", MOMENT, [0, None]),
    },
    "amer": {
        "internal_axon_id": ("internal_axon_id", pa.string(), ["0" * 31 + "3"]),
        "id": ("_id", pa.string(), ["x-3"]),
        "hostname": (f"{GENERIC}hostname", TEXTS, [["h3"]]),
    },
}
"""Instance → column → field, type and values of devices."""
RECORDS = [
    {
        "internal_axon_id": "0" * 31 + "1",
        f"{GENERIC}id": "dev-1",
        f"{GENERIC}hostname": "h1",
        f"{GENERIC}last_seen": "Thu, 01 Jan 1970 00:00:00 GMT",
    },
    {"internal_axon_id": "0" * 31 + "2", f"{GENERIC}hostname": "h2", f"{GENERIC}cores": "many"},
    {"internal_axon_id": "0" * 31 + "3", "_id": "x-3", f"{GENERIC}hostname": ["h3"]},
]
"""What was served."""
RESCUED: dict[str, list[str | None]] = {"emea": [None, json.dumps({f"{GENERIC}cores": "many"})], "amer": [None]}


def write_old_lake(lake: Path) -> None:
    """Make it in this folder."""
    control = lake / "_axsync"
    (control / "snapshots").mkdir(parents=True)
    manifest = {
        "format_version": 1,
        "run_id": RUN,
        "logical_date": DAY,
        "as_of": None,
        "started_at": "2026-11-01T02:00:00Z",
        "finished_at": "2026-11-01T02:10:00Z",
        "axsync_version": "0.1.0",
        "verdict": "complete",
        "lanes": [_lane(lake, instance) for instance in LANES],
    }
    (control / f"snapshots/{RUN}.json").write_text(json.dumps(manifest, indent=2))
    (control / "latest.json").write_text(json.dumps({"run_id": RUN, "manifest": f"snapshots/{RUN}.json"}))


def _lane(lake: Path, instance: str) -> dict[str, Any]:
    path = f"entity=devices/instance={instance}/dt={DAY}/part-{RUN}-00000.parquet"
    rows = _write(lake / path, instance)
    content = (lake / path).read_bytes()
    counts = ("duplicates", "repaired", "dead_letters", "retries")
    return {
        "instance": instance,
        "entity": "devices",
        "verdict": "complete",
        "reason": None,
        "api": "v2",
        "server_version": "7_0_1",
        "discovery": {"before": "done", "after": "done"},
        **dict.fromkeys(("count_before", "count_after", "rows", "distinct_ids"), rows),
        **dict.fromkeys(counts, 0),
        "rescued_values": sum(one is not None for one in RESCUED[instance]),
        **dict.fromkeys(("pages", "requests"), 1),
        "bytes": len(content),
        "seconds": 1.5,
        "columns": {name: _described(field, kind) for name, (field, kind, _) in LANES[instance].items()},
        "drift": {},
        "notices": [],
        "files": [
            {"path": path, "rows": rows, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()},
        ],
    }


def _described(field: str, kind: pa.DataType) -> dict[str, Any]:
    text = {TEXTS: "list<string>", MOMENT: "timestamp[us, tz=UTC]"}.get(kind, "string")
    return {"field": field, "type": text, "dates": "rfc1123" if kind == MOMENT else None}


def _write(path: Path, instance: str) -> int:
    held = LANES[instance]
    rows = len(RESCUED[instance])
    columns = {name: pa.array(values, kind) for name, (_, kind, values) in held.items()}
    columns["axsync_run_id"] = pa.array([RUN] * rows)
    columns["axsync_fetched_at"] = pa.array([0] * rows, MOMENT)
    columns["axsync_rescued"] = pa.array(RESCUED[instance], pa.string())
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table(columns), path)
    return rows
