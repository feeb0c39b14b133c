"""`axsync check`, step by step, against servers that fail at each of them."""

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from axsync.console.check import check_exit_code
from axsync.console.explain import FAILED, LATER, REFUSED, USAGE
from axsync.emulator import Emulator, Mishap
from axsync.errors import BadRequest, NotOffered, UsageError
from axsync.events import Event, Notice
from axsync.runs.check import CheckStep, InstanceCheck, _entity_check, check
from axsync.runs.inspect import try_credential
from axsync.settings import EntitySettings, InstanceSettings
from tests.flow.canned import answer, canned
from tests.flow.front import HOST, pem, server_context, tls_front, wants_client
from tests.flow.harness import Lab
from tests.flow.proxies import small_proxy

Start = Callable[..., Awaitable[Emulator]]

NAMES = ["DNS", "TCP", "proxy", "TLS", "credential", "API", "clock", "discovery", "entity types"]
AUTHORITY = trustme.CA(organization_name="Example Corp")


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    return pem(tmp_path, "ca.pem", AUTHORITY.cert_pem)


@contextmanager
def closed_port() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as taken:
        port: int = taken.getsockname()[1]
    yield port


async def checked(lab: Lab, place: InstanceSettings, **run: Any) -> InstanceCheck:
    return (await check(lab.settings(place, **run)))[0]


def failed(found: InstanceCheck) -> CheckStep:
    """The one step that failed; those behind it were not tried, and every failure says what to try."""
    assert [step.name for step in found.steps] == NAMES
    [step] = [step for step in found.steps if step.ok is False]
    later = found.steps[NAMES.index(step.name) + 1 :]
    assert {one.text for one in later if one.name != "credential"} <= {"not tried", "none: plain http"}
    assert step.advice
    return step


def step_of(found: InstanceCheck, name: str) -> CheckStep:
    return next(step for step in found.steps if step.name == name)


async def test_everything_is_well(lab: Lab, start: Start, ca_file: str) -> None:
    """Each step says what it saw, for people and for machines."""
    emulator = await start(sizes={"devices": 90, "users": 0})
    with tls_front(emulator.url, server_context(AUTHORITY, HOST, days=100)) as url:
        found = await checked(lab, lab.instance(emulator, url=url, ca_file=ca_file))

    texts = {step.name: (step.ok, step.text) for step in found.steps}
    assert list(texts) == NAMES
    assert texts["DNS"] == (None, "127.0.0.1 is an address")
    assert texts["proxy"] == (None, "none")
    assert texts["credential"] == (True, "accepted")
    assert texts["clock"] == (True, "in step with this machine")
    assert texts["entity types"] == (True, "1 readable, 1 empty")
    tls = step_of(found, "TLS")
    assert tls.text.startswith("TLSv1.3, issued by Example Corp, expires 20")
    assert (tls.facts["names"], tls.facts["issuer"], tls.facts["days_left"]) == (HOST, "Example Corp", 99)
    assert [(one.entity, one.state, one.count) for one in found.entities] == [
        ("devices", "readable", 90),
        ("users", "empty", 0),
    ]
    assert check_exit_code([found]) == 0


async def test_no_key_is_sent_before_the_way_is_known_to_be_safe(lab: Lab, start: Start) -> None:
    """A certificate of an unknown authority is described, and whoever shows it learns nothing."""
    emulator = await start()
    with tls_front(emulator.url, server_context(AUTHORITY, HOST, days=100)) as url:
        found = await checked(lab, lab.instance(emulator, url=url))

    step = failed(found)
    assert (step.name, check_exit_code([found]), emulator.log) == ("TLS", FAILED, [])
    assert "unable to get local issuer certificate; for 127.0.0.1, issued by Example Corp, expires 20" in step.text
    assert "ca_file" in step.advice


@pytest.mark.parametrize(
    ("names", "days", "words", "advice"),
    [
        (
            [HOST],
            -3,
            "certificate has expired; for 127.0.0.1, issued by Example Corp, expired 20",
            "Renew the server's certificate",
        ),
        (
            ["axonius.example"],
            99,
            "is not valid for '127.0.0.1'; for axonius.example, issued",
            "Use the name that the cert",
        ),
    ],
)
async def test_a_bad_certificate_is_told_with_what_to_do(
    lab: Lab, start: Start, names: list[str], days: int, words: str, advice: str
) -> None:
    """The advice depends on what is wrong with it."""
    emulator = await start()
    ca_file = pem(lab.folder, "ca.pem", AUTHORITY.cert_pem)
    with tls_front(emulator.url, server_context(AUTHORITY, *names, days=days)) as url:
        step = failed(await checked(lab, lab.instance(emulator, url=url, ca_file=ca_file)))

    assert words in step.text
    assert step.advice.startswith(advice)


async def test_a_certificate_that_ends_soon_is_told_in_time(lab: Lab, start: Start, ca_file: str) -> None:
    """All goes well today."""
    emulator = await start()
    with tls_front(emulator.url, server_context(AUTHORITY, HOST, days=12)) as url:
        found = await checked(lab, lab.instance(emulator, url=url, ca_file=ca_file))

    assert (step_of(found, "TLS").ok, step_of(found, "TLS").advice) == (True, "Renew the server's certificate soon.")
    assert check_exit_code([found]) == 0


async def test_the_last_day_of_a_certificate_is_one_day(lab: Lab, start: Start, ca_file: str) -> None:
    """As people say it."""
    emulator = await start()
    with tls_front(emulator.url, server_context(AUTHORITY, HOST, days=2)) as url:
        found = await checked(lab, lab.instance(emulator, url=url, ca_file=ca_file))

    assert step_of(found, "TLS").text.endswith("(1 day left)")


async def test_a_client_certificate_that_is_wanted_fails_tls(lab: Lab, start: Start, ca_file: str) -> None:
    """Also where the server says so with the first request only."""
    emulator = await start()
    with tls_front(emulator.url, wants_client(server_context(AUTHORITY, HOST), AUTHORITY)) as url:
        step = failed(await checked(lab, lab.instance(emulator, url=url, ca_file=ca_file)))

    assert (step.name, step.advice) == ("TLS", "Set `client_cert` and `client_key`.")


@pytest.mark.parametrize("insecure", [True, False])
async def test_a_certificate_that_cannot_be_read_is_a_step_like_any(
    lab: Lab, start: Start, tmp_path: Path, *, insecure: bool
) -> None:
    """OpenSSL takes versions of X.509 that there are not."""
    emulator, leaf = await start(), AUTHORITY.issue_cert(HOST)
    version, good = b"\xa0\x03\x02\x01\x02", ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
    assert good.count(version) == 1
    odd = good.replace(version, version[:-1] + b"\x05")
    text = ssl.DER_cert_to_PEM_cert(odd).encode() + leaf.private_key_pem.bytes()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem(tmp_path, "odd.pem", trustme.Blob(text)))
    with tls_front(emulator.url, context) as url:
        step = step_of(await checked(lab, lab.instance(emulator, url=url, insecure_tls=insecure)), "TLS")

    assert step.ok is insecure
    assert ("certificate cannot be read" in step.text) is insecure


async def test_insecure_tls_is_told_loudly_and_in_the_table(lab: Lab, start: Start) -> None:
    """The line goes to whoever watches, and the step says that nothing was verified."""
    emulator = await start()
    told: list[Event] = []
    with tls_front(emulator.url, server_context(AUTHORITY, "other.example", days=-3)) as url:
        place = lab.instance(emulator, url=url, insecure_tls=True)
        [found] = await check(lab.settings(place), observers=[told.append])

    assert "not verified (insecure_tls)" in step_of(found, "TLS").text
    assert ["WARNING: insecure_tls" in event.text for event in told if isinstance(event, Notice)] == [True]


async def test_an_unknown_name_fails_the_first_step(lab: Lab, start: Start) -> None:
    """Nothing after it is tried, and it may be better later."""
    found = await checked(lab, lab.instance(await start(), url="https://axonius.invalid"))

    assert (failed(found).name, check_exit_code([found])) == ("DNS", LATER)


async def test_a_closed_port_fails_the_connection(lab: Lab, start: Start) -> None:
    """At once, without the many tries of a run."""
    with closed_port() as port:
        found = await checked(lab, lab.instance(await start(), url=f"https://{HOST}:{port}"))

    assert (failed(found).name, failed(found).text, check_exit_code([found])) == ("TCP", "Connection refused", LATER)


async def test_a_name_is_resolved(lab: Lab, start: Start) -> None:
    """Localhost has an address, or two."""
    emulator = await start()
    found = await checked(lab, lab.instance(emulator, url=emulator.url.replace(HOST, "localhost")))

    assert step_of(found, "DNS").ok is True
    assert HOST in step_of(found, "DNS").text


@pytest.mark.parametrize("own_tls", [False, True])
async def test_a_proxy_is_gone_through(lab: Lab, start: Start, ca_file: str, own_tls: bool) -> None:
    """Its TLS and that within are both looked at; the host is left to it to resolve."""
    emulator = await start()
    context = server_context(AUTHORITY, HOST) if own_tls else None
    with tls_front(emulator.url, server_context(AUTHORITY, "axonius.invalid")) as front:
        async with small_proxy(there=front, context=context) as proxy:
            place = lab.instance(emulator, url="https://axonius.invalid", ca_file=ca_file, proxy=proxy.url)
            found = await checked(lab, place)

    assert [step.ok for step in found.steps[:6]] == [None, True, True, True, True, True]
    assert step_of(found, "proxy").text == f"{proxy.url.partition('://')[2]} (proxy) opened a tunnel"
    assert check_exit_code([found]) == 0


@pytest.mark.parametrize(
    ("wanted", "status", "name", "code"),
    [("Basic x", "", "proxy", REFUSED), (None, "403 No", "proxy", LATER), (None, "nonsense", "proxy", LATER)],
)
async def test_a_proxy_that_does_not_let_through_fails_its_step(
    lab: Lab, start: Start, wanted: str | None, status: str, name: str, code: int
) -> None:
    """A refused password is exit code 4, all else 75."""
    async with small_proxy(wanted, status=status) as proxy:
        found = await checked(lab, lab.instance(await start(), url="https://axonius.invalid", proxy=proxy.url))

    assert (failed(found).name, check_exit_code([found])) == (name, code)


async def test_a_refused_password_of_a_proxy_is_found_with_plain_http_too(lab: Lab, start: Start) -> None:
    """There the first request shows it."""
    async with small_proxy("Basic x") as proxy:
        found = await checked(lab, lab.instance(await start(), proxy=proxy.url))

    assert (failed(found).name, check_exit_code([found])) == ("proxy", REFUSED)


async def test_a_refused_credential_is_told_as_such(lab: Lab, start: Start) -> None:
    """Exit code 4; the API is not tried with it any further."""
    emulator = await start()
    found = await checked(lab, lab.instance(emulator, credential=lab.keys("wrong", "not-the-key", "not-the-secret")))

    assert (failed(found).name, check_exit_code([found]), len(emulator.log)) == ("credential", REFUSED, 1)


async def test_what_is_no_axonius_fails_at_the_api(lab: Lab, start: Start) -> None:
    """A web server of somebody else: reachable, and no API that is known."""
    async with canned(answer(b"<html>hello</html>", status="404 Not Found")) as server:
        found = await checked(lab, lab.instance(await start(), url=server.url))

    assert (failed(found).name, check_exit_code([found])) == ("API", FAILED)
    assert step_of(found, "credential").text == "not told"


@pytest.mark.parametrize("details", [{}, {"shape": "status"}])
@pytest.mark.parametrize(("profile", "api"), [("p90", "auto"), ("p70", "v2"), ("v1", "v1")])
async def test_errors_told_with_200_are_no_answers(
    lab: Lab, start: Start, profile: str, api: str, details: dict[str, Any]
) -> None:
    """A server that answers everything with them accepts nothing and offers nothing, whatever its status says."""
    emulator = await start(profile, mishaps=[Mishap("error-200", **details)])
    place = lab.instance(emulator, api=api, tries=1)
    found = await checked(lab, place)

    assert (failed(found).name, check_exit_code([found])) == ("API", FAILED)
    assert "Search failed" in failed(found).text
    assert "Retry later" in failed(found).advice
    assert not found.accepted
    with pytest.raises(NotOffered, match="speaks no API"):
        await try_credential(place)


@pytest.mark.parametrize("details", [{}, {"shape": "status"}])
@pytest.mark.parametrize("profile", ["p90", "p70", "v1"])
async def test_counts_that_are_errors_told_with_200_are_failures(
    lab: Lab, start: Start, profile: str, details: dict[str, Any]
) -> None:
    """Not types that can be read and have no count yet; the server's words stand beside them, once."""
    emulator = await start(profile, mishaps=[Mishap("error-200", on="count", **details)])
    found = await checked(lab, lab.instance(emulator, tries=1))

    assert (step_of(found, "entity types").ok, check_exit_code([found])) == (False, LATER)
    assert {one.state for one in found.entities} == {"failed"}
    assert all(one.note.count("Search failed") == 1 for one in found.entities)
    assert all(one.note.count("answered a count") == 1 for one in found.entities)


async def test_a_server_that_is_ill_fails_at_the_api_for_now(lab: Lab, start: Start) -> None:
    """503 to all tries is exit code 75."""
    emulator = await start(mishaps=[Mishap("503")])
    found = await checked(lab, lab.instance(emulator, tries=1))

    assert (failed(found).name, check_exit_code([found])) == ("API", LATER)


@pytest.mark.parametrize("profile", ["p70", "p90"])
async def test_the_least_privileged_role_is_enough(lab: Lab, start: Start, profile: str) -> None:
    """A role that may view assets and nothing else: no step needs more, and nothing beyond reads is asked."""
    hidden = [Mishap("403", on=on) for on in ("about", "discovery", "types")]
    emulator = await start(profile, mishaps=hidden)
    found = await checked(lab, lab.instance(emulator))

    assert check_exit_code([found]) == 0
    assert [(one.entity, one.state) for one in found.entities] == [("devices", "readable"), ("users", "readable")]
    assert (step_of(found, "API").text, step_of(found, "discovery").text) == (
        "v2, product version not told",
        "not told",
    )
    assert emulator.violations == []


async def test_rights_are_told_per_entity_type(lab: Lab, start: Start) -> None:
    """Readable, empty, forbidden, failed; with the server's words."""
    sizes = {"devices": 9, "users": 0, "software": 5, "groups": 3}
    emulator = await start("p90", sizes, mishaps=[Mishap("403", entity="software"), Mishap("503", entity="groups")])
    found = await checked(lab, lab.instance(emulator, tries=1))

    states = {one.entity: one.state for one in found.entities}
    assert states == {
        "devices": "readable",
        "groups": "failed",
        "software": "forbidden",
        "users": "empty",
    }
    assert check_exit_code([found]) == LATER
    assert all(one.note for one in found.entities if one.state in {"failed", "forbidden"})


@pytest.mark.parametrize("profile", ["p90", "p70", "v1"])
@pytest.mark.parametrize(
    "chosen",
    [{"entities": ("devices", "user")}, {"entities": ("user",)}, {"types": {"user": EntitySettings()}}],
)
async def test_what_a_run_refuses_is_refused(lab: Lab, start: Start, profile: str, chosen: dict[str, Any]) -> None:
    """A mistyped entity type of the settings: the same sentence and exit code 2, beside all that is well."""
    emulator = await start(profile)
    place = lab.instance(emulator)
    with pytest.raises(UsageError) as refused:
        await lab.run(lab.settings(place, **chosen))
    [found] = await check(lab.settings(place, **chosen))

    step = step_of(found, "entity types")
    assert "offers no entity type 'user'; did you mean 'users'?" in step.text
    assert (step.text, check_exit_code([found])) == (str(refused.value), USAGE)
    assert "`axsync entities`" in step.advice
    assert found.accepted


@pytest.mark.parametrize("profile", ["p90", "p70", "v1"])
async def test_a_type_that_one_instance_lacks_is_told(lab: Lab, start: Start, profile: str) -> None:
    """A run takes it from the others, so it is a word about the rights and no failure."""
    first, second = await start(profile, {"devices": 9, "users": 5}), await start(profile, {"devices": 9})
    places = lab.instance(first, name="a"), lab.instance(second, name="b")
    found = await check(lab.settings(*places, entities=("users",)))

    assert [step_of(one, "entity types").ok for one in found] == [True, True]
    assert {one.entity: one.state for one in found[1].entities}["users"] == "not offered"


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_licence_that_is_missing_is_told_by_the_servers_words(status: int) -> None:
    """With whatever status; nothing else tells it apart from a missing right."""
    kind = BadRequest if status == 400 else NotOffered
    error = kind("acme answered", host="acme", status=status, detail="Forbidden: Software is not licensed")

    assert _entity_check("software", error).state == "not licensed"


async def test_a_role_that_may_read_nothing_fails(lab: Lab, start: Start) -> None:
    """Every type forbidden is no success."""
    emulator = await start(mishaps=[Mishap("403", on="count")])
    found = await checked(lab, lab.instance(emulator))

    assert (step_of(found, "entity types").text, check_exit_code([found])) == ("2 forbidden", FAILED)


async def test_clocks_that_differ_are_told(lab: Lab, start: Start) -> None:
    """From the header Date; days are judged by it."""
    body = b'{"installed_version": "7", "value": 0, "asset_types": ["devices"]}'
    async with canned(answer(body, "Date: Mon, 01 Jan 2024 00:00:00 GMT")) as server:
        found = await checked(lab, lab.instance(await start(), url=server.url, tries=1))

    clock = step_of(found, "clock")
    assert (clock.ok, clock.text.endswith("s behind this machine's"), bool(clock.advice)) == (None, True, True)
    assert check_exit_code([found]) == 0
