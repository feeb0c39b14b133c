"""A server that wants to be followed, to fill the memory, or to be believed."""

import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module

import pytest

from axsync.emulator import Emulator, Mishap
from axsync.errors import AxsyncError, Unreachable
from axsync.runs.check import check
from axsync.runs.inspect import entities
from tests.flow.canned import answer, canned
from tests.flow.harness import Lab, pages
from tests.flow.relay import listener

Start = Callable[..., Awaitable[Emulator]]

STATUSES = (302, 307, *(pytest.param(status, marks=pytest.mark.slow) for status in (301, 303, 308)))
KINDS = ("about", "discovery", "types", "fields", "count", "page")
ELSEWHERE = {
    "another port": "{other}/steal",
    "without a scheme": "//{place}/steal",
    "another scheme": "https://{place}/steal",
    "user and password": "http://user:pw@{place}/steal",
    "link-local": "http://169.254.169.254/latest/meta-data/",
    "the same host by another name": "http://localhost:{port}/steal",
    "a file": "file:///etc/passwd",
    "nothing": "",
}
"""Where a redirect may point; the tests refuse any connection that leaves loopback, so none is made there either."""


@pytest.mark.parametrize("status", STATUSES)
async def test_no_redirect_is_followed_whatever_was_asked(lab: Lab, start: Start, status: int) -> None:
    """The canary is never called, from no question of a run or a check."""
    async with listener() as other:
        for on in KINDS:
            elsewhere = Mishap("redirect", on=on, status=status, location=f"{other.url}/steal")
            emulator = await start(sizes={"devices": 3}, mishaps=[elsewhere])
            place = lab.instance(emulator, tries=1)
            with suppress(AxsyncError):
                await lab.run(lab.settings(place, fresh=True))
            await check(lab.settings(place))

            assert elsewhere.fired, on
    assert other.connections == 0


@pytest.mark.parametrize("where", ELSEWHERE)
async def test_no_place_is_worth_following(lab: Lab, start: Start, where: str) -> None:
    """Another port, scheme, host, or the address where clouds keep their keys: the type fails and names the place."""
    async with listener() as other:
        place = other.url.removeprefix("http://")
        location = ELSEWHERE[where].format(other=other.url, place=place, port=place.partition(":")[2])
        emulator = await start(mishaps=[Mishap("redirect", entity="users", on="page", location=location)])
        ran = await lab.run(lab.settings(lab.instance(emulator)))

    assert (other.connections, len(pages(emulator.log, "users"))) == (0, 1)
    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "failed"}
    assert "redirects are refused" in str(ran.report.errors[0])
    assert "user:pw" not in str(ran.report.errors[0])


async def test_addresses_in_answers_are_never_called(lab: Lab, start: Start) -> None:
    """In records, tokens, links, headers: they are texts, and nothing else."""
    async with listener() as other:
        url = f"{other.url}/next"
        page = {"assets": [], "links": {"next": url}, "meta": {"page": {"totalResources": 1}, "next_page": url}}
        wiles: list[list[Mishap]] = [
            [Mishap("raw", on="page", value=json.dumps(url))],
            [Mishap("other-body", on="page", entity="users", body=json.dumps(page), times=3)],
            [Mishap("other-body", on="discovery", body=json.dumps({"status": url, "next": url}))],
            [Mishap("other-body", on="count", body=json.dumps({"value": 3, "next": url, "location": url}))],
            [Mishap("other-body", on="types", body=json.dumps({"asset_types": [url, "users"], "next": url}))],
        ]
        emulator = await start()
        for paging in ("offset", "token"):
            for mishaps in wiles:
                emulator = await start("p90", {"devices": 30, "users": 30}, mishaps=mishaps)
                place = lab.instance(emulator, paging=paging, tries=2)
                await lab.run(lab.settings(place, fresh=True, accept_drop=True))
        headers = [f"{name}: {url}" for name in ("Link", "Refresh", "Content-Location", "Location", "Alt-Svc")]
        async with canned(answer(b'{"value": 1}', *headers)) as server:
            await check(lab.settings(lab.instance(emulator, url=server.url, tries=1)))

    assert other.connections == 0


@pytest.mark.parametrize(
    "headers",
    [["X-Long: " + "x" * 70_000], [f"X-{number}: y" for number in range(5_000)], ["Broken"], ["X: a\x00b"]],
    ids=["a long header", "many headers", "no header at all", "a control character"],
)
async def test_headers_are_bounded(lab: Lab, start: Start, headers: list[str]) -> None:
    """One sentence after the tries, and no more memory than 128 headers of 16 KiB."""
    emulator = await start()
    async with canned(answer(b"{}", *headers)) as server:
        with pytest.raises(Unreachable, match="the answer is not HTTP, or its headers are too long or too many"):
            await lab.run(lab.settings(lab.instance(emulator, url=server.url, tries=1)))


@pytest.mark.parametrize("depth", [900, 100_000])
@pytest.mark.parametrize("key", ["installed_version", "error", "errors", "asset_types", "value", "assets"])
async def test_nesting_is_bounded(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch, key: str, depth: int
) -> None:
    """Deep lists and objects in any answer, good or bad, are a bad answer and never a crash."""
    monkeypatch.setattr(import_module("axsync.runs.check"), "COUNT_SECONDS", 0.0)  # a count without a number may come
    emulator = await start()
    for status in ("200 OK", "500 Oops"):
        for opened, closed in (("[", "]"), ('{"a":', "}")):
            deep = f'{{"{key}": [{opened * depth}1{closed * depth}]}}'.encode()
            async with canned(answer(deep, status=status)) as server:
                place = lab.instance(emulator, url=server.url, tries=1)
                [found] = await check(lab.settings(place))

                assert found.steps[-1].name == "entity types", key


async def test_an_error_is_read_no_further_than_its_words(lab: Lab, start: Start) -> None:
    """A body without end that goes with an error is cut, not collected."""
    emulator = await start()
    async with canned(answer(b"x" * 30_000_000, status="500 Oops")) as server:
        with pytest.raises(Unreachable, match="answered 500") as caught:
            await lab.run(lab.settings(lab.instance(emulator, url=server.url, tries=1)))

    assert len(caught.value.detail) <= 500


NAMES = ["../../etc", "a/b", "a%2Fb", "%2e%2e", "entity=x", "..", "a\\b", "a?b", "a#b", "Devices", "a\u0000b", "a\nb"]


async def test_names_from_the_server_never_become_paths(lab: Lab, start: Start) -> None:
    """A type with such a name is named as not offered and never asked for; the others are there."""
    emulator = await start(
        mishaps=[Mishap("other-body", on="types", body=json.dumps({"asset_types": [*NAMES, "users"]}))]
    )
    settings = lab.settings(lab.instance(emulator))
    [found] = await check(settings)
    rows = await entities(settings)
    await lab.run(settings)

    assert {one.entity: one.state for one in found.entities} == dict.fromkeys(NAMES, "not offered") | {
        "users": "readable"
    }
    assert {row.entity for row in rows if row.count is not None} == {"users"}
    assert all(re.fullmatch(r"/api/v2/(about|discovery|assets/[a-z_]+(/count|/fields)?)", s.path) for s in emulator.log)
    assert {path.partition("/")[0] for path in lab.published()} == {"entity=users"}
    assert sorted(path.name for path in lab.folder.iterdir()) == ["lake", "prod.key", "prod.secret"]


@pytest.mark.parametrize("status", ["302 Found", "200 OK", "500 Oops", "400 Bad"])
async def test_what_repeats_the_keys_does_not_spread_them(lab: Lab, start: Start, status: str) -> None:
    """Neither a redirect's place nor a body's words are told with them, whatever the status."""
    emulator = await start(api_key="the-canary-key", api_secret="the-canary-secret")
    location = "Location: http://the-canary-key:the-canary-secret@the-canary-key.example/?s=the-canary-secret"
    body = b"<html>the-canary-key and the-canary-secret</html>"
    async with canned(answer(body, location, status=status)) as server:
        place = lab.instance(emulator, url=server.url, tries=1, api="v2")
        said: list[object] = [await check(lab.settings(place))]
        try:
            ran = await lab.run(lab.settings(place, entities=("users",)))
            said += [ran, *((error.args, vars(error)) for error in ran.report.errors)]
        except AxsyncError as error:
            said += [error.args, vars(error)]

    assert len(said) > 1
    assert "canary" not in repr(said)
