"""Each fault does what its name says, where and as often as configured."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from axsync.emulator import KINDS, Fault, from_spec
from axsync.emulator.faults.pages import DRAFT_FAULTS, RECORD_FAULTS, REQUEST_FAULTS
from axsync.emulator.faults.replies import REPLY_FAULTS, WIRE_FAULTS

if TYPE_CHECKING:
    from tests.unit.emulator.conftest import Answer, Start


NAME = "specific_data.data.name"


def ids(answer: Answer) -> list[str]:
    return [row["internal_axon_id"] for row in answer.json["assets"]]


def test_table_of_kinds_is_complete() -> None:
    """What is explained is what exists."""
    assert set(KINDS) == {
        *REPLY_FAULTS,
        *WIRE_FAULTS,
        *REQUEST_FAULTS,
        *DRAFT_FAULTS,
        *RECORD_FAULTS,
        "count",
        "count-null",
    }
    with pytest.raises(ValueError, match="earthquake"):
        Fault("earthquake")


@pytest.mark.parametrize(
    ("spec", "kind", "scope", "details"),
    [
        ("429:0.05", "429", {"probability": 0.05}, {}),
        ("forbid:users", "403", {"entity": "users"}, {}),
        ("503:0.1,html=true,retry_after=date", "503", {"probability": 0.1}, {"html": True, "retry_after": "date"}),
        ("truncate:devices,times=2,length=wrong", "truncate", {"entity": "devices", "times": 2}, {"length": "wrong"}),
        ("redirect:location=http://127.0.0.1:9/x", "redirect", {}, {"location": "http://127.0.0.1:9/x"}),
        ("empty-page:page=3", "empty-page", {"page": 3}, {}),
        ("500:on=count", "500", {"on": "count"}, {}),
    ],
)
def test_flags_spell_faults(spec: str, kind: str, scope: dict[str, object], details: dict[str, object]) -> None:
    """KIND:ITEM,ITEM."""
    made = from_spec(spec)

    assert made.kind == kind
    assert made.details == details
    assert all(getattr(made, name) == value for name, value in scope.items())


async def test_scope_is_kept(start: Start) -> None:
    """Entity, path, page, times and after."""
    client = await start()
    client.emulator.faults[:] = [
        Fault("403", entity="users"),
        Fault("500", on="count", times=1),
        Fault("502", entity="devices", page=2, times=1),
        Fault("503", entity="devices", after=2, times=1, above=50),
        Fault("504", page=lambda page: page.limit == 13),
    ]

    assert [(await client.page("users")).status, (await client.get("/api/v2/assets/users/fields")).status] == [403, 403]
    assert [(await client.count("devices")).status for _ in range(2)] == [500, 200]
    assert [(await client.page("devices", offset=10 * at, limit=10)).status for at in range(3)] == [200, 502, 200]
    assert [(await client.page("devices", limit=60)).status for _ in range(4)] == [200, 200, 503, 200]
    assert (await client.page("devices", limit=13)).status == 504


async def test_probability_is_seeded(start: Start) -> None:
    """The same seed draws the same numbers."""
    statuses = []
    for _ in range(2):
        client = await start(faults=(Fault("500", probability=0.3),))
        statuses.append([(await client.get("/api/v2/about")).status for _ in range(60)])

    assert statuses[0] == statuses[1]
    assert 8 < Counter(statuses[0])[500] < 30


@pytest.mark.parametrize(
    ("form", "header"),
    [(3, "3"), ("negative", "-5"), ("absurd", "1000000000"), ("garbage", "soon, please"), (None, None)],
)
async def test_429_with_any_retry_after(start: Start, form: object, header: str | None) -> None:
    """Also none."""
    client = await start(faults=(Fault("429", retry_after=form),))

    answer = await client.page("devices")

    assert answer.status == 429
    assert answer.headers.get("Retry-After") == header


@pytest.mark.parametrize("form", ["date", "past"])
async def test_429_with_a_date(start: Start, form: str) -> None:
    """Ahead or gone by."""
    client = await start(faults=(Fault("429", retry_after=form),))

    assert (await client.page("devices")).headers["Retry-After"].endswith("GMT")


@pytest.mark.parametrize("html", [True, False])
async def test_server_errors_as_json_or_html(start: Start, html: bool) -> None:
    """A proxy answers in HTML."""
    client = await start(faults=(Fault("504", html=html),))

    answer = await client.page("devices")

    assert answer.status == 504
    assert answer.headers["Content-Type"].startswith("text/html" if html else "application/json")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_name_another_place(start: Start, status: int) -> None:
    """Of the test's choice."""
    client = await start(faults=(Fault("redirect", status=status, location="http://127.0.0.1:1/"),))

    answer = await client.page("devices")

    assert (answer.status, answer.headers["Location"]) == (status, "http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("login-page", b"<form"),
        ("error-200", b'"error"'),
        ("empty-body", b""),
        ("null-body", b"null"),
        ("other-body", b"[]"),
    ],
)
async def test_200_without_a_page(start: Start, kind: str, body: bytes) -> None:
    """Not an answer, though it says 200."""
    client = await start(faults=(Fault(kind),))

    answer = await client.page("devices")

    assert answer.status == 200
    assert body in answer.body
    assert b"internal_axon_id" not in answer.body


async def test_error_body_echoes_the_keys(start: Start) -> None:
    """What must never reach a log."""
    client = await start(faults=(Fault("echo-key"),))

    assert client.emulator.api_secret in (await client.page("devices")).refusal


async def test_unknown_key_on_demand(start: Start) -> None:
    """Until the client leaves it out."""
    client = await start(faults=(Fault("unknown-key", key="use_cache_entry"),))

    assert "'use_cache_entry'" in (await client.page("devices", use_cache_entry=False)).refusal
    assert (await client.page("devices")).status == 200


async def test_token_expires_on_demand(start: Start) -> None:
    """Only calls with a token are refused."""
    client = await start(faults=(Fault("token-expired", times=1),))
    token = (await client.page("devices")).json["meta"]["next_page"]

    assert (await client.page("devices", next_page=token)).status == 400
    assert (await client.page("devices", next_page=token)).status == 200


async def test_v1_cursor_expires_on_demand(start: Start) -> None:
    """The same in v1."""
    client = await start(profile="v1", faults=(Fault("token-expired"),))
    cursor = (await client.page_v1("devices")).json["meta"]["cursor"]

    assert (await client.page_v1("devices", cursor_id=cursor)).status == 400


@pytest.mark.parametrize(
    ("kind", "details"),
    [("reset", {}), ("reset-body", {}), ("truncate", {"length": "wrong"}), ("truncate", {"length": "chunked"})],
)
async def test_broken_answers_are_seen_by_the_client(start: Start, kind: str, details: dict[str, Any]) -> None:
    """And the next one is whole."""
    client = await start(faults=(Fault(kind, times=1, **details),))

    with pytest.raises(aiohttp.ClientError):
        await client.page("devices", fields=[NAME])

    assert len(ids(await client.page("devices"))) == 100


@pytest.mark.parametrize("length", ["right", "none"])
async def test_truncated_body_that_only_the_json_tells(start: Start, length: str) -> None:
    """Content-Length is right, or the end of the connection is the end of the body."""
    client = await start(faults=(Fault("truncate", share=0.9, length=length),))

    answer = await client.page("devices", fields=[NAME])

    assert answer.status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.body)


async def test_slow_start_counts_as_work(start: Start) -> None:
    """The first byte is late."""
    client = await start(faults=(Fault("slow-start", seconds=0.2),))
    before = time.monotonic()

    await client.page("devices")

    assert time.monotonic() - before >= 0.2
    assert client.emulator.log[0].finished - client.emulator.log[0].started >= 0.2


async def test_body_drips(start: Start) -> None:
    """In pieces, whole at the end."""
    client = await start(faults=(Fault("drip", bytes=2000, seconds=0.01),))
    before = time.monotonic()

    answer = await client.page("devices", limit=50)

    assert len(ids(answer)) == 50
    assert time.monotonic() - before >= 0.02


@pytest.mark.parametrize("kind", ["hang", "stall"])
async def test_hanging_request_ends_with_its_client(start: Start, kind: str) -> None:
    """Before the headers it stays active until then; within the body it is ready already."""
    client = await start(faults=(Fault(kind, times=1),))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await client.page("devices")
    await asyncio.sleep(0.2)

    assert client.emulator.log[0].finished < math.inf
    assert (await client.page("devices")).status == 200
    assert client.emulator.log[1].active == 1


async def test_wrong_content_type(start: Start) -> None:
    """Right body."""
    client = await start(faults=(Fault("content-type"),))

    answer = await client.page("devices")

    assert answer.headers["Content-Type"].startswith("text/html")
    assert len(ids(answer)) == 100


async def test_gzip_that_lies(start: Start) -> None:
    """The client cannot unpack it."""
    client = await start(faults=(Fault("gzip-lie"),))

    with pytest.raises(aiohttp.ClientError):
        await client.page("devices")


async def test_truncation_of_a_packed_body(start: Start) -> None:
    """It is the packed body that is cut."""
    client = await start(gzip=True, faults=(Fault("truncate", length="wrong"),))

    with pytest.raises(aiohttp.ClientError):
        await client.page("devices", fields=[NAME])


async def test_gzip_without_its_header(start: Start) -> None:
    """Bytes that are no JSON."""
    client = await start(faults=(Fault("gzip-silent"),))

    assert (await client.page("devices")).body.startswith(b"\x1f\x8b")


async def test_zip_bomb(start: Start) -> None:
    """A little on the wire, much in memory, and good JSON."""
    client = await start(faults=(Fault("zip-bomb", size=3_000_000),))

    answer = await client.page("devices")

    assert len(answer.body) > 3_000_000
    assert int(answer.headers["Content-Length"]) < 100_000
    assert len(ids(answer)) == 100


async def test_connection_closes_unannounced(start: Start) -> None:
    """After a whole answer; the next request needs a new one."""
    client = await start(faults=(Fault("close-after", times=1),))

    first = ids(await client.page("devices"))
    await asyncio.sleep(0.1)

    assert [len(first), len(ids(await client.page("devices")))] == [100, 100]


async def test_bom_before_the_body(start: Start) -> None:
    """Three bytes too many."""
    client = await start(faults=(Fault("bom"),))

    assert (await client.page("devices")).body.startswith(b'\xef\xbb\xbf{"assets"')


@pytest.mark.parametrize(
    ("kind", "details", "rows"),
    [
        ("clamp", {"limit": 30}, 30),
        ("oversize", {"extra": 7}, 107),
        ("short-page", {"rows": 40}, 40),
        ("short-page", {"share": 0.25}, 25),
        ("empty-page", {}, 0),
        ("duplicate-row", {}, 101),
        ("same-id", {}, 101),
    ],
)
async def test_pages_of_another_size(start: Start, kind: str, details: dict[str, Any], rows: int) -> None:
    """Meta knows nothing of it."""
    client = await start(faults=(Fault(kind, **details),))

    answer = await client.page("devices", offset=100, fields=[NAME])

    assert len(answer.json["assets"]) == rows
    assert answer.json["meta"]["page"] == {"number": 2, "size": 100, "totalPages": 3, "totalResources": 250}


@pytest.mark.parametrize("kind", ["clamp", "short-page"])
@pytest.mark.parametrize("profile", ["p70", "v1"])
async def test_short_pages_lose_nothing_in_a_walk(start: Start, kind: str, profile: str) -> None:
    """The next token or cursor starts where the rows ended."""
    client = await start(profile=profile, faults=(Fault(kind, probability=0.5),))
    found: list[str] = []
    more: dict[str, Any] = {}
    while True:
        if profile == "v1":
            answer = (await client.page_v1("devices", page={"limit": 40}, **more)).json
            rows, more = answer["data"], {"cursor_id": answer["meta"]["cursor"]}
            found += [row["id"] for row in rows]
        else:
            answer = (await client.page("devices", page={"limit": 40}, **more)).json
            rows, more = answer["assets"], {"next_page": answer["meta"]["next_page"]}
            found += [row["internal_axon_id"] for row in rows]
        if not rows:
            break

    assert found == client.emulator.datasets["devices"].ids()


async def test_duplicate_row_comes_from_the_page_before(start: Start) -> None:
    """Or from the same page, if it is the first."""
    client = await start(faults=(Fault("duplicate-row"),))
    served = client.emulator.datasets["devices"].ids()

    assert ids(await client.page("devices", offset=100))[:2] == served[99:101]
    assert ids(await client.page("devices"))[:2] == [served[0], served[0]]


async def test_same_id_with_other_content(start: Start) -> None:
    """One id, two records."""
    client = await start(faults=(Fault("same-id"),))

    rows = (await client.page("devices", fields=[NAME])).json["assets"]

    twins = [row for row in rows if row["internal_axon_id"] == rows[0]["internal_axon_id"]]
    assert len(twins) == 2
    assert twins[0] != twins[1]


async def test_repeated_page(start: Start) -> None:
    """The offset is ignored."""
    client = await start(faults=(Fault("repeat-page"),))

    assert ids(await client.page("devices", offset=100)) == ids(await client.page("devices"))


async def test_pages_never_end(start: Start) -> None:
    """Beyond the end the rows start again, and there is always a token."""
    client = await start(faults=(Fault("never-ending"),))

    answer = await client.page("devices", offset=1000, limit=10)

    assert ids(answer) == client.emulator.datasets["devices"].ids()[:10]
    assert answer.json["meta"]["next_page"]


async def test_rows_shift_between_pages(start: Start) -> None:
    """Scripted: one row appears at the front before page two."""
    client = await start(faults=(Fault("shift", page=2, insert=1, position=0),))

    first, second = ids(await client.page("devices")), ids(await client.page("devices", offset=100))

    assert second[0] == first[-1]
    assert client.emulator.datasets["devices"].ids()[0] in client.emulator.faults[0].ids


async def test_rows_change_their_order(start: Start) -> None:
    """Within a page, or over the whole set."""
    client = await start(faults=(Fault("shuffle", entity="users"), Fault("reorder", entity="devices")))
    users, devices = (client.emulator.datasets[name].ids() for name in ("users", "devices"))

    assert ids(await client.page("users")) != users
    assert sorted(ids(await client.page("users"))) == sorted(users)
    await client.page("devices")
    assert client.emulator.datasets["devices"].ids() != devices
    assert sorted(client.emulator.datasets["devices"].ids()) == sorted(devices)


async def test_churn_changes_about_the_asked_share(start: Start) -> None:
    """Over one full walk."""
    client = await start(sizes={"devices": 2000}, churn_percent=10)
    before = set(client.emulator.datasets["devices"].ids())

    for offset in range(0, 2000, 100):
        await client.page("devices", offset=offset)

    after = set(client.emulator.datasets["devices"].ids())
    assert 150 <= len(before ^ after) <= 210


@pytest.mark.parametrize(
    ("details", "total"),
    [({"by": 5}, 255), ({"by": -3}, 247), ({"to": -1}, -1), ({"to": "many"}, "many"), ({"to": 0}, 0)],
)
async def test_total_is_wrong(start: Start, details: dict[str, Any], total: object) -> None:
    """Up, down, negative, or no number at all."""
    client = await start(faults=(Fault("total", **details),))

    assert (await client.page("devices")).json["meta"]["page"]["totalResources"] == total


async def test_total_is_absent(start: Start) -> None:
    """Number and size remain."""
    client = await start(faults=(Fault("total", to="absent"),))

    assert set((await client.page("devices")).json["meta"]["page"]) == {"number", "size"}


async def test_token_loops_or_vanishes(start: Start) -> None:
    """The next token is the one that was sent; or there is none."""
    client = await start(faults=(Fault("token-loop", times=1), Fault("token-vanishes", after=1)))
    token = (await client.page("devices")).json["meta"]["next_page"]

    assert (await client.page("devices", next_page=token)).json["meta"]["next_page"] in ("", token)
    assert (await client.page("devices")).json["meta"]["next_page"] == ""


async def test_meta_is_empty(start: Start) -> None:
    """{}."""
    client = await start(faults=(Fault("empty-meta"),))

    assert (await client.page("devices")).json["meta"] == {}


async def test_some_records_lack_the_raw_tree_or_use_other_keys(start: Start) -> None:
    """A share of them; which ones is told."""
    client = await start(faults=(Fault("no-specific-data", share=0.3), Fault("other-keys", share=0.3)))

    rows = (await client.page("devices", fields=["specific_data", NAME])).json["assets"]

    bare = {row["internal_axon_id"] for row in rows if "specific_data" not in row}
    assert 0 < len(bare) < 100
    assert bare <= set(client.emulator.faults[0].ids)
    assert 0 < sum("name" in row for row in rows) < 100


async def test_discovery_starts_while_paging(start: Start) -> None:
    """After the second page."""
    client = await start(faults=(Fault("discovery-starts", after=1, times=1),))

    await client.page("devices")
    before = (await client.get("/api/v2/discovery")).json["status"]
    await client.page("devices")

    assert [before, (await client.get("/api/v2/discovery")).json["status"]] == ["done", "running"]


async def test_counts_go_wrong(start: Start) -> None:
    """Never ready, or wrong; in both generations."""
    v2 = await start(faults=(Fault("count-null", times=1), Fault("count", by=-5)))
    v1 = await start(profile="v1", count_nulls=0, faults=(Fault("count-null"),))

    assert [(await v2.count("devices")).json["value"] for _ in range(2)] == [None, 245]
    assert (await v1.count_v1("devices")).json["data"]["attributes"]["value"] is None


@pytest.mark.parametrize(
    ("kind", "mark"),
    [
        ("nan", b"[NaN]"),
        ("infinity", b"-Infinity"),
        ("huge-float", b"1e400"),
        ("big-integer", b"18446744073709551621"),
        ("lone-surrogate", b"\\ud800"),
        ("bad-utf8", b"\xe9 \xff"),
        ("nul", b"\\u0000"),
        ("raw-control", b"\x01"),
        ("inner-bom", b"\xef\xbb\xbf"),
        ("duplicate-keys", b"second twin"),
        ("twin-keys", b"SPECIFIC_DATA.DATA.NAME"),
        ("own-names", b"axsync_rescued"),
        ("odd-names", b'"":'),
    ],
)
@pytest.mark.parametrize("profile", ["p70", "v1"])
async def test_one_record_of_a_page_is_odd(start: Start, profile: str, kind: str, mark: bytes) -> None:
    """The others are not."""
    client = await start(profile=profile, faults=(Fault(kind),))

    answer = await client.page_v1("devices", [NAME]) if profile == "v1" else await client.page("devices", fields=[NAME])

    assert mark in answer.body
    assert len(client.emulator.faults[0].ids) == 1
    assert answer.body.count(b'"internal_axon_id"') == 100


@pytest.mark.parametrize(
    ("kind", "details", "size"),
    [
        ("deep", {"depth": 1025}, 2 * 1025),
        ("deep", {"depth": 100_000}, 2 * 100_000),
        ("many-keys", {"count": 5000}, 100_000),
        ("huge-text", {"size": 1_000_000}, 1_000_000),
        ("long-list", {"count": 200_000}, 400_000),
    ],
)
async def test_one_record_is_enormous(start: Start, kind: str, details: dict[str, Any], size: int) -> None:
    """As large as was asked."""
    client = await start(faults=(Fault(kind, **details),))

    assert len((await client.page("devices", fields=[NAME])).body) > size


@pytest.mark.parametrize(
    ("kind", "identity"),
    [("no-id", None), ("null-id", None), ("number-id", 12345), ("empty-id", ""), ("list-id", ["a", "b"])],
)
@pytest.mark.parametrize("profile", ["p70", "v1"])
async def test_ids_that_are_none(start: Start, profile: str, kind: str, identity: object) -> None:
    """Missing, or not a text; v1's envelope has none either."""
    client = await start(profile=profile, faults=(Fault(kind, share=0.1),))

    if profile == "v1":
        data = (await client.page_v1("devices")).json["data"]
        assert sum("id" not in row for row in data) == 10
        rows = [row["attributes"] for row in data]
    else:
        rows = (await client.page("devices")).json["assets"]

    odd = [row for row in rows if not (isinstance(row.get("internal_axon_id"), str) and row["internal_axon_id"])]
    assert [row.get("internal_axon_id") for row in odd] == [identity] * 10
    assert ("internal_axon_id" in odd[0]) == (kind != "no-id")


async def test_record_is_no_object(start: Start) -> None:
    """Anything else in its place."""
    client = await start(faults=(Fault("not-object", value="null"), Fault("not-object", value="[1]", times=1)))

    rows = (await client.page("devices")).json["assets"]

    assert None in rows
    assert len(rows) == 100


async def test_maintenance_covers_every_path_and_ends(start: Start) -> None:
    """From the call it meets, 200 and 503 in turn, as HTML, whoever asks; afterwards all is as before."""
    fault = Fault("maintenance", seconds=0.6, after=2)
    client = await start(faults=(fault,))
    paths = ["/api/v2/about", "/api/v2/discovery", "/api/v2/assets/users/fields", "/no/such/path", "/api/v2/about"]

    before = [(await client.get("/api/v2/about")).status for _ in range(2)]
    during = [await client.get(path) for path in paths]
    stranger = await client.send("GET", "/api/v2/about", headers={})
    await asyncio.sleep(0.7)
    after = await client.page("devices")

    assert before == [200, 200]
    assert [answer.status for answer in (*during, stranger)] == [200, 503] * 3
    assert all(answer.headers["Content-Type"].startswith("text/html") for answer in during)
    assert all(answer.body.startswith(b"<!DOCTYPE html>") for answer in during)
    assert after.status == 200
    assert fault.fired == 1


@pytest.mark.parametrize("status", [200, 503])
async def test_maintenance_may_have_one_status(start: Start, status: int) -> None:
    """The one that is told; it begins with the calls that its scope names."""
    client = await start(faults=(from_spec(f"maintenance:seconds=30,status={status},on=count"),))

    assert (await client.get("/api/v2/about")).headers["Content-Type"].startswith("application/json")
    answers = [await client.count("devices"), await client.page("devices"), await client.get("/api/v2/about")]

    assert [answer.status for answer in answers] == [status] * 3
    assert all(b"upgraded" in answer.body for answer in answers)


@pytest.mark.parametrize("profile", ["p70", "v1"])
@pytest.mark.parametrize(
    ("spec", "status"),
    [
        ("403:on=fields", 403),
        ("404:on=fields,devices", 404),
        ("500:on=fields", 500),
        ("other-body:on=fields,body={}", 200),
    ],
)
async def test_the_field_catalogue_alone_can_fail(start: Start, profile: str, spec: str, status: int) -> None:
    """By a status, or with an empty object; pages are served all the same."""
    client = await start(profile=profile, faults=(from_spec(spec),))
    v1 = profile == "v1"

    fields = await client.get("/api/devices/fields" if v1 else "/api/v2/assets/devices/fields")
    page = await (client.page_v1("devices") if v1 else client.page("devices"))

    assert fields.status == status
    assert status != 200 or fields.json == {}
    assert page.status == 200
