"""The columns that people ask for: names that no catalogue lists, saved queries with their columns, several tables."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

import axsync
from axsync.emulator import Emulator
from axsync.errors import ConfigError, UnknownEntity
from axsync.events import Event, Notice
from axsync.runs.check import check
from axsync.runs.inspect import fields, queries
from axsync.runs.plan import plan
from axsync.settings import EntitySettings, InstanceSettings, Settings
from tests.flow.harness import Lab, Ran, attributes, fields_asked, pages
from tests.flow.tiny import Tiny, serving

Start = Callable[..., Awaitable[Emulator]]

NICS = "specific_data.data.network_interfaces"
IPS, MACS = f"{NICS}.ips_preferred", f"{NICS}.mac_preferred"
HOST, LABEL = "specific_data.data.hostname", "specific_data.connection_label"
CVES = "specific_data.data.software_cves.cve_id_count"
ALWAYS = ["internal_axon_id", "adapters", "adapter_list_length", "labels"]
LINUX = '("specific_data.data.os.type" == "Linux")'
WINDOWS = '("specific_data.data.os.type" == "Windows")'
CATALOGUE = {
    "generic": [
        {"name": HOST, "type": "string"},
        {"name": NICS, "type": "array", "is_complex": True},
        {"name": f"{NICS}.mac", "type": "string"},
    ],
    "gui": [{"name": "adapters_data.gui.custom_site", "type": "string"}],
    "acme_adapter": [{"name": "adapters_data.acme_adapter.agent", "type": "string"}],
}


def devices(count: int = 9, **more: Any) -> list[dict[str, Any]]:
    """So many rows with a hostname."""
    usual = {"adapters": ["acme_adapter"], "adapter_list_length": 1}
    return [{"internal_axon_id": f"{at:032x}", HOST: [f"h{at}"], **usual, **more} for at in range(count)]


def saved(name: str, number: int, module: str = "devices", fields: object = (HOST,), **more: object) -> dict[str, Any]:
    row = {"uuid": f"{number:024x}", "name": name, "module": module}
    return row | {"view": {"query": {"filter": f'("labels" == "{name}")'}, "fields": list(fields)}} | more  # type: ignore[call-overload]  # a list, or what is none


QUERIES = [
    saved("Linux servers", 1),
    saved("Operators", 2, "users"),
    saved("Tier one", 3, fields=(HOST, IPS, f"{NICS}.mac", "specific_data.data.seldom")),
    saved("Bare", 4, fields=()),
    saved("Windows servers", 5),
]


def asking(lab: Lab, tiny: Tiny, wish: EntitySettings, **more: Any) -> Settings:
    usual: dict[str, Any] = {"in_flight": 8, "requests_per_second": 5000.0, "page_size": 2, "tries": 1}
    instance = InstanceSettings("prod", tiny.url, lab.keys("prod", "KEY-OF-THE-TEST", "SECRET-OF-THE-TEST"), **usual)
    return lab.settings(instance, types={"devices": wish}, **({"entities": ("devices",)} | more))


def notices(ran: Ran) -> list[str]:
    return [notice.text for notice in ran.of(Notice)]


async def test_fields_of_their_own_and_custom_fields_are_asked_for_by_default(lab: Lab) -> None:
    """The well-known ones also where the catalogue lists none of them; adapters' own fields are not."""
    async with serving(Tiny(devices(9, **{IPS: ["10.0.0.1"]}), CATALOGUE)) as tiny:
        ran = await lab.run(asking(lab, tiny, EntitySettings()))

    assert tiny.pages()[0]["fields"] == [*ALWAYS, HOST, NICS, "adapters_data.gui.custom_site", IPS, MACS]
    assert ran.outcome("devices").verdict == "complete"
    assert lab.lane("devices")["columns"]["network_interfaces_ips_preferred"]["field"] == IPS


async def test_a_member_in_the_list_of_fields_brings_its_parent(lab: Lab) -> None:
    """With a notice that says so, and nothing that says it matches nothing."""
    async with serving(Tiny(devices(), CATALOGUE)) as tiny:
        ran = await lab.run(asking(lab, tiny, EntitySettings(fields=("network_interfaces.mac",))))

    assert tiny.pages()[0]["fields"] == [*ALWAYS, NICS]
    assert notices(ran) == [f"'network_interfaces.mac': inside of {NICS}, which is copied whole"]


async def test_extra_fields_are_asked_for_and_kept(lab: Lab) -> None:
    """One that comes has its values, one that never does an empty column and a notice, in the manifest too."""
    wish = EntitySettings(fields=("hostname",), extra_fields=("software_cves.cve_id_count", LABEL))
    async with serving(Tiny(devices(9, **{LABEL: "site A"}), CATALOGUE)) as tiny:
        ran = await lab.run(asking(lab, tiny, wish))

    assert tiny.pages()[0]["fields"] == [*ALWAYS, HOST, CVES, LABEL]
    columns = {c["field"]: name for name, c in lab.lane("devices")["columns"].items()}
    rows = lab.rows("devices")
    assert [row[columns[LABEL]] for row in rows] == ["site A"] * 9
    assert [row[columns[CVES]] for row in rows] == [None] * 9
    assert notices(ran) == [f"the field '{CVES}' was requested but never served"]
    assert lab.lane("devices")["notices"] == notices(ran)


async def test_an_extra_field_that_comes_late_is_served(lab: Lab) -> None:
    """The last row alone has it, and a server may escape what is not ASCII."""
    name = "adapters_data.esx_like.Straße (x:y)"
    records = devices()
    records[-1][name] = "here"
    async with serving(Tiny(records, CATALOGUE)) as tiny:
        ran = await lab.run(asking(lab, tiny, EntitySettings(fields=("hostname",), extra_fields=(name,))))

    assert notices(ran) == []


async def test_nothing_is_said_of_extra_fields_where_there_are_no_rows(lab: Lab) -> None:
    """No page could have shown them."""
    async with serving(Tiny([], CATALOGUE)) as tiny:
        ran = await lab.run(asking(lab, tiny, EntitySettings(extra_fields=(LABEL,))))

    assert (ran.outcome("devices").verdict, notices(ran)) == ("complete", [])


@pytest.mark.parametrize(
    "words", ["fields: unknown field {name}", "{name}: not a field.", 'Unknown fields: ["{name}"]']
)
async def test_an_extra_field_that_is_refused_is_dropped(lab: Lab, words: str) -> None:
    """One request more, one notice, and the type is whole; also where the well-known ones are refused."""
    tiny = Tiny(devices(), CATALOGUE, refuses=(LABEL, MACS), words=words)
    async with serving(tiny):
        ran = await lab.run(asking(lab, tiny, EntitySettings(extra_fields=(LABEL, CVES))))

    assert ran.outcome("devices").verdict == "complete"
    assert len(lab.ids("devices")) == 9
    assert [text for text in notices(ran) if "does not know" in text] == [
        f"the server does not know the field '{LABEL}'; it is not requested",
        f"the server does not know the field '{MACS}'; it is not requested",
    ]
    assert not {LABEL, MACS} & {c["field"] for c in lab.lane("devices")["columns"].values()}
    assert CVES in tiny.pages()[-1]["fields"]


async def test_a_refusal_that_meets_several_pages_is_told_once(lab: Lab) -> None:
    """Pages that are under way together are refused together; each is asked again without the field."""
    tiny = Tiny(devices(40), CATALOGUE, refuses=(LABEL,), refuses_from=2, slow=0.05)
    async with serving(tiny):
        ran = await lab.run(asking(lab, tiny, EntitySettings(fields=("hostname",), extra_fields=(LABEL,))))

    assert sum(LABEL in page["fields"] for page in tiny.pages()) > 2
    assert len(lab.ids("devices")) == 40
    assert len(notices(ran)) == 1


async def test_a_refusal_that_names_a_listed_field_fails_the_lane(lab: Lab) -> None:
    """The catalogue lists it, so that a column without it would be a lie."""
    tiny = Tiny(devices(), CATALOGUE, refuses=(HOST,))
    async with serving(tiny):
        ran = await lab.run(asking(lab, tiny, EntitySettings(extra_fields=(LABEL,))))

    assert ran.outcome("devices").verdict == "failed"
    assert HOST in str(ran.outcome("devices").reason)


@pytest.mark.parametrize("word", ["Tier one", f"{3:024x}"])
@pytest.mark.parametrize("flat", [True, False])
async def test_the_columns_of_a_saved_query_are_taken(lab: Lab, word: str, flat: bool) -> None:
    """By name or id, from nested and flat rows, over several short pages; what no catalogue lists is asked for too."""
    queries = QUERIES
    if flat:
        queries = [
            {"id": q["uuid"], "name": q["name"], "asset_type": q["module"], "query": "", "fields": q["view"]["fields"]}
            for q in QUERIES
        ]
    tiny = Tiny(devices(), CATALOGUE, queries=queries)
    async with serving(tiny):
        ran = await lab.run(asking(lab, tiny, EntitySettings(saved_query=word, fields="saved-query")))

    page = tiny.pages()[0]
    assert page["fields"] == [*ALWAYS, HOST, IPS, NICS, "specific_data.data.seldom"]
    assert page["saved_query_id"] == f"{3:024x}"
    assert not {"query", "saved_query_name"} & page.keys()
    assert ran.outcome("devices").verdict == "complete"


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(("word", "key"), [("Tier one", "saved_query_name"), (f"{3:024x}", "saved_query_id")])
async def test_without_a_list_the_server_chooses_the_columns(lab: Lab, status: int, word: str, key: str) -> None:
    """No `fields` are sent, not even an empty list, and people are told."""
    tiny = Tiny(devices(), CATALOGUE, queries=QUERIES, queries_status=status)
    async with serving(tiny):
        ran = await lab.run(asking(lab, tiny, EntitySettings(saved_query=word, fields="saved-query")))

    assert all("fields" not in page and page[key] == word for page in tiny.pages())
    assert notices(ran) == ["the columns of the saved query cannot be listed; the server chooses them"]
    assert len(lab.ids("devices")) == 9


async def test_a_saved_query_that_lists_no_columns_leaves_them_to_the_server(lab: Lab) -> None:
    """As where the list cannot be read."""
    tiny = Tiny(devices(), CATALOGUE, queries=QUERIES)
    async with serving(tiny):
        await lab.run(asking(lab, tiny, EntitySettings(saved_query="Bare", fields="saved-query")))

    assert {"fields" in page for page in tiny.pages()} == {False}


async def test_a_saved_query_goes_by_name_where_the_list_cannot_be_read(lab: Lab) -> None:
    """Its selection needs no list; the fields are those of any run."""
    tiny = Tiny(devices(), CATALOGUE, queries_status=403)
    async with serving(tiny):
        ran = await lab.run(asking(lab, tiny, EntitySettings(saved_query="Whatever")))

    assert {page["saved_query_name"] for page in tiny.pages()} == {"Whatever"}
    assert ran.outcome("devices").verdict == "complete"


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("Linux server", r"has no saved query 'Linux server' for devices; did you mean 'Linux servers'\?"),
        ("Operators", r"the saved query 'Operators' of .* is for users, not for devices"),
    ],
)
async def test_a_saved_query_that_is_not_there_is_refused(lab: Lab, word: str, sentence: str) -> None:
    """With the nearest name, by a run, a dry run and a plan alike; nothing is written, and no asset is asked for."""
    tiny = Tiny(devices(), CATALOGUE, queries=QUERIES)
    async with serving(tiny):
        settings = asking(lab, tiny, EntitySettings(saved_query=word))
        with pytest.raises(ConfigError, match=f"^saved_query of devices: .*{sentence}$"):
            await lab.run(settings)
        with pytest.raises(ConfigError, match=sentence):
            await plan(settings)
        with pytest.raises(ConfigError, match=sentence):
            await lab.run(asking(lab, tiny, EntitySettings(saved_query=word), dry_run=True))

    assert tiny.pages() == []
    assert not any(one.path.endswith(("/count", "/fields")) for one in tiny.log)
    assert not lab.lake.exists()


async def test_a_saved_query_of_a_type_that_is_not_walked_is_not_looked_for(lab: Lab) -> None:
    """The table of a type that the run leaves out costs no request."""
    tiny = Tiny(devices(), CATALOGUE, queries=QUERIES)
    async with serving(tiny):
        ran = await lab.run(asking(lab, tiny, EntitySettings(saved_query="None such"), entities=("users",)))

    assert ran.verdicts() == {"prod/users": "complete"}
    assert not any(one.path.endswith("/queries") for one in tiny.log)


async def test_where_one_of_two_instances_has_the_saved_query_the_other_is_skipped(lab: Lab) -> None:
    """With a notice that says why; the first is whole."""
    wish = EntitySettings(saved_query="Tier one")
    async with serving(Tiny(devices(), CATALOGUE, queries=QUERIES)) as one, serving(Tiny(devices(), CATALOGUE)) as two:
        settings = asking(lab, one, wish)
        first = settings.instances[0]
        second = InstanceSettings("test", two.url, first.credential, requests_per_second=5000.0)
        ran = await lab.run(lab.settings(first, second, types={"devices": wish}, entities=("devices",)))

    assert ran.verdicts() == {"prod/devices": "complete", "test/devices": "skipped"}
    assert any("has no saved query 'Tier one' for devices" in text for text in notices(ran))


async def test_a_list_of_saved_queries_without_end_is_an_error(lab: Lab) -> None:
    """A server that ignores the offset is asked twice for the list and once more by the lane; nothing hangs."""
    tiny = Tiny(devices(), CATALOGUE, queries=QUERIES[:2], queries_total=False, repeats=True)
    async with serving(tiny):
        ran = await lab.run(asking(lab, tiny, EntitySettings(saved_query="Linux servers")))

    assert ran.outcome("devices").verdict == "failed"
    assert "repeats a page of its saved queries" in str(ran.outcome("devices").reason)
    assert sum(one.path.endswith("/queries") for one in tiny.log) == 4


@pytest.mark.parametrize("profile", ["p6164", "p6167", "p70", "p90", "v1"])
async def test_every_generation_takes_the_columns_of_a_saved_query(lab: Lab, start: Start, profile: str) -> None:
    """v1 is told the AQL, v2 the id; the fields are those of the query in both."""
    emulator = await start(profile, {"devices": 60})
    query = next(q for q in emulator.instance.queries if q.name == "Linux machines")
    types = {"devices": EntitySettings(saved_query=query.name, fields="saved-query")}
    await lab.run(lab.settings(lab.instance(emulator), types=types, entities=("devices",)))

    assert fields_asked(emulator.log, "devices") == [*ALWAYS, *query.fields]
    key, value = ("filter", LINUX) if profile == "v1" else ("saved_query_id", query.id)
    assert {attributes(seen)[key] for seen in pages(emulator.log, "devices")} == {value}


async def test_in_v1_a_saved_query_without_columns_has_the_generic_ones(lab: Lab, start: Start) -> None:
    """Its server cannot choose them, since it is told the AQL; people are told."""
    emulator = await start("v1", {"devices": 60})
    emulator.instance.queries = tuple(replace(query, fields=()) for query in emulator.instance.queries)
    types = {"devices": EntitySettings(saved_query="Linux machines", fields="saved-query")}
    ran = await lab.run(lab.settings(lab.instance(emulator), types=types, entities=("devices",)))

    assert "the saved query lists no columns; the generic fields are copied" in notices(ran)
    assert "specific_data.data.os.type" in fields_asked(emulator.log, "devices")


async def test_a_stream_tells_of_fields_that_never_came(lab: Lab) -> None:
    """To its observers, as there is no manifest."""
    told: list[Event] = []
    async with serving(Tiny(devices(), CATALOGUE)) as tiny:
        settings = asking(lab, tiny, EntitySettings(fields=("hostname",), extra_fields=(LABEL,)))
        batches = [batch async for batch in axsync.stream(settings, "devices", observers=[told.append])]

    assert sum(batch.num_rows for batch in batches) == 9
    assert [e.text for e in told if isinstance(e, Notice)] == [f"the field '{LABEL}' was requested but never served"]


def having(emulator: Emulator, system: str) -> list[str]:
    """Ids of the devices with this operating system."""
    fleet = emulator.fleets["devices"]
    return sorted(
        fleet.ids_of.text(n) for n in fleet.numbers() if system in fleet.values(n, "specific_data.data.os.type")
    )


TABLES = {
    "devices": EntitySettings(fields=("hostname",)),
    "linux_hosts": EntitySettings(type="devices", query=LINUX, fields=("hostname",)),
    "windows_hosts": EntitySettings(type="devices", query=WINDOWS, fields=("name",)),
}


@pytest.mark.parametrize("profile", ["p6164", "p90", "v1"])
async def test_several_tables_of_one_type_are_walked_side_by_side(lab: Lab, start: Start, profile: str) -> None:
    """Each with its own rows and columns in its own folder; only the type goes to Axonius."""
    emulator = await start(profile, {"devices": 80, "users": 10})
    ran = await lab.run(lab.settings(lab.instance(emulator), types=TABLES))

    assert ran.verdicts() == dict.fromkeys(
        ("prod/devices", "prod/users", "prod/linux_hosts", "prod/windows_hosts"), "complete"
    )
    for table, system in (("linux_hosts", "Linux"), ("windows_hosts", "Windows")):
        assert lab.ids(table) == having(emulator, system)
        assert 0 < len(lab.ids(table)) < len(lab.ids("devices")) == 80
    assert "hostname" not in lab.lane("windows_hosts")["columns"]
    assert not any("hosts" in seen.path for seen in emulator.log)


@pytest.mark.parametrize("profile", ["p90", "v1"])
async def test_a_table_is_named_like_an_entity_type(lab: Lab, start: Start, profile: str) -> None:
    """By a run, a dry run, a plan, a check, a stream and a look at its fields."""
    emulator = await start(profile, {"devices": 80, "users": 10})
    settings = lab.settings(lab.instance(emulator), types=TABLES, entities=("linux_hosts",))
    planned = (await plan(settings)).rows
    checked = await check(settings)
    ran = await lab.run(settings)
    dry = await lab.run(lab.settings(lab.instance(emulator), types=TABLES, entities=("linux_hosts",), dry_run=True))
    streamed = [batch async for batch in axsync.stream(settings, "linux_hosts")]

    rows = ran.outcome("linux_hosts").rows
    assert ran.verdicts() == {"prod/linux_hosts": "complete"}
    assert 0 < rows < 80
    assert [(row.entity, row.count) for row in planned] == [("linux_hosts", rows)]
    assert dry.outcome("linux_hosts").count_before == rows
    assert sum(batch.num_rows for batch in streamed) == rows
    assert {one.entity: one.state for one in checked[0].entities}["devices"] == "readable"
    assert await fields(settings, "linux_hosts") == await fields(settings, "devices")
    assert not any("hosts" in seen.path for seen in emulator.log)


async def test_a_table_of_a_day_of_history_asks_for_its_type(lab: Lab, start: Start) -> None:
    """Days are listed by type."""
    emulator = await start("v1", {"devices": 80})
    ran = await lab.run(lab.settings(lab.instance(emulator), types=TABLES, entities=("linux_hosts",), as_of="latest"))

    assert ran.verdicts() == {"prod/linux_hosts": "complete"}


@pytest.mark.parametrize("profile", ["p90", "v1"])
@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        (
            {"users": EntitySettings(type="devices")},
            r"^\[entities\.users\]: 'users' is itself an entity type; give the table for 'devices' another name$",
        ),
        (
            {"servers": EntitySettings(type="devcies")},
            r"^\[entities\.servers\]: instance 'prod' offers no entity type 'devcies'; did you mean 'devices'\?$",
        ),
        (
            {"servers": EntitySettings(type="../about")},
            r"^\[entities\.servers\]: instance 'prod' offers no entity type '\.\./about'",
        ),
    ],
)
async def test_a_table_that_cannot_be_is_refused(
    lab: Lab, start: Start, profile: str, tables: dict[str, EntitySettings], sentence: str
) -> None:
    """One sentence; nothing is written."""
    emulator = await start(profile, {"devices": 20, "users": 20})
    with pytest.raises(ConfigError, match=sentence):
        await lab.run(lab.settings(lab.instance(emulator), types=tables))

    assert not lab.lake.exists()
    assert pages(emulator.log) == []


async def test_a_table_whose_type_is_not_offered_is_left_out(lab: Lab, start: Start) -> None:
    """A run of everything walks what there is; other instances may have the type."""
    emulator = await start("p90", {"users": 20})
    ran = await lab.run(lab.settings(lab.instance(emulator), types={"apps": EntitySettings(type="software")}))

    assert ran.verdicts() == {"prod/users": "complete"}


async def test_fields_may_be_named_as_their_columns(lab: Lab, start: Start) -> None:
    """On the first run by the catalogue, later also by the names that the lake has kept; the fields are asked for."""
    emulator = await start(sizes={"devices": 3})
    wish = EntitySettings(fields=("os_type", "gcp__*", "hostname"), details=("hostname",))
    for fresh in (False, True):
        emulator.log.clear()
        ran = await lab.run(lab.settings(lab.instance(emulator), types={"devices": wish}, fresh=fresh))
        asked = fields_asked(emulator.log, "devices")

        assert ran.report.verdict == "complete"
        assert {HOST, "specific_data.data.os.type"} <= set(asked)
        assert {"os_type", "hostname", "hostname__details"} <= lab.lane("devices")["columns"].keys()
        assert not [n.text for n in ran.of(Notice) if "os_type" in n.text]


async def test_saved_queries_are_listed(lab: Lab) -> None:
    """All of them or those of one type, or of a table's; a type that nobody knows is refused with its nearest."""
    tiny = Tiny(devices(), CATALOGUE, queries=QUERIES)
    async with serving(tiny):
        settings = asking(lab, tiny, EntitySettings())
        rows = await queries(settings, None)
        users = await queries(settings, "users")
        with pytest.raises(UnknownEntity, match=r"'device'; did you mean 'devices'\?"):
            await queries(settings, "device")

    assert [row.name for row in rows] == ["Bare", "Linux servers", "Tier one", "Windows servers", "Operators"]
    assert [(row.name, row.entity, row.id) for row in users] == [("Operators", "users", f"{2:024x}")]
    assert rows[1].query == '("labels" == "Linux servers")'
    assert rows[1].columns == (HOST,)
