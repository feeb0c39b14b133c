"""Every key name of a lake, relative to it, made and taken apart here and nowhere else (docs/lake.md).

entity=E/instance=I/dt=DAY/part-RUN-NNNNN.parquet   a published part
tables/E/instance=I/dt=DAY/part-RUN-NNNNN.parquet   the same in a lake with a table format (ADR 0031)
tables/E/_delta_log/…                               what Delta Lake keeps about the parts of a table
tables/E/metadata/…                                 the same of Iceberg
_axsync/latest.json                                 the pointer
_axsync/lock                                        who may write; beside it:
_axsync/lock.backfill, lock.waiting                 who fills in history, and which run it makes way for
_axsync/tmp/…                                       temporary files of a query, where the machine has no other place
_axsync/check/…, probe-…                            what `axsync check` and leases write and remove, in object stores
_axsync/iceberg.db                                  the catalog of Iceberg tables; may be deleted
_axsync/index.html                                  all runs, for people
_axsync/snapshots/RUN.json                          a manifest
_axsync/lanes/RUN.parquet                           its lanes, for SQL
_axsync/state/INSTANCE.json                         what runs learnt of an instance; may be deleted
_axsync/schemas/E.json                              the registry of an entity type
_axsync/schemas/by-hash/SHA256.json                 the columns of lanes, as manifests name them
_axsync/schemas/field-ids/E.json                    the numbers of its columns in an Iceberg table
_axsync/runs/RUN/journal                            what is durable of a run; beside it:
_axsync/runs/RUN/timeline.json, report.html         the run over time, and for people
_axsync/runs/RUN/dead_letters/I.E.jsonl             records that could not be read
_axsync/runs/RUN/plan.json                          of a run that several processes share: who reads what; and
_axsync/runs/RUN/shards/N/journal, timeline.json    what is durable of one of them; beside it lock, who is at it
_axsync/runs/RUN/columns/E/NNNNN.json               columns that they settled, so that they agree on names and types
_axsync/runs/RUN/staging/…                          parts that are not published yet, by their published names
"""

import re
from pathlib import PurePosixPath

from axsync.model import Lane

CONTROL = "_axsync"
"""Names that begin with an underscore are hidden from Hive, Spark, Athena and Trino."""
POINTER = f"{CONTROL}/latest.json"
LOCK = f"{CONTROL}/lock"
BACKFILL = f"{CONTROL}/lock.backfill"
WAITING = f"{CONTROL}/lock.waiting"
SCRATCH = f"{CONTROL}/tmp"  # noqa: S108  in the lake
ICEBERG_CATALOG = f"{CONTROL}/iceberg.db"
INDEX = f"{CONTROL}/index.html"
SNAPSHOTS = f"{CONTROL}/snapshots"
LANES = f"{CONTROL}/lanes"
RUNS = f"{CONTROL}/runs"
ALL_REPORTS = f"{RUNS}/*/report.html"
ALL_STAGED = f"{RUNS}/*/staging/**/*"
ALL_JOURNALS = f"{RUNS}/*/journal"
STATE = f"{CONTROL}/state"
SCHEMAS = f"{CONTROL}/schemas"
BY_HASH = f"{SCHEMAS}/by-hash"
FIELD_IDS = f"{SCHEMAS}/field-ids"

LEVELS = (
    ("entity=", "instance=", "dt="),
    ("tables", "", "instance=", "dt="),
    ("tables", "", "_delta_log"),
    ("tables", "", "metadata"),
)
"""How names begin, level below level, to partitions and to what a format keeps of a table."""
PART = "part-*"
"""What axsync calls its files in a partition, open ones included; whatever else is there is somebody else's."""
PARTS = f"{PART}.parquet"
TABLES = "tables"
"""Not `entity=…`: Polars takes such a folder above a Delta table for a partition of it (docs/adr/0031)."""
ALL_PARTS = f"entity=*/instance=*/dt=*/{PARTS}"
EVERY_PART = (ALL_PARTS, f"{TABLES}/*/instance=*/dt=*/{PARTS}")
"""The patterns of all published parts, those of tables included."""

_TABLE = "entity="
_DIGEST = re.compile(r"[0-9a-f]{64}")
_OWN_PART = re.compile(r"part-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}-[0-9]{5,}\.parquet")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def table(entity: str) -> str:
    """All of an entity type."""
    return f"{_TABLE}{entity}"


def entity_of(name: str) -> str | None:
    """The entity type whose table has this name; None for what is no table."""
    return name.removeprefix(_TABLE) if name.startswith(_TABLE) else None


def table_of_format(entity: str) -> str:
    """The same in a lake with a table format: the root of the table."""
    return f"{TABLES}/{entity}"


def iceberg_metadata(entity: str) -> str:
    """What Iceberg keeps about the parts of a table."""
    return f"{table_of_format(entity)}/metadata"


def is_table(root: str) -> bool:
    """Whether this is the root of a table, and leads nowhere else."""
    return is_key(root) and root.startswith(f"{TABLES}/") and root.count("/") == 1


def entity_of_table(root: str) -> str:
    """The entity type of the table with this root."""
    return root.removeprefix(f"{TABLES}/")


def share(lane: Lane) -> str:
    """What one instance has of an entity type."""
    return f"{table(lane.entity)}/instance={lane.instance}"


def partition(lane: Lane, logical_date: str) -> str:
    """The hive path of a lane on a day."""
    return f"{share(lane)}/dt={logical_date}"


def partition_of_table(lane: Lane, logical_date: str) -> str:
    """The same in a lake with a table format."""
    return f"{table_of_format(lane.entity)}/instance={lane.instance}/dt={logical_date}"


def partitions(lane: Lane, logical_date: str) -> tuple[str, str]:
    """Both: a lake that got a table format has older days where they were."""
    return partition(lane, logical_date), partition_of_table(lane, logical_date)


def all_parts_of(lane: Lane) -> tuple[str, ...]:
    """The patterns of all its parts, of whatever day."""
    return tuple(parts_in(partition) for partition in partitions(lane, "*"))


def all_parts_of_type(entity: str) -> tuple[str, ...]:
    """The patterns of all parts of an entity type, of whatever instance and day."""
    return all_parts_of(Lane("*", entity))


def day_of(path: str) -> str | None:
    """The day of the partition that a file is in; None where it is in none."""
    days = [part for part in path.split("/") if part.startswith("dt=")]
    return days[-1].removeprefix("dt=") if days else None


def parts_in(partition: str) -> str:
    """The pattern of all parts in a partition, staged or not."""
    return f"{partition}/{PARTS}"


def drafts_in(partition: str) -> str:
    """The same with those that are still open."""
    return f"{partition}/{PART}"


def part_name(run_id: str, number: int) -> str:
    """A part file within its partition."""
    return f"part-{run_id}-{number:05}.parquet"


def letters_beside(staged: str) -> str:
    """The dead letters of a staged part until the journal knows the part; `drafts_in` finds them, `parts_in` not."""
    return f"{staged}.letters"


def part_number(name: str) -> int:
    """The number in the name of a part, open ones and their dead letters included; 0 where it has none."""
    digits = name.rpartition("-")[2].partition(".")[0]
    return int(digits) if digits.isdigit() else 0


def is_part(path: str) -> bool:
    """Whether axsync may have written this: a part in a partition."""
    return any(_fits(PurePosixPath(path), pattern) for pattern in EVERY_PART)


def _fits(path: PurePosixPath, pattern: str) -> bool:
    return len(path.parts) == pattern.count("/") + 1 and path.match(pattern)


def is_own_part(path: str) -> bool:
    """Whether the name is one that axsync gives: others that write to a table call their files `part-…` as well."""
    return _OWN_PART.fullmatch(name_of(path)) is not None


def run_of_part(path: str) -> str:
    """The run that wrote the part with this path or name; empty where it has no such name."""
    return name_of(path).removeprefix("part-").rpartition("-")[0]


def manifest(run_id: str) -> str:
    """The manifest of a run."""
    return f"{SNAPSHOTS}/{run_id}.json"


def manifest_in_pointer(run_id: str) -> str:
    """The same as the pointer names it: relative to the folder that the pointer is in."""
    return manifest(run_id).removeprefix(f"{CONTROL}/")


def probe(name: str) -> str:
    """What `axsync check` writes and removes."""
    return f"{CONTROL}/check/{name}"


def trial(name: str) -> str:
    """What a store is tried with before it is written to, and what tells its time; it goes at once."""
    return f"{CONTROL}/probe-{name}"


def run_of_manifest(name: str) -> str | None:
    """The run whose manifest has this file name; None for what is no manifest, such as the draft of one."""
    return _without(name, ".json")


def _without(name: str, ending: str) -> str | None:
    return name.removesuffix(ending) if name.endswith(ending) and not name.startswith(".") else None


def lanes(run_id: str) -> str:
    """The lanes of a run, for SQL."""
    return f"{LANES}/{run_id}.parquet"


def run_of_lanes(name: str) -> str | None:
    """The run whose lanes are in the file with this name; None for what is no such file."""
    return _without(name, ".parquet")


def state(instance: str) -> str:
    """What runs learnt of an instance."""
    return f"{STATE}/{instance}.json"


def registry(entity: str) -> str:
    """The registry of an entity type."""
    return f"{SCHEMAS}/{entity}.json"


def field_ids(entity: str) -> str:
    """The numbers of an entity type's columns."""
    return f"{FIELD_IDS}/{entity}.json"


def schema(digest: str) -> str:
    """The columns that have this SHA-256."""
    return f"{BY_HASH}/{digest}.json"


def is_digest(text: str) -> bool:
    """Whether this is a SHA-256 in hexadecimal."""
    return _DIGEST.fullmatch(text) is not None


def digest_of_schema(name: str) -> str | None:
    """The SHA-256 that a file name tells; None for what holds no columns."""
    digest = _without(name, ".json")
    return digest if digest and is_digest(digest) else None


def entity_of_registry(name: str) -> str | None:
    """The entity type whose registry has this file name; None for what is no registry."""
    return _without(name, ".json")


def is_safe_run_id(text: str) -> bool:
    """Whether this can be the id of a run: nothing that leads out of a folder is."""
    return _RUN_ID.fullmatch(text) is not None


def run(run_id: str) -> str:
    """The folder of a run."""
    return f"{RUNS}/{run_id}"


def journal(run_id: str) -> str:
    """The journal of a run."""
    return f"{run(run_id)}/journal"


def is_journal(key: str) -> bool:
    """Whether a content is the journal of a run, or of one process of several."""
    return key.startswith(f"{RUNS}/") and name_of(key) == "journal"


def is_lasting(key: str) -> bool:
    """Whether a content never changes once it is there: its name is its hash."""
    return key.startswith(f"{BY_HASH}/")


def timeline(run_id: str) -> str:
    """What happened when during a run."""
    return f"{run(run_id)}/timeline.json"


def report(run_id: str) -> str:
    """The report of a run."""
    return f"{run(run_id)}/report.html"


def run_of_report(key: str) -> str:
    """The run that this report is about."""
    return name_of(folder_of(key))


def report_in_index(run_id: str) -> str:
    """The same as the index links to it: relative to the folder that the index is in."""
    return report(run_id).removeprefix(f"{CONTROL}/")


def staging(run_id: str) -> str:
    """Where parts of an unpublished run are; no glob over `entity=*` finds them."""
    return f"{run(run_id)}/staging"


def run_of_staged(key: str) -> str:
    """The run that staged this."""
    return key.removeprefix(f"{RUNS}/").partition("/")[0]


def staged(run_id: str, key: str) -> str:
    """What will be published under this key, while it is not."""
    return f"{staging(run_id)}/{key}"


def below(prefix: str) -> str:
    """The pattern of every key below a prefix."""
    return f"{prefix}/**/*"


def folder_of(key: str) -> str:
    """The prefix in which a key is."""
    return key.rpartition("/")[0]


def name_of(key: str) -> str:
    """The last segment of a key."""
    return key.rpartition("/")[2]


def is_key(text: str) -> bool:
    """Whether this can be a key: nothing that leads out of a lake is."""
    parts = text.split("/")
    return not text.startswith("/") and ".." not in parts and not {"", "."}.issuperset(parts)


def plan(run_id: str) -> str:
    """Which process of a run reads which hosts."""
    return f"{run(run_id)}/plan.json"


def shard(run_id: str, number: int) -> str:
    """What one process of a run is called among runs: `journal` and `timeline` take it as one."""
    return f"{run_id}/shards/{number}"


def shards(run_id: str) -> str:
    """All processes of a run, by number."""
    return f"{run(run_id)}/shards"


def shard_lock(run_id: str, number: int) -> str:
    """Who is at this shard."""
    return f"{run(shard(run_id, number))}/lock"


def shard_locks(run_id: str) -> str:
    """The pattern of those of all processes of a run."""
    return f"{shards(run_id)}/*/{name_of(LOCK)}"


def settled(run_id: str, entity: str) -> str:
    """The columns of an entity type that the processes of a run have settled."""
    return f"{run(run_id)}/columns/{entity}"


def settled_columns(run_id: str, entity: str, number: int) -> str:
    """Those that were settled as the n-th, counted from 0."""
    return f"{settled(run_id, entity)}/{number:05}.json"


def dead_letters(run_id: str, lane: Lane) -> str:
    """The records of a lane that could not be read."""
    return f"{run(run_id)}/dead_letters/{lane.instance}.{lane.entity}.jsonl"
