"""Through proxies: which one, who may use it, what it gets to see."""

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from axsync.console.explain import LATER, REFUSED, explain
from axsync.emulator import Emulator
from axsync.errors import AxsyncError, ProxyRefused, Unreachable, Untrusted
from axsync.settings import InstanceSettings
from tests.flow.front import HOST, pem, server_context, tls_front
from tests.flow.harness import Lab
from tests.flow.proxies import small_proxy

Start = Callable[..., Awaitable[Emulator]]

BASIC = "Basic " + base64.b64encode(b"clerk:canary-password").decode()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    return pem(tmp_path, "ca.pem", authority.cert_pem)


@pytest.fixture
def clerk(tmp_path: Path) -> dict[str, Any]:
    """Who may use the proxy, as settings."""
    (tmp_path / "password").write_text("canary-password\n")
    (tmp_path / "password").chmod(0o600)
    return {"proxy_user": "clerk", "proxy_password": f"file:{tmp_path / 'password'}"}


async def test_https_goes_through_a_tunnel(
    lab: Lab, start: Start, authority: trustme.CA, ca_file: str, clerk: dict[str, Any]
) -> None:
    """The proxy learns host and port and its own password; the keys stay inside the tunnel."""
    emulator = await start(api_key="the-canary-key", api_secret="the-canary-secret")
    with tls_front(emulator.url, server_context(authority, HOST)) as url:
        async with small_proxy(BASIC) as proxy:
            place = lab.instance(emulator, url=url, ca_file=ca_file, proxy=proxy.url, **clerk)
            ran = await lab.run(lab.settings(place))

    target = url.removeprefix("https://")
    assert ran.report.verdict == "complete"
    assert {head.split("\r\n")[0] for head in proxy.heads} == {f"CONNECT {target} HTTP/1.1"}
    assert all(BASIC in head and "User-Agent: axsync/" in head for head in proxy.heads)
    assert "canary" not in "".join(proxy.heads)


async def test_plain_http_is_handed_to_the_proxy(lab: Lab, start: Start, clerk: dict[str, Any]) -> None:
    """Without TLS there is no tunnel: the proxy reads every request, its password among the headers."""
    emulator = await start()
    async with small_proxy(BASIC) as proxy:
        place = lab.instance(emulator, proxy=proxy.url, **clerk)
        ran = await lab.run(lab.settings(place, entities=("users",)))

    told = {(head.startswith(("GET http://127", "POST http://127")), BASIC in head) for head in proxy.heads}
    assert ran.report.verdict == "complete"
    assert told == {(True, True)}


async def test_a_proxy_may_speak_tls_itself(lab: Lab, start: Start, authority: trustme.CA, ca_file: str) -> None:
    """TLS within TLS; both certificates are verified."""
    emulator = await start()
    with tls_front(emulator.url, server_context(authority, HOST)) as url:
        async with small_proxy(context=server_context(authority, HOST)) as proxy:
            place = lab.instance(emulator, url=url, ca_file=ca_file, proxy=proxy.url)
            ran = await lab.run(lab.settings(place, entities=("users",)))

    assert ran.report.verdict == "complete"
    assert proxy.heads


async def test_a_proxy_that_proves_nothing_is_not_talked_to(lab: Lab, start: Start, authority: trustme.CA) -> None:
    """The error names the proxy, not the instance."""
    emulator = await start()
    async with small_proxy(context=server_context(authority, HOST)) as proxy:
        with pytest.raises(
            Untrusted, match=rf"the proxy {proxy.url.removeprefix('https://')} \(proxy\) does not prove"
        ):
            await lab.run(lab.settings(lab.instance(emulator, url="https://acme.example", proxy=proxy.url)))

    assert proxy.heads == []


async def test_the_environment_names_the_proxy_and_the_proxy_resolves_the_host(
    lab: Lab, start: Start, authority: trustme.CA, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY with user and password; a host that only the proxy knows."""
    emulator = await start()
    with tls_front(emulator.url, server_context(authority, "acme.example")) as front:
        async with small_proxy(BASIC, there=front) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("://", "://clerk:canary%2Dpassword@"))
            place = lab.instance(emulator, url="https://acme.example", ca_file=ca_file)
            ran = await lab.run(lab.settings(place, entities=("users",)))

    assert ran.report.verdict == "complete"
    assert proxy.heads[0].startswith("CONNECT acme.example:443 ")


REFUSALS = {
    "not this user": ("https://acme.example", "Basic else", "", ProxyRefused, "does not accept its user and password"),
    "not this user, http": ("http://acme.example", "Basic else", "", ProxyRefused, "does not accept its user and pass"),
    "a rule": ("https://acme.example", None, "403 Forbidden", Unreachable, "returned 403 to CONNECT acme."),
    "a host that is down": ("https://acme.example", None, "502 Bad", Unreachable, "returned 502 to CONNECT"),
}


@pytest.mark.parametrize("why", REFUSALS)
async def test_a_proxy_that_does_not_let_through_says_why(lab: Lab, clerk: dict[str, Any], why: str) -> None:
    """407 is a refused credential, exit code 4; what it forbids or cannot reach is 75; its password is in no word."""
    url, wanted, status, error, sentence = REFUSALS[why]
    async with small_proxy(wanted, status=status) as proxy:
        keys = lab.keys("prod", "the-key", "the-5ecret")
        place = InstanceSettings("prod", url, keys, proxy=proxy.url, tries=2, allow_plain_http=True, **clerk)
        with pytest.raises(error) as caught:
            await lab.run(lab.settings(place))

    told = explain(caught.value)
    assert str(caught.value).startswith(f"the proxy {proxy.url.removeprefix('http://')} (proxy) {sentence}")
    assert told.exit_code == (REFUSED if error is ProxyRefused else LATER)
    said = repr((caught.value, vars(caught.value), told.lines()))
    assert not any(secret in said for secret in ("canary", BASIC.removeprefix("Basic ")))


async def test_a_proxy_that_wants_a_user_is_told_so(lab: Lab) -> None:
    """The setting is missing, and that is what the sentence says."""
    async with small_proxy("Basic something") as proxy:
        place = InstanceSettings(
            "prod", "https://acme.example", lab.keys("prod", "the-key", "the-5ecret"), proxy=proxy.url
        )
        with pytest.raises(ProxyRefused, match="asks for a user and a password"):
            await lab.run(lab.settings(place))


async def test_what_a_proxy_repeats_of_its_password_is_not_told(lab: Lab, clerk: dict[str, Any]) -> None:
    """With plain http its answers look like the server's, and their words are shown."""
    async with small_proxy(status=f"500 Bad\r\nX: y\r\n\r\n{BASIC} canary-password") as proxy:
        keys = lab.keys("prod", "the-key", "the-5ecret")
        place = InstanceSettings(
            "prod", "http://acme.example", keys, proxy=proxy.url, allow_plain_http=True, tries=1, **clerk
        )
        with pytest.raises(AxsyncError) as caught:
            await lab.run(lab.settings(place))

    said = repr((caught.value, vars(caught.value), explain(caught.value).lines()))
    assert not any(secret in said for secret in ("canary", BASIC.removeprefix("Basic ")))


async def test_a_proxy_that_is_down_is_named(lab: Lab, start: Start) -> None:
    """And not the instance, which may be well."""
    emulator = await start()
    async with small_proxy() as proxy:
        place = proxy.url
    with pytest.raises(Unreachable, match=rf"^the proxy {place.removeprefix('http://')} \(proxy\): no connection"):
        await lab.run(lab.settings(lab.instance(emulator, url="https://acme.example", proxy=place, tries=2)))


async def test_no_proxy_is_used_when_the_settings_say_none(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxy = "none" is stronger than the environment, and so is a host on this machine."""
    emulator = await start()
    async with small_proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        for way in ({"proxy": "none"}, {}):
            ran = await lab.run(lab.settings(lab.instance(emulator, **way), entities=("users",), fresh=True))

            assert ran.report.verdict == "complete"
    assert proxy.heads == []
