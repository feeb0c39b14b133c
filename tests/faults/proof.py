"""What an emulator sent, byte for byte, and whether the lake gives every bit of it back."""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import axsync
from axsync.console.run_result import exit_code
from axsync.convert.exact import Number
from axsync.emulator import Emulator, Options
from axsync.emulator.messages import ApiReply, ApiRequest
from axsync.settings import EntitySettings
from tests.flow.harness import Lab, Ran, Record
from tests.unit.convert.lake import same

ID = "internal_axon_id"
NAME = "specific_data.data.name"
NARROW = EntitySettings(
    fields=("name", "last_seen", "fetch_time", "labels", "adapters", "adapter_list_length"), proof="always"
)
"""Few fields, one of each sort: pages are small, and a test is quick."""

_TASTED = ["specific_data.data.hostname", "specific_data.data.last_seen"]  # what a probe asks one row for
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],]', re.DOTALL)
_DEPTH = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}
_START = re.compile(rb'(?:\xef\xbb\xbf)?\{"(assets|data)":\[')
_ATTRIBUTES = b'"attributes":'


@dataclass(frozen=True, slots=True)
class Sent:
    """One answered page."""

    entity: str
    body: bytes

    def rows(self) -> list[bytes]:
        """The rows as served, cut apart by a scanner that shares nothing with axsync's; v1's without their envelope."""
        start = _START.match(self.body)
        if start is None:
            return []
        rows = _cut(self.body, start.end())
        return rows if start[1] == b"assets" else [_attributes(row) for row in rows]


def _attributes(row: bytes) -> bytes:
    inner = row[row.index(_ATTRIBUTES) + len(_ATTRIBUTES) : -1]
    return inner if inner.startswith(b"{") else row  # what is no object cannot be told from its envelope


def _cut(body: bytes, start: int) -> list[bytes]:
    depth, begin, rows = 0, start, []
    for token in _TOKEN.finditer(body, start):
        mark = token[0]
        if depth == 0 and mark in (b",", b"]"):
            rows.append(body[begin : token.start()])
            begin = token.end()
            if mark == b"]":
                break
        depth += _DEPTH.get(mark, 0)
    return [row for row in rows if row]


class Tapped(Emulator):
    """An emulator that keeps the pages it sent; neither probes of one row nor listings of ids."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.sent: list[Sent] = []

    async def _answer(self, call: ApiRequest) -> ApiReply:
        reply = await super()._answer(call)
        entity = call.path.rpartition("/")[2]
        if reply.status == 200 and _asks_for_records(call.body or {}, entity):
            self.sent.append(Sent(entity, reply.body))
        return reply

    def records(self, entity: str) -> list[bytes]:
        """Every record sent of this type, in the order of sending."""
        return [record for sent in self.sent if sent.entity == entity for record in sent.rows()]


def _asks_for_records(body: Record, entity: str) -> bool:
    asked = body.get("data", {}).get("attributes", body)
    fields = asked.get("fields", [])
    listed = fields.get(entity) if isinstance(fields, dict) else fields
    return "page" in asked and listed not in ([ID], _TASTED)


class TwiceError(Exception):
    """A key stands twice in one object."""


def read(raw: bytes) -> Record:
    """A record by the standard library's reading, every number kept as its text."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise TwiceError
        return dict(pairs)

    record: Record = json.loads(
        raw.decode(), parse_float=Number, parse_int=Number, parse_constant=Number, object_pairs_hook=once
    )
    return record


def letters(lab: Lab, entity: str, instance: str = "prod") -> list[Record]:
    """The dead letters of the newest run, raw bytes decoded."""
    folder = lab.lake / "_axsync" / "runs" / lab.manifest()["run_id"] / "dead_letters"
    path = folder / f"{instance}.{entity}.jsonl"
    lines = path.read_bytes().splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines]
    return [letter | {"raw": base64.b64decode(letter["raw_base64"])} for letter in found]


def restored(lab: Lab, entity: str, rows: Sequence[Record] | None = None) -> dict[str, object]:
    """Id → record as lake and manifest give it back, in a form that == compares as JSON."""
    lane = lab.lane(entity)
    rows = lab.rows(entity) if rows is None else rows
    return {row[ID]: same(axsync.restore(row, lane)) for row in rows}


def assert_nothing_lost(lab: Lab, emulator: Tapped, entity: str, rows: Sequence[Record] | None = None) -> None:
    """Every record that was sent is restored exactly, or its bytes are a dead letter and the verdict says so.

    Of an id that was sent more than once, any of its versions may be the one that is kept.
    """
    lane, sent = lab.lane(entity), emulator.records(entity)
    buried = [letter["raw"] for letter in letters(lab, entity)]
    versions: dict[str, list[object]] = {}
    for raw in sent:
        if raw not in buried:
            record = read(raw)
            versions.setdefault(record[ID], []).append(same(record))
    here = restored(lab, entity, rows)
    assert here.keys() == versions.keys()
    assert [name for name, record in here.items() if record not in versions[name]] == []
    assert sum(file["rows"] for file in lane["files"]) == lane["rows"] == len(here)
    assert set(buried) <= set(sent)
    assert (lane["dead_letters"] > 0) == bool(buried)
    assert not buried or lane["verdict"] == "partial"


def code(ran: Ran) -> int:
    """What the process would end with."""
    return exit_code(ran.report, dry_run=False)


def told(ran: Ran, entity: str = "devices") -> tuple[str, int]:
    """Verdict of a type, and the exit code of the run."""
    return ran.outcome(entity).verdict, code(ran)
