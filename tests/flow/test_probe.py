"""`axsync check --probe`: what a server serves, without a value of it, and an emulator that serves the same shapes."""

import json
import os
import re
import stat
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from axsync.emulator import Emulator, Mishap
from axsync.emulator.recorded_shapes import read_recorded_shapes
from axsync.errors import ConfigError
from axsync.events import Event, Notice
from axsync.runs.check import check
from axsync.settings import InstanceSettings, Settings
from tests.flow.harness import Lab, attributes
from tests.flow.tiny import Tiny, serving

Start = Callable[..., Awaitable[Emulator]]
Record = dict[str, Any]

SIZES = {"devices": 40, "users": 30, "vulnerabilities": 20, "software": 20}
SEED = 2  # its first device has custom fields
A = "specific_data.data."
OWN = {"internal_axon_id", "adapters", "adapter_list_length"}  # an emulator's own, whatever a record says
FAR = "http://127.0.0.1:9"  # nobody listens there


async def probed(settings: Settings, path: Path) -> tuple[Record, list[str]]:
    """The record, and what was said."""
    events: list[Event] = []
    await check(settings, observers=[events.append], probe_to=path)
    return read(path), [event.text for event in events if isinstance(event, Notice)]


def read(path: Path) -> Record:
    record: Record = json.loads(path.read_text()) if path.exists() else {}
    return record


def types_of(lab: Lab, entity: str) -> dict[str, str]:
    """Field → type of its column."""
    return {column["field"]: column["type"] for column in lab.lane(entity)["columns"].values()}


def said_by(shape: Record) -> str:
    """The type of a column whose kind shows in its values."""
    if shape["type"] == "list":
        return f"list<{said_by(shape['items'])}>" if "items" in shape else ""
    if shape["type"] == "string":
        return "timestamp[us, tz=UTC]" if shape["form"] in ("rfc1123", "iso", "day") else "string"
    return {"integer": "int64", "number": "double", "bool": "bool"}.get(shape["type"], "")


@pytest.mark.parametrize(("profile", "generation"), [("p90", "v2"), ("p6167", "v2"), ("v1", "v1")])
@pytest.mark.parametrize(("shapes", "share"), [(None, 0.85), (5, 0.5)])
async def test_an_emulator_that_is_fed_with_the_record_serves_the_same(
    lab: Lab, start: Start, profile: str, generation: str, shapes: int | None, share: float
) -> None:
    """A second probe writes the same, a run ends complete, and columns have the types of the first lake.

    That is so for those whose kind shows in their values: the record does not say what the catalogue says.
    """
    first = await start(profile=profile, sizes=SIZES, seed=SEED, shapes=shapes)
    record, _ = await probed(lab.settings(lab.instance(first)), lab.folder / "first.json")
    await lab.run(lab.settings(lab.instance(first)))
    before = {entity: types_of(lab, entity) for entity in SIZES}

    like = read_recorded_shapes((lab.folder / "first.json").read_text())
    assert (like.api, like.server_version) == (generation, first.instance.profile.version)
    second = await start(profile="v1" if generation == "v1" else "p90", sizes=SIZES, like=like)
    again, _ = await probed(lab.settings(lab.instance(second)), lab.folder / "second.json")
    lab.lake = lab.folder / "second lake"
    ran = await lab.run(lab.settings(lab.instance(second)))

    assert set(ran.verdicts().values()) == {"complete"}
    for entity in SIZES:
        fields = record["entities"][entity]["fields"]
        assert without_own(again["entities"][entity]["fields"]) == without_own(fields)
        showing = [name for name in fields if name in before[entity] and said_by(fields[name]) == before[entity][name]]
        after = types_of(lab, entity)
        assert {name: after[name] for name in showing} == {name: before[entity][name] for name in showing}
        assert len(showing) >= share * len(fields)


def without_own(fields: Record) -> Record:
    return {name: shape for name, shape in fields.items() if name not in OWN}


@pytest.mark.parametrize(("profile", "keys"), [("p70", "full"), ("p6167", "short")])
async def test_fields_have_their_full_names(lab: Lab, start: Start, profile: str, keys: str) -> None:
    """Whatever a server calls them; the record says what it does. Custom fields have numbers for names."""
    emulator = await start(profile=profile, sizes={"devices": 20}, seed=SEED)
    record, _ = await probed(lab.settings(lab.instance(emulator)), lab.folder / "probe.json")

    devices = record["entities"]["devices"]
    assert devices["keys"] == keys
    assert devices["fields"][f"{A}last_seen"] == {"type": "string", "length": 29, "form": "rfc1123"}
    custom = [f"adapters_data.gui.custom_{number}" for number in (1, 2, 3)]
    assert [name for name in devices["fields"] if "gui" in name] == custom


@pytest.mark.parametrize("profile", ["p90", "v1"])
async def test_no_value_of_a_row_is_in_the_file(lab: Lab, start: Start, profile: str) -> None:
    """Of no row that could have been the first one; nor a key, a secret, a name of the instance or its host."""
    emulator = await start(profile=profile, sizes=SIZES, seed=SEED, drift_percent=50)
    path = lab.folder / "probe.json"
    settings = lab.settings(lab.instance(emulator, name="acme-corporation"))
    record, _ = await probed(settings, path)
    text = path.read_text()
    names = set(keys_of(record))

    canaries = {value for entity in SIZES for row in rows_of(emulator, entity) for value in leaves(row)}
    texts = {value for value in canaries if isinstance(value, str) and len(value) >= 4}
    told = {value for value in texts if value in text}
    assert {value for value in told if not any(value in name for name in names)} == set()
    assert len(texts) > 500
    counts = set(re.findall(r"\d+", re.sub(r'"(length|unnamed)": \d+|"server_version": "[\d_.]+"|rfc1123', "", text)))
    assert {str(value) for value in canaries if isinstance(value, int | float) and value > 9} & counts == set()
    for secret in (emulator.api_key, emulator.api_secret, "acme-corporation", "127.0.0.1"):
        assert secret not in text


def rows_of(emulator: Emulator, entity: str) -> list[Record]:
    fleet = emulator.fleets[entity]
    asked = next(seen for seen in reversed(emulator.log) if seen.path.endswith(f"/{entity}"))
    fields = attributes(asked)["fields"]
    names = fields[entity] if isinstance(fields, dict) else fields
    return [json.loads(fleet.record(place, names)) for place in range(len(fleet))]


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from leaves(member)
    else:
        yield value


def keys_of(value: object) -> Iterator[str]:
    for member in value.values() if isinstance(value, dict) else ():
        yield from keys_of(member)
    yield from value if isinstance(value, dict) else ()


async def test_names_that_are_data_and_words_of_the_server_stay_out(lab: Lab) -> None:
    """Keys of maps, what a person called a custom field, what an answer says beside the rows."""
    rows = {
        f"{A}by_host": {"web-01.acme.test": 1, "alice": 1, "name": "x"},
        "adapters_data.gui.custom_crown_jewels": "yes",
    }
    asked = [{"name": f"{A}by_host", "type": "array"}, {"name": f"{A}name", "type": "string"}]
    catalogue = {"generic": asked, "gui": [{"name": "adapters_data.gui.custom_crown_jewels", "type": "string"}]}
    async with serving(Tiny([{"internal_axon_id": "0" * 32, "adapters": [], **rows}], catalogue)) as tiny:
        record, _ = await probed(lab.settings(instance_at(lab, tiny)), lab.folder / "probe.json")

    fields = record["entities"]["devices"]["fields"]
    members = {"name": {"type": "string", "length": 1, "form": None}}
    assert fields[f"{A}by_host"] == {"type": "object", "members": members, "unnamed": 2}
    assert "adapters_data.gui.custom_1" in fields
    assert "crown" not in (lab.folder / "probe.json").read_text()


def instance_at(lab: Lab, tiny: Tiny) -> InstanceSettings:
    keys = lab.keys("prod", "KEY-OF-THE-TEST", "SECRET-OF-THE-TEST")
    return InstanceSettings("prod", tiny.url, keys, requests_per_second=5000.0, tries=1)


async def test_a_version_that_is_none_is_not_written(lab: Lab, start: Start) -> None:
    """It would be free text of the server."""
    about = Mishap("other-body", on="about", body='{"installed_version": "Acme test 7"}')
    emulator = await start(profile="p70", sizes={"devices": 5}, mishaps=(about,))
    record, _ = await probed(lab.settings(lab.instance(emulator)), lab.folder / "probe.json")

    assert record["server_version"] is None
    assert "Acme" not in (lab.folder / "probe.json").read_text()


async def test_types_without_a_row_have_one_word(lab: Lab, start: Start) -> None:
    """Forbidden to count, forbidden to read, empty, not offered; the server's words stay out."""
    sizes = {"devices": 9, "users": 9, "software": 9, "secrets": 0, "networks": 9}
    refusals = (Mishap("403", entity="users"), Mishap("403", entity="software", on="page"))
    broken = Mishap("not-object", entity="networks", on="page", value="7")
    emulator = await start(sizes=sizes, mishaps=(*refusals, broken))
    settings = lab.settings(lab.instance(emulator, tries=1), entities=(*sizes, "urls"))
    record, said = await probed(settings, lab.folder / "probe.json")

    assert set(record["entities"]) == {"devices"}
    assert record["unread"] == {
        "users": "forbidden",
        "software": "forbidden",
        "secrets": "empty",
        "networks": "unreadable",
        "urls": "not offered",
    }
    assert said == [f"{lab.folder / 'probe.json'}: the shapes of 1 entity type of instance prod, without values"]


async def test_it_costs_two_requests_for_each_readable_type(lab: Lab, start: Start) -> None:
    """The catalogue, and a page of one row with the generic fields; none for a type without rows."""
    emulator = await start(sizes={"devices": 90, "users": 45, "secrets": 0})
    settings = lab.settings(lab.instance(emulator))
    await check(settings)
    plain = len(emulator.log)
    await probed(settings, lab.folder / "probe.json")

    added = emulator.log[2 * plain :]
    assert sorted(seen.path.removeprefix("/api/v2/assets/") for seen in added) == [
        "devices",
        "devices/fields",
        "users",
        "users/fields",
    ]
    bodies = [attributes(seen) for seen in added if "page" in attributes(seen)]
    assert [body["page"]["limit"] for body in bodies] == [1, 1]
    assert all(f"{A}last_seen" in body["fields"] for body in bodies)
    assert not any(name.startswith("adapters_data.") and ".gui." not in name for b in bodies for name in b["fields"])


async def test_a_catalogue_that_fails_is_told(lab: Lab, start: Start) -> None:
    """What comes without it is described."""
    emulator = await start(sizes={"devices": 9}, mishaps=(Mishap("403", on="fields"),))
    record, _ = await probed(lab.settings(lab.instance(emulator, tries=1)), lab.folder / "probe.json")

    assert record["entities"]["devices"]["catalogue"] == "not readable"
    assert "internal_axon_id" in record["entities"]["devices"]["fields"]


async def test_a_field_that_the_server_does_not_know_costs_no_type(lab: Lab) -> None:
    """Those that no catalogue lists are left out."""
    unknown = f"{A}network_interfaces.ips_preferred"
    catalogue = {"generic": [{"name": f"{A}hostname", "type": "string"}]}
    row = {"internal_axon_id": "0" * 32, f"{A}hostname": ["h"]}
    async with serving(Tiny([row], catalogue, refuses=[unknown])) as tiny:
        record, _ = await probed(lab.settings(instance_at(lab, tiny)), lab.folder / "probe.json")

    assert set(record["entities"]["devices"]["fields"]) == {"internal_axon_id", f"{A}hostname"}


async def test_the_record_is_of_the_first_instance_that_answers(lab: Lab, start: Start) -> None:
    """In the order of the settings."""
    emulator = await start(sizes={"devices": 9})
    down = lab.instance(emulator, "down", url=FAR, tries=1)
    up = lab.instance(emulator, "up")
    record, said = await probed(lab.settings(down, up), lab.folder / "probe.json")

    assert set(record["entities"]) == {"devices"}
    assert said[-1].endswith("of instance up, without values")


async def test_an_older_file_stays_where_no_instance_answers(lab: Lab, start: Start) -> None:
    """And that is told."""
    path = lab.folder / "probe.json"
    path.write_text('"older"')
    emulator = await start()
    _, said = await probed(lab.settings(lab.instance(emulator, url=FAR, tries=1)), path)

    assert path.read_text() == '"older"'
    assert said == [f"{path}: not written, because no instance answers"]


async def test_the_file_is_replaced_whole_and_is_its_owners(lab: Lab, start: Start) -> None:
    """With mode 0600, whatever the older one had; no draft stays behind."""
    folder = lab.folder / "here"
    folder.mkdir()
    path = folder / "probe.json"
    path.write_text("older")
    path.chmod(0o644)
    with path.open() as older:
        emulator = await start(sizes={"devices": 9})
        record, _ = await probed(lab.settings(lab.instance(emulator)), path)

        assert older.read() == "older"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert record["format_version"] == 1
    assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize("name", ["no/such/probe.json", "folder", "pipe", "x" * 300])
async def test_a_place_that_cannot_be_written_is_told_before_anything_is_sent(
    lab: Lab, start: Start, name: str
) -> None:
    """No folder, a folder, something that is no file, a name that no file may have."""
    (lab.folder / "folder").mkdir()
    os.mkfifo(lab.folder / "pipe")
    emulator = await start()

    with pytest.raises(ConfigError, match="the record cannot be written to"):
        await check(lab.settings(lab.instance(emulator)), probe_to=lab.folder / name)
    assert emulator.log == []
    assert {path.name for path in lab.folder.iterdir()} >= {"folder", "pipe"}
    assert not any(path.name.startswith(".") for path in lab.folder.iterdir())
