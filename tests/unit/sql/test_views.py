import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axsync.errors import UsageError
from axsync.lake import layout, manifest
from axsync.lake.history import find_run
from axsync.lake.lane_files import match_lane_files
from axsync.model import Lane
from axsync.schema.columns import group
from axsync.schema.kinds import Atom, Kind, Many
from axsync.sql import EntityTable, query_session, tables_of
from axsync.sql import query as query_module
from axsync.sql.days import LaneVerdict
from axsync.sql.dbt import models
from axsync.sql.ddl import view_statements
from axsync.sql.dialects import Engine
from axsync.sql.engines import WORDS
from axsync.sql.histories import EntityHistory, Histories, Partitions, histories
from axsync.sql.tables import OWN
from tests.examples import scaled
from tests.unit.lake.folders import FolderLake
from tests.unit.sql.lakes import ANY_KIND, NUMBER, TEXT, WHOLE, facts, outcome, publish

MOMENT, FLAG = Atom("timestamp"), Atom("bool")
CVE = Many(group([("cve_id", TEXT), ("dt", TEXT)]))
PROD, LAB = Lane("prod", "devices"), Lane("lab", "devices")
DEVICE: dict[str, Kind] = {
    "internal_axon_id": TEXT,
    "adapters": Many(TEXT),
    "hostname": Many(TEXT),
    "hostname_preferred": TEXT,
    "os_type": Many(TEXT),
    "cores": Many(WHOLE),
    "serial": TEXT,
    "serial_preferred": TEXT,
    "last_seen": Many(MOMENT),
    "first_seen": Many(MOMENT),
    "is_managed": Many(FLAG),
    "severity": Many(TEXT),
    "network_interfaces": Many(group([("mac", TEXT), ("ips", Many(TEXT))])),
    "software_cves": CVE,
    "last_used_users": Many(TEXT),
}


def at(day: int) -> datetime:
    return datetime(2026, 11, day, tzinfo=UTC)


ONE = {
    "internal_axon_id": "a1",
    "adapters": ["ad", "ad", "edr"],
    "hostname": ["x", "y"],
    "hostname_preferred": "y",
    "os_type": ["Linux", "Linux"],
    "cores": [2, 4],
    "serial": "s1",
    "last_seen": [at(1), at(3), at(2)],
    "first_seen": [at(2), at(1)],
    "is_managed": [False, True],
    "severity": ["low", "Critical"],
    "network_interfaces": [{"mac": "m1", "ips": ["10.0.0.1", "10.0.0.2"]}, {"mac": "m2", "ips": ["10.0.0.1"]}],
    "software_cves": [{"cve_id": "CVE-1", "dt": "odd"}],
    "last_used_users": ["ola", "ola"],
}


def ask(lake: FolderLake, query: str, run: str = "latest") -> list[tuple[Any, ...]]:
    with query_session(lake, tables_of(find_run(lake, run))) as session:
        return list(session.ask(query).rows)


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """Two days; a column widens on the second, another one comes, and one instance has no devices."""
    older: dict[str, Kind] = {"internal_axon_id": TEXT, "cores": WHOLE, "adapters": Many(TEXT)}
    publish(tmp_path, {PROD: (older, [{"internal_axon_id": "a0", "cores": 3, "adapters": ["ad"]}])}, day=22)
    return publish(tmp_path, {PROD: (DEVICE, [ONE]), LAB: (DEVICE, []), Lane("prod", "users"): (DEVICE, [])})


def test_history_has_all_days_in_one_type(lake: FolderLake) -> None:
    """What was written before a column widened is read as it is by now."""
    assert ask(lake, "SELECT dt, internal_axon_id, cores, hostname FROM devices_history ORDER BY dt") == [
        (date(2026, 11, 22), "a0", [3], None),
        (date(2026, 11, 23), "a1", [2, 4], ["x", "y"]),
    ]


def test_lanes_tell_verdicts(lake: FolderLake) -> None:
    """One row per lane and run."""
    query = "SELECT dt, instance, entity, verdict, rows, stand_in, newest_of_day FROM lanes WHERE entity = 'devices'"
    assert sorted(ask(lake, query)) == [
        (date(2026, 11, 22), "prod", "devices", "complete", 1, None, True),
        (date(2026, 11, 23), "lab", "devices", "complete", 0, None, True),
        (date(2026, 11, 23), "prod", "devices", "complete", 1, None, True),
    ]


def test_flat_has_one_value_per_field(lake: FolderLake) -> None:
    """Preferred, else the only one; newest and oldest; any flag; the highest severity."""
    names = "hostname, os_type, cores, serial, last_seen, first_seen, is_managed, severity"
    assert ask(lake, f"SELECT {names} FROM devices_flat") == [  # noqa: S608  ours
        ("y", "Linux", None, "s1", at(3), at(1), True, "CRITICAL")
    ]
    described = {row[0] for row in ask(lake, "SELECT column_name FROM (DESCRIBE devices_flat)")}
    assert described.isdisjoint({"hostname_preferred", "serial_preferred", "adapters", "network_interfaces"})


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT adapter FROM device_adapters ORDER BY 1", [("ad",), ("edr",)]),
        ("SELECT mac FROM device_network_interfaces", [("m1",), ("m2",)]),
        ("SELECT ip FROM device_ips ORDER BY 1", [("10.0.0.1",), ("10.0.0.2",)]),
        ("SELECT internal_axon_id, cve_id, dt_ FROM device_software_cves", [("a1", "CVE-1", "odd")]),
        ("SELECT instance, dt, username FROM device_users", [("prod", date(2026, 11, 23), "ola")]),
        (
            "SELECT dt, adapter, devices, of_devices FROM coverage ORDER BY ALL",
            [
                (date(2026, 11, 22), "ad", 1, 1),
                (date(2026, 11, 23), "ad", 1, 1),
                (date(2026, 11, 23), "edr", 1, 1),
            ],
        ),
    ],
)
def test_lists_are_rows(lake: FolderLake, query: str, rows: list[tuple[Any, ...]]) -> None:
    """With the keys of their asset, whose names are not taken by a member."""
    assert ask(lake, query) == rows


def test_a_view_whose_columns_are_missing_is_not_there(lake: FolderLake) -> None:
    """And says so as any other name does."""
    shown = {row[0] for row in ask(lake, "SHOW TABLES")}
    assert shown.isdisjoint({"device_open_ports", "findings"})
    with pytest.raises(UsageError, match=r"there is no table 'ips'; did you mean 'device_ips'"):
        ask(lake, "FROM ips")


def test_rescued_values_are_rows(tmp_path: Path) -> None:
    """As they were served, by path."""
    rescued = '{"a.b[0]": [1, "x"], "c": null}'
    kinds: dict[str, Kind] = {"internal_axon_id": TEXT}
    lake = publish(tmp_path, {PROD: (kinds, [{"internal_axon_id": "a1", "axsync_rescued": rescued}])})
    assert sorted(ask(lake, "SELECT internal_axon_id, path, served FROM devices_rescued")) == [
        ("a1", "a.b[0]", '[1,"x"]'),
        ("a1", "c", "null"),
    ]


FINDING: dict[str, Kind] = {
    "internal_axon_id": TEXT,
    "cve_id": Many(TEXT),
    "cve_severity": Many(TEXT),
    "device_internal_axon_id": Many(TEXT),
    "first_seen": Many(MOMENT),
    "cvss": Many(NUMBER),
}


def test_findings_have_age_and_limit(tmp_path: Path) -> None:
    """Devices are those of the same instance; two vulnerabilities with one CVE make no second row."""
    row = {"internal_axon_id": "f1", "cve_id": ["CVE-1"], "cve_severity": ["High"], "first_seen": [at(20), at(3)]}
    known = [{"internal_axon_id": one, "cve_id": ["CVE-1"], "cvss": [7.0]} for one in ("v1", "v2")]
    lanes: dict[Lane, tuple[dict[str, Kind], list[dict[str, Any]]]] = {
        PROD: (DEVICE, [ONE]),
        LAB: (DEVICE, [{**ONE, "hostname_preferred": "other"}]),
        Lane("prod", "vulnerability_instances"): (FINDING, [{**row, "device_internal_axon_id": ["a1"]}]),
        Lane("prod", "vulnerabilities"): (FINDING, known),
    }
    query = "SELECT cve_id, severity, age_days, sla_days, is_overdue, hostname, cvss FROM findings"
    assert ask(publish(tmp_path, lanes), query) == [("CVE-1", "HIGH", 20, 30, False, "y", 7.0)]


def test_an_entity_type_keeps_its_name(tmp_path: Path) -> None:
    """The view of that name gives way."""
    kinds: dict[str, Kind] = {"internal_axon_id": TEXT, "status": TEXT}
    lake = publish(tmp_path, {Lane("prod", "lanes"): (kinds, [{"internal_axon_id": "l1", "status": "open"}])})
    assert ask(lake, "SELECT status FROM lanes") == [("open",)]
    assert ask(lake, "SELECT entity FROM lanes_view") == [("lanes",)]


def test_an_older_run_stands_in_and_a_partial_day_is_told(lake: FolderLake) -> None:
    """A day without rows of its own has none in the history; a join leaves out a day that is not whole."""
    run = facts(24)
    partial = replace(outcome(lake, run, LAB, DEVICE, [ONE]), verdict="partial")
    failed = replace(outcome(lake, run, PROD, DEVICE, []), verdict="failed", columns={}, parts=())
    lake.publish(run, [partial, failed], finished_at="2026-11-24T02:10:00Z")

    query = "SELECT instance, verdict, stand_in, newest_of_day FROM lanes WHERE dt = '2026-11-24' ORDER BY instance"
    assert ask(lake, query) == [("lab", "partial", None, True), ("prod", "failed", "20261123T020000Z-aaaa", True)]
    whole = "SELECT dt::VARCHAR FROM devices_history JOIN lanes USING (entity, instance, dt) WHERE verdict = 'complete'"
    assert sorted(ask(lake, whole)) == [("2026-11-22",), ("2026-11-23",)]
    assert len(ask(lake, "FROM devices_history")) == 3


def test_days_are_looked_up_only_for_views_that_need_them(lake: FolderLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query over a snapshot costs what it did without history."""
    monkeypatch.setattr(query_module, "all_days", None)
    assert ask(lake, "SELECT hostname FROM devices_flat JOIN device_ips USING (instance, internal_axon_id) LIMIT 1")


def test_a_day_has_the_files_of_the_run_that_replaced_it(lake: FolderLake) -> None:
    """The older run of a day stays in the list of lanes, and is not the newest."""
    again = replace(facts(23), run_id="20261123T040000Z-bbbb")
    row = {**ONE, "internal_axon_id": "a2"}
    lake.publish(again, [outcome(lake, again, PROD, DEVICE, [row])], finished_at="2026-11-23T04:10:00Z")

    assert ask(lake, "SELECT internal_axon_id FROM devices_history ORDER BY dt") == [("a0",), ("a2",)]
    query = "SELECT run, newest_of_day FROM lanes WHERE entity = 'devices' AND instance = 'prod' AND dt = '2026-11-23'"
    assert sorted(ask(lake, query)) == [("20261123T020000Z-aaaa", False), ("20261123T040000Z-bbbb", True)]


def test_files_of_old_lakes_are_read_by_their_fields(tmp_path: Path) -> None:
    """Where two instances gave one name to two kinds, the registry says which column goes where."""
    flags: dict[str, Kind] = {"internal_axon_id": TEXT, "eol": Many(FLAG)}
    moments: dict[str, Kind] = {"internal_axon_id": TEXT, "eol": Many(MOMENT)}
    lake = publish(tmp_path, {PROD: (flags, [{"eol": [True]}]), LAB: (moments, [{"eol": [at(1)]}])})
    rows = ask(lake, "SELECT instance, eol, eol_json FROM devices_history ORDER BY ALL")
    assert rows == [("lab", None, '["2026-11-01 00:00:00+00"]'), ("prod", [True], None)]


@pytest.mark.parametrize("stored", [True, False])
def test_duckdb_runs_the_views_that_are_printed(lake: FolderLake, *, stored: bool) -> None:
    """Each answers what the same view of `axsync sql` does, also where no run has a file of its lanes yet."""
    if stored:
        match_lane_files(lake)
    now, days = tables_of(find_run(lake, "latest")), histories(lake)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'America/New_York'")
        connection.execute("\n".join(view_statements("duckdb", now, days, location=str(lake.root), schema=None)))
        names = [row[0] for row in connection.execute("SHOW TABLES").fetchall()]
        for name in names:
            printed = connection.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall()  # noqa: S608  ours
            columns = ", ".join(sorted(column[0] for column in connection.description or []))
            query = f"SELECT count(*), count(DISTINCT ({columns})) FROM {name}"  # noqa: S608  ours
            assert connection.execute(query).fetchall() == ask(lake, query), name
            assert len(printed) == ask(lake, f"SELECT count(*) FROM {name}")[0][0]  # noqa: S608  ours

    assert {"devices", "devices_history", "devices_flat", "lanes", "coverage", "users", "users_flat"} <= set(names)


def test_what_is_printed_does_not_grow_with_the_days(lake: FolderLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts are read from files, by whoever reads the views; no manifest but that of the snapshot is read."""
    match_lane_files(lake)
    now = tables_of(find_run(lake, "latest"))

    def printed(engine: Engine) -> list[str]:
        return list(view_statements(engine, now, histories(lake), location=str(lake.root), schema=None))

    before = {engine: printed(engine) for engine in WORDS}
    again = replace(facts(23), run_id="20261123T040000Z-bbbb")
    row = {**ONE, "internal_axon_id": "a2"}
    lake.publish(again, [outcome(lake, again, PROD, DEVICE, [row])], finished_at="2026-11-23T04:10:00Z")
    match_lane_files(lake)
    monkeypatch.setattr(manifest, "read_run", None)

    assert {engine: printed(engine) for engine in WORDS} == before
    with duckdb.connect() as connection:
        connection.execute("\n".join(before["duckdb"]))
        query = "SELECT run, newest_of_day FROM lanes WHERE entity = 'devices' AND instance = 'prod' AND rows > 0"
        assert connection.execute(f"{query} ORDER BY run").fetchall() == [
            ("20261122T020000Z-aaaa", True),
            ("20261123T020000Z-aaaa", False),
            ("20261123T040000Z-bbbb", True),
        ]


def test_columns_of_old_manifests_are_read_apart(lake: FolderLake) -> None:
    """They are in the manifest of the run itself."""
    for run_id in ("20261122T020000Z-aaaa", "20261123T020000Z-aaaa"):
        lake.as_version_1(run_id)
    for file in (lake.root / layout.BY_HASH).iterdir():
        file.unlink()
    match_lane_files(lake)
    (apart,) = histories(lake).tables["devices"].apart

    assert apart.partitions == (Partitions(("prod",), (date(2026, 11, 22),)),)


def test_dbt_models_refer_to_each_other(lake: FolderLake) -> None:
    """With the references resolved they run; tests look for ids that come twice and for days that are not whole."""
    written = dict(models(tables_of(find_run(lake, "latest")), histories(lake), str(lake.root)))
    tests = written.pop("axsync.yml")
    with duckdb.connect() as connection:
        for name, model in written.items():
            first, _, sql = model.partition("\n")
            assert first == "{{ config(materialized='view') }}"
            plain = re.sub(r"{{ ref\('(\w+)'\) }}", r'"\1"', sql)
            connection.execute(f"CREATE VIEW {name.removesuffix('.sql')} AS {plain}")
        assert connection.execute("SELECT hostname FROM devices_flat").fetchall() == [("y",)]

    assert "{{ ref('devices_history') }}" in written["devices.sql"]
    assert "  - name: devices_history\n    tests:\n      - unique:" in tests
    assert "where: newest_of_day" in tests


def test_other_engines_get_their_own_words(lake: FolderLake) -> None:
    """Their statements name the tables that they create, in the schema that is given."""
    now, days = tables_of(find_run(lake, "latest")), histories(lake)
    told = {e: "\n".join(view_statements(e, now, days, location="s3://b/l", schema="s.ax")) for e in WORDS}

    assert 'CREATE OR REPLACE VIEW "s"."ax"."devices_flat" AS' in told["trino"]
    assert 'CROSS JOIN UNNEST(t."network_interfaces") AS u("mac", "ips")' in told["athena"]
    assert """("dt" = '2026-11-23' AND "instance" IN ('prod'))""" in told["athena"]
    assert 'FROM "S"."AX"."DEVICES_HISTORY"' in told["snowflake"]
    assert 'LATERAL FLATTEN(INPUT => t."SOFTWARE_CVES")' in told["snowflake"]


@settings(max_examples=scaled(50))
@given(st.lists(ANY_KIND, min_size=4, max_size=4))
def test_views_stand_on_columns_of_any_kind(kinds: list[Kind]) -> None:
    """A list of lists, a single value where a list was meant, members of any name: what has no meaning is left out."""
    names = ("adapters", "network_interfaces", "last_used_users", "open_ports")
    columns = dict(zip(names, kinds, strict=True))
    table = EntityTable(
        "devices", {"internal_axon_id": TEXT, **columns, **OWN}, (), fields={name: name for name in names}
    )
    verdict = LaneVerdict("r", date(2026, 11, 23), "prod", "devices", "complete", 0, 0, None, newest_of_day=True)
    days = Histories({"devices": EntityHistory(table, ())}, (verdict,))
    with duckdb.connect() as connection:
        connection.execute("\n".join(view_statements("duckdb", {"devices": table}, days, location=None, schema=None)))
        assert connection.execute("SELECT count(*) FROM devices_flat").fetchall() == [(0,)]
