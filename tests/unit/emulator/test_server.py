"""Keys, writes, the log, gzip, loopback."""

from __future__ import annotations

import ast
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

import axsync.emulator
from axsync.emulator import Emulator, Fault, Options

if TYPE_CHECKING:
    from tests.unit.emulator.conftest import Start


FOLDER = Path(axsync.emulator.__file__).parent


@pytest.mark.parametrize("headers", [{}, {"api-key": "x", "api-secret": "y"}, {"api-key": "demo-key-of-the-emulator"}])
@pytest.mark.parametrize(("profile", "path"), [("p70", "/api/v2/about"), ("v1", "/api/get_constants")])
async def test_wrong_keys_are_a_401(start: Start, profile: str, path: str, headers: dict[str, str]) -> None:
    """With an errors[] body."""
    client = await start(profile=profile)

    answer = await client.send("GET", path, headers=headers)

    assert answer.status == 401
    assert answer.json["errors"][0]["error"] == "Unauthorized"


async def test_spaces_around_keys_do_not_matter(start: Start) -> None:
    """As with the real one; own keys may be set."""
    client = await start(api_key="k", api_secret="s")

    assert (await client.send("GET", "/api/v2/about", headers={"api-key": "k ", "api-secret": "s"})).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v2/assets/devices/add_tags"),
        ("POST", "/api/v2/discovery/run"),
        ("PUT", "/api/v2/queries/1"),
        ("DELETE", "/api/v2/adapters/x/connections/1"),
        ("PATCH", "/api/v2/assets/devices/update_custom_fields"),
        ("POST", "/api/settings/run_manual_discovery"),
    ],
)
async def test_writes_are_refused_and_remembered(start: Start, method: str, path: str) -> None:
    """599, a status that no server sends."""
    client = await start()

    assert (await client.send(method, path, {})).status == 599
    assert client.emulator.violations == [f"{method} {path}"]


async def test_log_tells_what_was_asked(start: Start, tmp_path: Path) -> None:
    """In memory and as JSON lines, secrets left out."""
    client = await start(log=tmp_path / "log.jsonl")

    await client.page("devices", limit=3)
    await client.get("/api/v2/about")

    first, second = client.emulator.log
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert (first.method, first.path, first.status) == ("POST", "/api/v2/assets/devices", 200)
    assert first.body is not None
    assert first.body["page"] == {"offset": 0, "limit": 3}
    assert second.body is None
    assert first.started <= first.finished <= second.started
    assert [line["path"] for line in lines] == [first.path, second.path]
    assert client.emulator.api_secret not in (tmp_path / "log.jsonl").read_text()


@pytest.mark.parametrize("enabled", [True, False])
async def test_gzip_for_those_who_accept_it(enabled: bool) -> None:
    """Only when it is switched on."""
    async with (
        Emulator(Options(sizes={"devices": 50}, gzip=enabled)) as emulator,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        headers = {"api-key": emulator.api_key, "api-secret": emulator.api_secret, "Accept-Encoding": "gzip"}
        body = {"page": {"offset": 0, "limit": 50}, "fields": ["specific_data.data.hostname"]}
        async with session.post(f"{emulator.url}/api/v2/assets/devices", json=body, headers=headers) as answer:
            raw = await answer.read()

    assert (answer.headers.get("Content-Encoding") == "gzip") == enabled
    assert len(json.loads(gzip.decompress(raw) if enabled else raw)["assets"]) == 50


async def test_unreadable_bodies_are_a_400(start: Start) -> None:
    """Not JSON, not an object, not the right types."""
    client = await start()
    keys = {"api-key": client.emulator.api_key, "api-secret": client.emulator.api_secret}
    async with client.session.post(client.emulator.url + "/api/v2/assets/devices", data=b"{", headers=keys) as answer:
        assert answer.status == 400

    bodies: list[object] = [
        [],
        {"page": []},
        {"page": {"limit": 0}},
        {"page": {"offset": -1}},
        {"fields": "a"},
        {"query": 3},
    ]
    for body in bodies:
        assert (await client.send("POST", "/api/v2/assets/devices", body)).status == 400


async def test_discovery_status_can_be_set(start: Start) -> None:
    """By the test that owns the emulator."""
    client = await start()
    assert (await client.get("/api/v2/discovery")).json == {"status": "done"}

    client.emulator.discovery = "running"

    assert (await client.get("/api/v2/discovery")).json == {"status": "running"}


def test_only_loopback_is_listened_on() -> None:
    """Anything else is refused before it starts."""
    with pytest.raises(ValueError, match="loopback"):
        Emulator(Options(host="0.0.0.0"))  # noqa: S104


def is_open(path: Path) -> bool:
    return any(handle.resolve() == path for handle in Path("/proc/self/fd").glob("*"))


async def test_a_taken_port_leaves_nothing_open(start: Start, tmp_path: Path) -> None:
    """The error is that of the system."""
    taken = int((await start()).emulator.url.rpartition(":")[2])
    second = Emulator(Options(port=taken, log=tmp_path / "log"))
    with pytest.raises(OSError, match="address already in use"):
        await second.__aenter__()

    assert not is_open(tmp_path / "log")


def imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
def test_no_code_is_shared_with_the_client(path: Path) -> None:
    """A misreading of the API must not cancel itself out."""
    own = {name for name in imported(path) if name.split(".")[0] == "axsync"}

    assert {name for name in own if not name.startswith("axsync.emulator")} == set()


def test_former_names_keep_working() -> None:
    """Tests of users were written with them."""
    one, other = Fault("500"), axsync.emulator.Mishap("502")
    emulator = Emulator(Options(faults=(one,), mishaps=(other,)))

    assert (axsync.emulator.Mishap, axsync.emulator.Fleet) == (Fault, axsync.emulator.Dataset)
    assert emulator.faults == [one, other]
    assert emulator.mishaps is emulator.faults
    assert emulator.fleets is emulator.datasets
    assert replace(emulator.options, seed=8).faults == (one, other)
