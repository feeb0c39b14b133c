"""OAuth clients: a token in place of the two headers, over real sockets."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from axsync.client.connection import signed_headers
from axsync.client.oauth import Bearer, Token, read_token
from axsync.credentials import Credential, CredentialStore, Record, Secret, basic
from axsync.emulator import Emulator, Mishap
from axsync.emulator.options import DEMO_CLIENT, DEMO_CLIENT_SECRET
from axsync.errors import BadAnswer, Refused, Unreachable, WebPage
from axsync.events import Event, PageRead, Retried
from axsync.model import Reply
from axsync.settings import InstanceSettings, StoredCredential
from tests.flow.harness import Lab

Start = Callable[..., Awaitable[Emulator]]
TOKEN_PATH = "/api/oauth2/token"


@pytest.fixture(autouse=True)
def own_store(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXSYNC_HOME", str(lab.folder / "home"))


def client(lab: Lab, emulator: Emulator, secret: str = DEMO_CLIENT_SECRET, **settings: Any) -> InstanceSettings:
    """An instance whose stored credential is an OAuth client."""
    keys = lab.keys("client", DEMO_CLIENT, secret)
    where: dict[str, Any] = {"key_reference": keys.api_key, "secret_reference": keys.api_secret}
    CredentialStore().keep(Record(name="prod", url=emulator.url, kept="references", kind="oauth", **where), None)
    return lab.instance(emulator, credential=StoredCredential("prod"), **settings)


def asked(emulator: Emulator) -> Counter[bool]:
    """Requests for a token (True) and others."""
    return Counter(seen.path == TOKEN_PATH for seen in emulator.log)


@pytest.mark.parametrize("profile", ["p90", "v1"])
async def test_one_token_serves_a_run(lab: Lab, start: Start, profile: str) -> None:
    """It is bought once, by whoever asks first, and neither headers nor body hold keys elsewhere."""
    emulator = await start(profile)
    ran = await lab.run(lab.settings(client(lab, emulator)))

    assert ran.report.verdict == "complete"
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert asked(emulator)[True] == 1
    assert emulator.violations == []


async def test_a_revoked_token_is_renewed_once(lab: Lab, start: Start) -> None:
    """All that were on their way with it are asked again; nobody retries, nothing is lost or doubled."""
    emulator = await start(sizes={"devices": 300})
    pages = 0

    def revoke(event: Event) -> None:
        nonlocal pages
        pages += isinstance(event, PageRead)
        if isinstance(event, PageRead) and pages == 2:
            emulator.revoke_bearers()

    ran = await lab.run(lab.settings(client(lab, emulator, page_size=20)), revoke)

    assert (ran.report.verdict, ran.of(Retried)) == ("complete", [])
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert asked(emulator)[True] == 2


async def test_tokens_that_end_often_do_not_stop_a_run(lab: Lab, start: Start) -> None:
    """Even with one place at the gate, which the token's own request needs too."""
    emulator = await start(bearer_requests=4)
    ran = await lab.run(lab.settings(client(lab, emulator, in_flight=1)))

    assert ran.report.verdict == "complete"
    assert asked(emulator)[True] > 3
    assert emulator.peak_at_once() == 1


async def test_a_new_token_that_is_refused_is_the_end(lab: Lab, start: Start) -> None:
    """Two tokens are bought, not more; the instance counts as refused."""
    emulator = await start(bearer_seconds=1e-9)
    with pytest.raises(Refused, match="does not accept the credential") as caught:
        await lab.run(lab.settings(client(lab, emulator)))

    assert caught.value.status == 401
    assert asked(emulator) == {True: 2, False: 2}


async def test_a_wrong_client_is_refused(lab: Lab, start: Start) -> None:
    """At the first question; nothing else is asked."""
    emulator = await start()
    with pytest.raises(Refused, match="does not accept the credential"):
        await lab.run(lab.settings(client(lab, emulator, "wrong-client-s3cret")))

    assert asked(emulator) == {True: 1}


@pytest.mark.parametrize("kind", ["404", "403", "400", "error-200", "null-body"])
async def test_a_host_that_gives_no_token_is_refused(lab: Lab, start: Start, kind: str) -> None:
    """With a sentence of its own, whatever it answers."""
    emulator = await start(mishaps=[Mishap(kind, on="token")])
    with pytest.raises(Refused, match="gives no token for this OAuth client"):
        await lab.run(lab.settings(client(lab, emulator)))

    assert set(asked(emulator)) == {True}


async def test_a_web_page_is_no_refusal_of_a_client(lab: Lab, start: Start) -> None:
    """The product is away, or the address is that of a login page: the client may be as good as ever."""
    emulator = await start(mishaps=[Mishap("login-page", on="token")])
    with pytest.raises(WebPage, match="web page"):
        await lab.run(lab.settings(client(lab, emulator, tries=4)))

    assert asked(emulator) == {True: 4}


async def test_a_client_does_not_follow(lab: Lab, start: Start) -> None:
    """A redirect of the token's path is refused like any other."""
    emulator = await start(mishaps=[Mishap("redirect", on="token")])
    with pytest.raises(Unreachable, match="redirects are refused"):
        await lab.run(lab.settings(client(lab, emulator)))

    assert asked(emulator) == {True: 1}


async def test_a_token_is_asked_for_as_patiently_as_all_else(lab: Lab, start: Start) -> None:
    """A hiccup costs a moment; a host that is down is down, after as many tries as elsewhere."""
    emulator = await start(mishaps=[Mishap("503", on="token", times=2)])
    ran = await lab.run(lab.settings(client(lab, emulator)))
    assert (ran.report.verdict, asked(emulator)[True]) == ("complete", 3)

    down = await start(mishaps=[Mishap("503", on="token")])
    with pytest.raises(Unreachable):
        await lab.run(lab.settings(client(lab, down, tries=3), fresh=True))
    assert asked(down) == {True: 3}


async def test_the_token_is_nowhere(lab: Lab, start: Start) -> None:
    """Not in events, errors, journal, manifest or rows, not even where the server repeats it."""
    emulator = await start(mishaps=[Mishap("echo-key", entity="users"), Mishap("echo-key", on="token", times=1)])
    ran = await lab.run(lab.settings(client(lab, emulator, tries=2)))

    said = repr(ran.events) + repr(ran.report) + "".join(f"{e!r} {e} {vars(e)}" for e in ran.report.errors)
    assert ran.report.verdict == "partial"
    assert "***" in said
    basic_words = basic(Credential(Secret(DEMO_CLIENT), Secret(DEMO_CLIENT_SECRET)))
    for mark in ("bearer-7-", DEMO_CLIENT, DEMO_CLIENT_SECRET, basic_words):
        assert mark not in said
        assert not [name for name, content in lab.everything().items() if mark.encode() in content]


def test_a_client_sends_no_key_headers() -> None:
    """Its secret goes to the token's path only."""
    pair = (Secret("id"), Secret("s3cret"))

    assert "api-secret" not in signed_headers(Credential(*pair, kind="oauth"))
    assert "api-secret" in signed_headers(Credential(*pair))


class Shop:
    """Sells tokens of 100 seconds, and owns the clock."""

    def __init__(self) -> None:
        self.now, self.sold = 0.0, 0

    async def buy(self) -> Token:
        self.sold += 1
        await asyncio.sleep(0)
        return Token(Secret(f"t{self.sold}"), 100.0)

    def bearer(self) -> Bearer:
        return Bearer(self.buy, clock=lambda: self.now)


async def test_a_token_is_renewed_at_four_fifths_of_its_life() -> None:
    """Not before, and not when the server would already refuse it."""
    shop = Shop()
    bearer = shop.bearer()
    sold = []
    for shop.now in (0.0, 79.9, 80.0, 159.9, 160.1):
        sold.append((await bearer.token()).secret.reveal())

    assert sold == ["t1", "t1", "t2", "t2", "t3"]


async def test_one_buys_for_all_who_wait() -> None:
    """And of all who were told that a token is not taken any more, one makes it go."""
    shop = Shop()
    bearer = shop.bearer()
    first = await asyncio.gather(*[bearer.token() for _ in range(9)])
    assert shop.sold == 1

    bearer.refused(first[0])
    second = await bearer.token()
    bearer.refused(first[1])
    assert await bearer.token() is second
    assert shop.sold == 2


@pytest.mark.parametrize(
    ("body", "token", "seconds"),
    [
        ({"access_token": "a.b-c", "token_type": "bearer", "expires_in": 600}, "a.b-c", 600),
        ({"access_token": "t", "expires_in": "1800", "scope": "x"}, "t", 1800),
        ({"access_token": "t"}, "t", 3600),
        ({"access_token": "t", "expires_in": 1e12}, "t", 86_400),
    ],
)
def test_a_token_is_read_as_it_comes(body: dict[str, object], token: str, seconds: float) -> None:
    """Without a life it has an hour; nothing is believed to live longer than a day."""
    found = read_token(Reply(200, {}, json.dumps(body).encode()), "acme")

    assert (found.secret.reveal(), found.seconds) == (token, seconds)
    assert token not in repr(found).replace("Token", "").replace("secret", "").replace("seconds", "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"<html>",
        b"\xff",
        b'{"token": "5ecr3t"}',
        b'{"access_token": ""}',
        b'{"access_token": 5}',
        b'{"access_token": "5ecr3t\\r\\nX: y"}',
        b'{"access_token": "5ecr3t\\u00e4"}',
        b'{"access_token": "5ecr3t", "token_type": "mac"}',
        b'{"access_token": "5ecr3t", "expires_in": 0}',
        b'{"access_token": "5ecr3t", "expires_in": -5}',
        b'{"access_token": "5ecr3t", "expires_in": "soon"}',
        b'{"access_token": "5ecr3t\xff"}',
        b'{"access_token": ' + b'{"a":' * 2_000 + b"1" + b"}" * 2_000 + b"}",
        b'{"access_token": "' + b"5" * 9000 + b'"}',
    ],
)
def test_what_is_no_token_is_not_repeated(body: bytes) -> None:
    """Nor sent: it could break out of its header."""
    with pytest.raises(BadAnswer, match=r"^acme answered 200 without a valid token$") as caught:
        read_token(Reply(200, {}, body), "acme")

    assert "5ecr3t" not in repr(caught.value.__dict__)
