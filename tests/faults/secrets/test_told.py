"""Whatever a server tells may repeat a secret: nothing that is said or kept holds it, wherever texts are cut."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from axsync.api import QueriesPage, SavedQuery
from axsync.api.envelope import WORDS_BYTES
from axsync.client import Transport, connection_config
from axsync.client.told import TOLD_MOST, without_secrets
from axsync.client.transport import TRACE_MOST, WORDS_MOST, RequestContext
from axsync.console.text import MAX_CHARACTERS
from axsync.credentials import Credential, Redactor, Secret
from axsync.credentials.credential import SHORTEST
from axsync.emulator import Emulator, Options
from axsync.emulator.messages import ApiReply, ApiRequest
from axsync.errors import ServerError
from axsync.events import Crashed, Event
from axsync.model import Request
from axsync.pacing.limiter import HostLimiter
from axsync.settings import CredentialReference, InstanceSettings
from tests.examples import scaled
from tests.faults.interposer import http, interposed
from tests.faults.secrets.conftest import Seen, axsync
from tests.flow.canned import Canned, canned
from tests.flow.harness import Lab

KEY, SECRET, PROXY = "canary0k1e2y3a4b5c6d7", 'canary"SECRET/9f8e+7d6c=5b', "canary:PROXY/4a5b@6c"
"""The first could be the name of an entity type or a column; the others are written otherwise in each notation."""

ROUNDS = scaled(1)

CUTS = (MAX_CHARACTERS, WORDS_MOST, 4 * MAX_CHARACTERS, WORDS_BYTES)
"""Characters after which a text of the server is cut somewhere."""

SAID: dict[str, Callable[[str], bytes]] = {
    "JSON": lambda text: json.dumps({"error": text}).encode(),
    "errors in JSON": lambda text: json.dumps({"errors": [{"title": "no", "detail": text}]}).encode(),
    "a page": lambda text: f"<html><title>{text}</title>".encode(),
    "a page without a title": lambda text: f"<p>{text}".encode(),
    "words": lambda text: text.encode(),
}


def pieces(content: str | bytes) -> set[str]:
    """The secrets of which the content holds as much as gives something away."""
    text = content if isinstance(content, str) else content.decode("utf-8", "replace")
    forms = {form for one in (KEY, SECRET, PROXY) for form in (one, quote(one, safe=""), json.dumps(one)[1:-1])}
    cut = {form[at : at + SHORTEST] for form in forms for at in range(len(form) - SHORTEST + 1)}
    return {piece for piece in cut if piece in text}


@asynccontextmanager
async def transport_by_proxy(there: Canned, events: list[Event]) -> AsyncIterator[Transport]:
    """A transport that knows all secrets; what answers is its proxy."""
    nobody = CredentialReference("env:A", "env:B")
    instance = InstanceSettings("prod", "http://acme.invalid", nobody, allow_plain_http=True, tries=1)
    proxied = replace(instance, proxy=there.url, proxy_user="user", proxy_password="env:PROXY_PASSWORD")
    config = connection_config(proxied, {"PROXY_PASSWORD": PROXY})
    limiter = HostLimiter(requests_per_second=5000, in_flight=1)
    transport = Transport(config, Credential(Secret(KEY), Secret(SECRET)), limiter, observe=events.append)
    async with transport.open():
        yield transport


@pytest.mark.fault(46)
@pytest.mark.parametrize("called", SAID)
async def test_no_cut_leaves_a_piece_of_a_secret(called: str) -> None:
    """A text that repeats it across the place where it is cut, at every offset: in errors of all statuses."""
    events: list[Event] = []
    async with canned(b"") as server, transport_by_proxy(server, events) as transport:
        for cut in CUTS:
            for offset in range(cut - len(SECRET) - 20, cut + 2):
                text = "x" * offset + (KEY, SECRET, PROXY)[offset % 3] + "y"
                status = ("200 OK", "400 Bad", "404 No", "500 Oops")[offset % 4]
                server.answer = http(SAID[called](text), status=status)
                with pytest.raises(ServerError) as caught:
                    await transport.ask(Request("GET", "/api/v2/about"), _refuse, RequestContext())
                assert pieces(f"{caught.value} {caught.value.detail}") == set(), (cut, offset)
    assert pieces("".join(map(repr, events))) == set()


def _refuse(reply: object) -> None:
    raise ServerError("not what was asked for", host="acme.invalid", detail=reply.body.decode())  # type: ignore[attr-defined]


async def test_a_long_token_is_redacted_though_its_text_is_cut() -> None:
    """Eight tokens fill what is looked at; masked, they are short, and what follows them is shown."""
    token = "".join(Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=8000))
    for offset in range(0, 8100, 100):
        told = Redactor([Secret(token)]).redact(("x" * offset + token * 10)[:WORDS_BYTES])[:WORDS_MOST]
        assert set(told) <= {"x", "*"}


async def test_a_traceback_is_cut_without_a_piece_of_a_secret() -> None:
    """Its end is kept: the cut may go through a secret from the other side."""
    events: list[Event] = []
    async with canned(b"") as server, transport_by_proxy(server, events) as transport:
        for rest in range(TRACE_MOST - len(SECRET) - 20, TRACE_MOST + 2):
            transport.crashed(ValueError(f"{SECRET}{'x' * rest}"), None)
    assert len(events) > len(SECRET)
    assert pieces("".join(event.traceback for event in events if isinstance(event, Crashed))) == set()


CONFIG = """
[lake]
uri = "lake"
[instances.prod]
url = "{url}"
api_key = "env:CANARY_ONE"
api_secret = "env:CANARY_TWO"
api = "{api}"
paging = "{paging}"
requests_per_second = 5000
page_size = 20
tries = 1
[entities.default]
fields = "{fields}"
"""
FORMS: tuple[Callable[[str], str], ...] = (str, lambda text: quote(text, safe=""), lambda text: json.dumps(text)[1:-1])


def spoiled(kind: str, body: bytes, rng: Random) -> bytes:
    """The true answer, with a secret wherever there is a text or a name that is kept."""
    document = json.loads(body)
    form = rng.choice(FORMS)(rng.choice((KEY, SECRET)))
    named = f"specific_data.data.{form}"
    if kind == "about":
        document = {"installed_version": f"7 {form}", "data": {"attributes": {"Installed Version": f"7 {form}"}}}
    elif kind == "discovery":
        document = {"status": form, "data": {"attributes": {"status": form}}}
    elif kind == "types":
        document["asset_types"] += [KEY, {"name": KEY, "title": "x"}, {"name": "users", "title": form}]
    elif kind == "fields":
        members = {"type": "array", "items": [{"name": form, "type": "string"}, {"name": "ok", "type": "string"}]}
        odd = [
            {"name": named, "title": "x", "type": "string"},
            {"name": "specific_data.data.fine", "title": form, "type": "string"},
            {"name": "specific_data.data.deep", "title": "x", "type": "array", "items": members},
            {"name": f"specific_data.data.deep.{form}", "title": "x", "type": "string"},
        ]
        holder = document.get("meta", document)
        holder["generic"] = holder.get("generic", []) + odd
        adapters = holder.setdefault("specific", {}) if "data" in document else holder
        adapters[f"{form}_adapter"] = [{"name": f"adapters_data.{form}_adapter.a", "type": "string"}]
    elif kind == "page":
        for row in rows_in(document):
            row |= {form: "x", f"{KEY}_a": 1, named: [1], "specific_data.data.deep": [{form: "x", "ok": "y"}]}
    return json.dumps(document).encode()


def answered(kind: str, body: bytes, rng: Random) -> bytes:
    return http(spoiled(kind, body, rng))


def rows_in(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a page, in either generation; none where it is none."""
    listed = document.get("assets") or document.get("data")
    rows = [one.get("attributes", one) for one in listed] if isinstance(listed, list) else []
    return [row for row in rows if "internal_axon_id" in row]


def kept(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file but the values of rows, which are kept as they are served; of these the names."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    for path in sorted(folder.rglob("*")):
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            yield path, str(file.schema_arrow).encode() + str(file.metadata).encode()
            told = [name for name in file.schema_arrow.names if name != "axsync_rescued"]
            yield path, str(file.read(told).to_pylist()).encode()
        elif path.is_file():
            yield path, path.read_bytes()


def assert_kept_clean(seen: Seen, folder: Path) -> None:
    assert pieces(seen.out) == set(), seen.out
    assert pieces(seen.err) == set(), seen.err
    for path, content in kept(folder):
        assert pieces(str(path.relative_to(folder))) == set()
        assert pieces(content) == set(), path


LOOKS = (
    (["check", "--output", "json"], ["plan"]),
    (["check", "--probe", "p.json"], ["fields", "users"]),
    (["check"], ["entities"]),
)
WAYS = [("p90", "v2", "token", "generic"), ("p90", "v2", "offset", "raw"), ("v1", "v1", "offset", "generic")]


@pytest.mark.fault(46)
@pytest.mark.parametrize(("profile", "api", "paging", "fields"), WAYS)
async def test_what_a_server_tells_is_kept_without_the_secrets(
    tmp_path: Path, profile: str, api: str, paging: str, fields: str
) -> None:
    """Version, discovery, names and titles of types and fields, keys of records: drawn by seed."""
    options = Options(
        profile=profile, api_key=KEY, api_secret=SECRET, types=("devices", "users"), sizes={"devices": 45, "users": 30}
    )
    async with Emulator(options) as emulator:
        for seed in range(ROUNDS):
            rng = Random(f"{profile} {paging} {seed}")
            folder = tmp_path / f"{seed}"
            folder.mkdir()
            answer = partial(answered, rng=rng)
            async with interposed(emulator.url, answer) as url:
                (folder / "axsync.toml").write_text(CONFIG.format(url=url, api=api, paging=paging, fields=fields))
                variables = {"CANARY_ONE": KEY, "CANARY_TWO": SECRET}
                flags = ("--metrics-file", "m.prom", "--lineage-file", "l.json", "-v")
                ran = await axsync(folder, "run", *flags, "--on-finish", "sh -c 'cat > summary.json'", **variables)
                assert_kept_clean(ran, folder)
                assert ran.code in (0, 3), ran.err
                assert b"a secret of this machine" in ran.err
                for look in LOOKS[(WAYS.index((profile, api, paging, fields)) + seed) % len(LOOKS)]:
                    assert_kept_clean(await axsync(folder, *look, **variables), folder)


class EchoingTokens(Emulator):
    """Its tokens repeat the secret."""

    async def _answer(self, request: ApiRequest) -> ApiReply:
        body = request.body or {}
        if mark := body.get("next_page"):
            request = replace(request, body=body | {"next_page": mark.removeprefix(SECRET)})
        reply = await super()._answer(request)
        if b'"next_page"' not in reply.body:
            return reply
        told = json.loads(reply.body)
        if told["meta"]["next_page"]:
            told["meta"]["next_page"] = SECRET + told["meta"]["next_page"]
        return replace(reply, body=json.dumps(told).encode())


async def test_a_token_that_repeats_a_secret_is_followed_and_not_journaled(lab: Lab) -> None:
    """All rows come; a chain whose tokens nobody kept begins anew when its run is resumed."""
    options = Options(profile="p90", api_secret=SECRET, types=("users",), sizes={"users": 90}, gzip=False)
    async with EchoingTokens(options) as emulator:
        ran = await lab.run(lab.settings(lab.instance(emulator, paging="token")))
        assert [one for one in emulator.log if SECRET in json.dumps(one.body).replace('\\"', '"')]

    assert (ran.report.verdict, len(lab.ids("users"))) == ("complete", 90)
    for path, content in kept(lab.lake):
        assert pieces(content) == set(), path


def test_a_word_that_is_kept_is_short_and_cut_without_a_piece_of_a_secret() -> None:
    """A version or a title stands in each manifest, however long a server makes it."""
    redactor = Redactor([Secret(KEY)])
    for offset in range(TOLD_MOST - len(KEY) - 20, TOLD_MOST + 2):
        text = "x" * offset + KEY + "y" * 10_000
        kept = (without_secrets(text, redactor, print), without_secrets({"a": text}, redactor, print)["a"])
        assert {len(one) for one in kept} == {TOLD_MOST}
        assert pieces("".join(kept)) == set()


def test_saved_queries_and_days_that_repeat_a_secret_are_dropped() -> None:
    """Names and ids are compared, AQL is journaled: an entry is kept whole or not at all."""
    counts: list[int] = []
    redactor = Redactor([Secret(KEY)])
    odd = [SavedQuery(KEY), SavedQuery("a", id=KEY), SavedQuery("b", aql=f"(x == '{KEY}')"), SavedQuery("c", "", KEY)]
    odd.append(SavedQuery("d", fields=("x", KEY)))
    page = QueriesPage((*odd, SavedQuery("fine")), 6)
    assert without_secrets(page, redactor, counts.append) == QueriesPage((SavedQuery("fine"),), 6)
    days = {"users": {"2026-11-01": KEY, "2026-11-02": "t"}, KEY: {}}
    assert without_secrets(days, redactor, counts.append) == {"users": {"2026-11-02": "t"}}
    assert counts == [5, 1]
