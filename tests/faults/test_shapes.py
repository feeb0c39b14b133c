"""Servers that write their values in other shapes than the catalogue says: every value is typed, and comes back."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest

from axsync.convert.converter import Converted, Converter
from axsync.convert.typed_columns import Finished
from axsync.settings import EntitySettings
from tests.faults.proof import ID, Tapped, assert_nothing_lost, read
from tests.flow.harness import Lab, Ran

Start = Callable[..., Awaitable[Tapped]]

TYPES = ("devices", "users", "vulnerabilities", "software", "networks", "alert_findings")
ROWS = 60
GENERIC = "specific_data.data."
MERGED = ("last_seen", "fetch_time", "first_fetch_time", "last_logon", "last_password_change")
"""Dates that servers merge to the newest one, a bare value."""
SEEDS = [pytest.param(seed, marks=() if seed < 4 else pytest.mark.slow) for seed in range(20)]


@pytest.fixture
def careful(monkeypatch: pytest.MonkeyPatch) -> list[Converted]:
    """The pages that did not take the fast path."""
    found: list[Converted] = []
    slow: list[bytes] = []
    fast, convert = Converter._fast, Converter.convert

    def watched(self: Converter, body: bytes) -> Finished | None:
        finished = fast(self, body)
        if finished is None:
            slow.append(body)
        return finished

    def kept(self: Converter, body: bytes, *, page: int, fetched_at: datetime) -> Converted:
        converted = convert(self, body, page=page, fetched_at=fetched_at)
        if body in slow:
            found.append(converted)
        return converted

    monkeypatch.setattr(Converter, "_fast", watched)
    monkeypatch.setattr(Converter, "convert", kept)
    return found


async def night(lab: Lab, emulator: Tapped, day: str = "2026-11-23", **entity: Any) -> Ran:
    """A run of one day."""
    emulator.sent.clear()
    types = {"default": EntitySettings(**entity)}
    return await lab.run(lab.settings(lab.instance(emulator), types=types, logical_date=day))


def untyped(lab: Lab, emulator: Tapped, entity: str) -> dict[str, float]:
    """Generic field → share of its served values without a typed one, where it is more than a twentieth."""
    columns = {entry["field"]: name for name, entry in lab.lane(entity)["columns"].items()}
    rows = {row[ID]: row for row in lab.rows(entity)}
    served: dict[str, list[bool]] = {}
    for raw in emulator.records(entity):
        record = read(raw)
        for field, value in record.items():
            if field.startswith(GENERIC) and value is not None:
                typed = field in columns and rows[record[ID]][columns[field]] is not None
                served.setdefault(field, []).append(typed)
    shares = {field: 1 - sum(typed) / len(typed) for field, typed in served.items()}
    return {field: share for field, share in shares.items() if share > 0.05}


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_shapes_are_drawn_values_are_typed_and_come_back(
    lab: Lab, start: Start, careful: list[Converted], seed: int
) -> None:
    """Scalar or list, object or list of objects, number or text, seven forms of dates: nothing is assumed."""
    emulator = await start(("p70", "v1", "p90")[seed % 3], dict.fromkeys(TYPES, ROWS), shapes=seed)

    ran = await night(lab, emulator)

    assert set(ran.verdicts().values()) == {"complete"}
    for entity in TYPES:
        assert_nothing_lost(lab, emulator, entity)
        assert untyped(lab, emulator, entity) == {}
    without_reason = [page for page in careful if not page.drift and not page.dead]
    assert without_reason == []


@pytest.mark.parametrize("profile", ["p70", "v1"])
async def test_bare_dates_are_typed_in_every_row(lab: Lab, start: Start, profile: str) -> None:
    """Merged dates come as one value beside texts in lists: no row is rescued, no page takes the slow path."""
    emulator = await start(profile, {"devices": 200, "users": 100})

    await night(lab, emulator)

    for entity in ("devices", "users"):
        lane = lab.lane(entity)
        dates = [name for name in lane["columns"] if name in MERGED]
        assert {lane["columns"][name]["type"] for name in dates} == {"timestamp[us, tz=UTC]"}
        assert untyped(lab, emulator, entity) == {}
        assert lane["rescued_values"] == 0
        assert_nothing_lost(lab, emulator, entity)


@pytest.mark.parametrize("profile", ["p70", "v1"])
@pytest.mark.parametrize("shapes", [None, 3])
async def test_a_lake_keeps_its_types_when_the_server_changes_its_shapes(
    lab: Lab, start: Start, profile: str, shapes: int | None
) -> None:
    """A night of lists, then other shapes: every column keeps its type and is filled; a notice says so once."""
    old = await start(profile, {"devices": 80}, merged_dates="list")
    new = await start(profile, {"devices": 80}, shapes=shapes)
    await night(lab, old)
    before = {name: entry["type"] for name, entry in lab.lane("devices")["columns"].items()}

    await night(lab, new, "2026-11-24")
    first = lab.lane("devices")
    await night(lab, new, "2026-11-25")

    after = {name: entry["type"] for name, entry in lab.lane("devices")["columns"].items()}
    widened = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert all(was.replace("int64", "double") == now for was, now in widened.values() if "struct" not in was)
    assert before["last_seen"] == after["last_seen"] == "list<timestamp[us, tz=UTC]>"
    assert untyped(lab, new, "devices") == {}
    assert_nothing_lost(lab, new, "devices")
    assert sum("another shape than before" in text for text in first["notices"]) == 1
    assert not any("another shape than before" in text for text in lab.lane("devices")["notices"])
