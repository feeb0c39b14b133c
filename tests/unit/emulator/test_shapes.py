"""Drawn shapes: each field looks the same in nearly all rows, the meaning stays, the catalogue does not tell."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from axsync.emulator.catalogue import entries
from axsync.emulator.dataset import build_datasets
from axsync.emulator.models import entity_models
from axsync.emulator.options import PROFILES, Options
from axsync.emulator.shapes import Shapes, date_in

if TYPE_CHECKING:
    from tests.unit.emulator.conftest import Start

ROWS = 1500
DATE = "specific_data.data.fetch_time"
DATES = {
    "rfc1123": "Thu, 05 Nov 2026 06:07:08 GMT",
    "zulu": "2026-11-05T06:07:08Z",
    "offset": "2026-11-05T06:07:08+00:00",
    "naive": "2026-11-05T06:07:08",
    "micro": "2026-11-05 06:07:08.000000",
    "day": "2026-11-05",
    "seconds": 1793858828,
    "millis": 1793858828000,
}


def rows_of(entity: str, seed: int | None, count: int = ROWS, profile: str = "p70") -> list[dict[str, Any]]:
    options = Options(shapes=seed, sizes={entity: count})
    names = [entry.name for entry in entries(entity_models(options)[entity]) if entry.root]
    dataset = build_datasets(options, PROFILES[profile])[entity]
    return [json.loads(dataset.record(position, names)) for position in range(count)]


def form(value: Any) -> str:  # noqa: ANN401  JSON
    """The wire form of a value: list or not, and which kind is inside."""
    if isinstance(value, list):
        return f"[{form(value[0])}]" if value else "[]"
    if isinstance(value, str):
        return next((name for name, pattern in READERS.items() if re.fullmatch(pattern, value)), "text")
    return type(value).__name__


READERS = {
    "rfc1123": r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT",
    "iso": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d.*",
    "day": r"\d{4}-\d\d-\d\d",
    "number": r"\d+(\.\d+)?",
    "flag": "true|false",
}


def forms(rows: list[dict[str, Any]]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for row in rows:
        for key, value in row.items():
            found.setdefault(key, Counter())[form(value)] += 1
    return found


@pytest.mark.parametrize("name", DATES)
def test_dates_are_written_in_eight_forms(name: str) -> None:
    """The same second in all of them, but for days."""
    assert date_in(name, 1793858828) == DATES[name]


def test_nearly_all_rows_serve_a_field_in_one_shape() -> None:
    """At least 96 of 100; some fields have a few rows of another one, two thirds have none."""
    plain = {key for key, counts in forms(rows_of("devices", None, 300)).items() if len(counts) == 1}
    for seed in (1, 2):
        found = {key: counts for key, counts in forms(rows_of("devices", seed)).items() if key in plain}

        mixed = [counts for counts in found.values() if len(counts) > 1]
        usual = [(counts.most_common(1)[0][1] / counts.total(), counts.total()) for counts in found.values()]
        assert all(share >= 0.95 for share, total in usual if total > 99), seed
        assert 3 < len(mixed) <= len(found) / 3, seed
        assert all(c.most_common(1)[0][1] < 0.995 * c.total() for c in mixed if c.total() > 1000), seed


def test_all_forms_occur_among_a_few_seeds() -> None:
    """Scalars and lists, objects and lists of objects, dates, numbers and flags in every form."""
    every = [rows_of("devices", seed, 40) for seed in range(12)]
    members = [one for rows in every for row in rows for one in tables(row)]
    dates, flags, reals, wholes, nics = (
        {form(row[key]).strip("[]") for rows in every for row in rows if key in row}
        for key in (
            DATE,
            "specific_data.data.is_managed",
            "specific_data.data.total_physical_memory",
            "specific_data.data.total_number_of_cores",
            "specific_data.data.network_interfaces",
        )
    )

    assert dates == {"rfc1123", "iso", "day", "int"}
    assert flags == {"bool", "int", "flag"}
    assert reals == {"float", "number"}
    assert wholes == {"int", "number"}
    assert nics == {"dict"}
    assert {
        type(row["specific_data.data.network_interfaces"])
        for rows in every
        for row in rows
        if "specific_data.data.network_interfaces" in row
    } == {dict, list}
    assert {form(one["ips_raw"]) for one in members if "ips_raw" in one} == {"int", "number", "[int]", "[number]"}


def tables(row: dict[str, Any]) -> list[dict[str, Any]]:
    value = row.get("specific_data.data.network_interfaces", [])
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("entity", ["devices", "users", "vulnerabilities"])
def test_the_meaning_stays(entity: str) -> None:
    """Ids, adapters and their number as without; every value is one of those that are served without, in some form."""
    for plain, drawn in zip(rows_of(entity, None, 200), rows_of(entity, 5, 200), strict=True):
        for key in ("internal_axon_id", "adapters", "adapter_list_length"):
            assert plain.get(key) == drawn.get(key)
        assert set(plain) == set(drawn)
        for key in ("labels", "specific_data.data.id", "specific_data.data.name", "specific_data.data.cve_id"):
            if key in plain:
                assert as_set(drawn[key]) <= as_set(plain[key])


def as_set(value: Any) -> set[str]:  # noqa: ANN401  JSON
    return set(value) if isinstance(value, list) else {value}


def test_a_date_that_is_drawn_as_one_value_is_the_newest() -> None:
    """In its drawn form, here seconds."""
    bare = next(seed for seed in range(99) if shape_is(seed, many=False, date="seconds"))
    plain, drawn = rows_of("devices", None, 100), rows_of("devices", bare, 100)

    moments = [int(parsedate_to_datetime(row[DATE]).timestamp()) for row in plain]
    assert sum(one == row[DATE] for one, row in zip(moments, drawn, strict=True)) >= 95


@pytest.mark.parametrize("seed", range(8))
def test_each_row_keeps_a_last_seen_of_its_own(seed: int) -> None:
    """In every form that tells seconds."""
    field = "specific_data.data.last_seen"
    seen = [str(row[field]) for row in rows_of("devices", seed, 100)]

    assert len(set(seen)) >= (15 if Shapes(seed, "devices").of(field).date == "day" else 98)


def shape_is(seed: int, *, many: bool, date: str) -> bool:
    drawn = Shapes(seed, "devices").of(DATE)
    return (drawn.many, drawn.date) == (many, date)


def test_the_same_seed_draws_the_same_shapes() -> None:
    """And another one others."""
    assert rows_of("users", 8, 60) == rows_of("users", 8, 60)
    assert rows_of("users", 8, 60) != rows_of("users", 9, 60)


@pytest.mark.parametrize("profile", ["p70", "p90", "v1"])
async def test_the_catalogue_does_not_tell(start: Start, profile: str) -> None:
    """It is the same with any seed and without one."""
    path = "/api/devices/fields" if profile == "v1" else "/api/v2/assets/devices/fields"

    answers = [await (await start(profile=profile, shapes=seed)).get(path) for seed in (None, 1, 2)]

    assert answers[0].body == answers[1].body == answers[2].body


@pytest.mark.parametrize("query", ['("specific_data.data.os.type" == "Linux")', '("labels" == "tier1")'])
async def test_filters_find_the_same_rows(start: Start, query: str) -> None:
    """And so do counts, and lists of ids."""
    plain, drawn = await start(), await start(shapes=6)
    known = plain.emulator.datasets["devices"].ids()[:3]

    found = [(await client.page("devices", query=query)).json["assets"] for client in (plain, drawn)]
    by_id = (await drawn.page("devices", query=f'("internal_axon_id" in {json.dumps(known)})')).json["assets"]

    assert found[0]
    assert [row["internal_axon_id"] for row in found[0]] == [row["internal_axon_id"] for row in found[1]]
    assert [row["internal_axon_id"] for row in by_id] == known
    assert (await plain.count("devices", query=query)).json == (await drawn.count("devices", query=query)).json


async def test_details_come_in_the_forms_of_their_field(start: Start) -> None:
    """One per adapter, whatever the field itself is."""
    bare = next(seed for seed in range(99) if shape_is(seed, many=False, date="millis"))
    client = await start(shapes=bare)

    rows = (await client.page("devices", fields=[DATE], include_details=True)).json["assets"]

    details = [row[f"{DATE}_details"] for row in rows]
    assert all(len(one) == len(row["adapters"]) for one, row in zip(details, rows, strict=True))
    assert sum(isinstance(row[DATE], int) for row in rows) >= 95
    written = [value for one in details for value in one if isinstance(value, int)]
    assert len(written) > 95
    assert all(datetime.fromtimestamp(value / 1000, UTC).year > 2019 for value in written)


def test_record_is_what_is_served_and_drift_stays_possible() -> None:
    """Drifted rows are printed too."""
    options = Options(shapes=3, drift_percent=50)
    names = [entry.name for entry in entries(entity_models(options)["devices"])]
    dataset = build_datasets(options, PROFILES["p70"])["devices"]

    assert all(json.loads(dataset.record(position, names, details=True)) for position in range(400))
