"""Certificates of both sides, each good or bad in its own way."""

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from axsync.console.explain import FAILED, USAGE, explain
from axsync.emulator import Emulator
from axsync.errors import ConfigError, Untrusted
from axsync.events import Notice
from axsync.settings import InstanceSettings
from tests.flow.front import HOST, pem, server_context, tls_front, wants_client
from tests.flow.harness import Lab

Start = Callable[..., Awaitable[Emulator]]


AUTHORITY = trustme.CA()


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    return pem(tmp_path, "ca.pem", AUTHORITY.cert_pem)


async def refused(lab: Lab, place: InstanceSettings, words: str) -> Untrusted:
    """The error of a run against this instance."""
    with pytest.raises(Untrusted, match=words) as caught:
        await lab.run(lab.settings(place))
    return caught.value


async def test_a_private_authority_is_trusted_through_its_file(lab: Lab, start: Start, ca_file: str) -> None:
    """With ca_file, a certificate of that authority is as good as any."""
    emulator = await start()
    with tls_front(emulator.url, server_context(AUTHORITY, HOST)) as url:
        ran = await lab.run(lab.settings(lab.instance(emulator, url=url, ca_file=ca_file)))

    assert ran.report.verdict == "complete"
    assert ran.of(Notice) == []


@pytest.mark.parametrize(("trusted", "code"), [(True, 0), (False, FAILED)])
async def test_the_command_trusts_the_authorities_of_the_system(
    start: Start, tmp_path: Path, ca_file: str, *, trusted: bool, code: int
) -> None:
    """Here those of SSL_CERT_FILE, which its quick start hides from libraries only."""
    emulator = await start()
    keys = {"AX_KEY": emulator.options.api_key, "AX_SECRET": emulator.options.api_secret}
    environ = os.environ | keys | {"SSL_CERT_FILE": ca_file if trusted else os.devnull}
    with tls_front(emulator.url, server_context(AUTHORITY, HOST)) as url:
        command = [sys.executable, "-m", "axsync", "run", "--lake", str(tmp_path / "lake")]
        process = await asyncio.create_subprocess_exec(
            *command, env=environ | {"AX_URL": url}, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        _, err = await process.communicate()

    assert process.returncode == code, err
    assert (b"does not prove who it is" in err) is not trusted


BAD = {
    "unknown authority": ([HOST], 365, "unable to get local issuer certificate"),
    "expired": ([HOST], -1, "certificate has expired"),
    "another name": (["other.example"], 365, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
}
"""Names, days and what is said of a server's certificate."""


@pytest.mark.parametrize("fault", BAD)
async def test_a_certificate_that_proves_nothing_ends_the_run(lab: Lab, start: Start, ca_file: str, fault: str) -> None:
    """One attempt, no request, no file; the error says why, and that it is not worth a later try."""
    names, days, why = BAD[fault]
    emulator, issuer = await start(), AUTHORITY if fault != "unknown authority" else trustme.CA()
    with tls_front(emulator.url, server_context(issuer, *names, days=days)) as url:
        error = await refused(lab, lab.instance(emulator, url=url, ca_file=ca_file), "does not prove who it is")

    told = explain(error)
    assert (str(error), error.detail) == (f"{url.removeprefix('https://')} does not prove who it is", why)
    assert (told.exit_code, emulator.log, lab.lake.exists()) == (FAILED, [], False)
    assert "axsync check" in told.advice


async def test_insecure_tls_goes_on_and_says_so(lab: Lab, start: Start) -> None:
    """Expired, for another name, of an unknown authority: taken, with one loud line on every run."""
    emulator = await start()
    with tls_front(emulator.url, server_context(AUTHORITY, "elsewhere.example", days=-1)) as url:
        ran = await lab.run(lab.settings(lab.instance(emulator, url=url, insecure_tls=True)))

    assert ran.report.verdict == "complete"
    assert [n.text for n in ran.of(Notice)] == [
        (
            "instance prod: WARNING: insecure_tls = true: whoever answers as 127.0.0.1 gets the keys; "
            "nothing proves who that is"
        )
    ]


async def test_a_client_certificate_is_shown(lab: Lab, start: Start, ca_file: str, tmp_path: Path) -> None:
    """Certificate and key in one file, in two, and with an encrypted key: the server is content."""
    emulator = await start()
    mine = AUTHORITY.issue_cert("axsync.example")
    key = serialization.load_pem_private_key(mine.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"5ecr3t")
    )
    (tmp_path / "password").write_text("5ecr3t")
    ways = [
        {"client_cert": pem(tmp_path, "both.pem", mine.private_key_and_cert_chain_pem)},
        {
            "client_cert": pem(tmp_path, "cert.pem", *mine.cert_chain_pems),
            "client_key": pem(tmp_path, "key.pem", mine.private_key_pem),
        },
        {
            "client_cert": pem(tmp_path, "cert.pem", *mine.cert_chain_pems),
            "client_key": pem(tmp_path, "locked.pem", trustme.Blob(locked)),
            "client_key_password": f"file:{tmp_path / 'password'}",
        },
    ]
    with tls_front(emulator.url, wants_client(server_context(AUTHORITY, HOST), AUTHORITY)) as url:
        for number, way in enumerate(ways):
            place = lab.instance(emulator, url=url, ca_file=ca_file, **way)
            ran = await lab.run(lab.settings(place, fresh=True, entities=("users",)))

            assert ran.report.verdict == "complete", number


async def test_a_client_certificate_that_is_missing_is_asked_for(lab: Lab, start: Start, ca_file: str) -> None:
    """In TLS 1.3 the server says so after the handshake only; it is told as what it is, and not tried again."""
    emulator = await start()
    with tls_front(emulator.url, wants_client(server_context(AUTHORITY, HOST), AUTHORITY)) as url:
        place = lab.instance(emulator, url=url, ca_file=ca_file)
        await refused(lab, place, "asks for a client certificate")


async def test_a_client_certificate_of_another_authority_is_turned_down(
    lab: Lab, start: Start, ca_file: str, tmp_path: Path
) -> None:
    """The sentence tells that ours is meant, not theirs."""
    emulator = await start()
    strange = pem(tmp_path, "mine.pem", trustme.CA().issue_cert("axsync.example").private_key_and_cert_chain_pem)
    with tls_front(emulator.url, wants_client(server_context(AUTHORITY, HOST), AUTHORITY)) as url:
        place = lab.instance(emulator, url=url, ca_file=ca_file, client_cert=strange)
        await refused(lab, place, "does not take the client certificate")


async def test_plain_http_where_tls_was_meant_is_named(lab: Lab, start: Start) -> None:
    """An https:// URL on a port that speaks http."""
    emulator = await start()
    with pytest.raises(Untrusted, match="no safe connection to") as caught:
        await lab.run(lab.settings(lab.instance(emulator, url=emulator.url.replace("http:", "https:"))))

    assert caught.value.detail == "wrong version number"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"ca_file": "junk"}, "instance prod: ca_file holds no certificate in PEM form"),
        ({"client_cert": "junk"}, "instance prod: client_cert cannot be used as certificate and key in PEM form"),
        ({"client_cert": "cert", "client_key": "other"}, "instance prod: client_key does not belong to client_cert"),
        (
            {"client_cert": "cert", "client_key": "locked"},
            "instance prod: client_key is encrypted; client_key_password says where its password is kept",
        ),
        (
            {"client_cert": "cert", "client_key": "locked", "client_key_password": "wrong"},
            "instance prod: client_cert and client_key cannot be used as certificate and key in PEM form with this cli",
        ),
    ],
)
async def test_a_file_that_is_of_no_use_is_told_before_anything_is_sent(
    lab: Lab, start: Start, tmp_path: Path, files: dict[str, str], sentence: str
) -> None:
    """One sentence, exit code 2; OpenSSL never asks the terminal for a password."""
    emulator = await start()
    mine = AUTHORITY.issue_cert("axsync.example")
    key = serialization.load_pem_private_key(mine.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"5ecr3t")
    )
    (tmp_path / "wrong-password").write_text("no")
    places = {
        "junk": pem(tmp_path, "junk.pem", trustme.Blob(b"nothing of use\n")),
        "cert": pem(tmp_path, "cert.pem", *mine.cert_chain_pems),
        "other": pem(tmp_path, "other.pem", AUTHORITY.issue_cert("b.example").private_key_pem),
        "locked": pem(tmp_path, "locked.pem", trustme.Blob(locked)),
        "wrong": f"file:{tmp_path / 'wrong-password'}",
    }
    named = {option: places[name] for option, name in files.items()}
    with pytest.raises(ConfigError) as caught:
        await lab.run(lab.settings(lab.instance(emulator, url="https://127.0.0.1:1", **named)))

    assert str(caught.value).startswith(sentence)
    assert explain(caught.value).exit_code == USAGE


async def test_a_client_key_that_others_can_read_is_told(lab: Lab, start: Start, ca_file: str, tmp_path: Path) -> None:
    """Whoever reads it can pass for this machine."""
    emulator = await start()
    cert = AUTHORITY.issue_cert("axsync.example").private_key_and_cert_chain_pem
    mine = pem(tmp_path, "both.pem", cert, mode=0o644)
    with tls_front(emulator.url, server_context(AUTHORITY, HOST)) as url:
        place = lab.instance(emulator, url=url, ca_file=ca_file, client_cert=mine)
        ran = await lab.run(lab.settings(place, entities=("users",)))

    assert [n.text for n in ran.of(Notice)] == [
        f"instance prod: the file {mine!r} can be read by others; restrict it with chmod 600"
    ]


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
async def test_an_ipv6_address_is_reached(lab: Lab, start: Start, ca_file: str) -> None:
    """In brackets, with a port, and with a certificate for the address."""
    emulator = await start()
    with tls_front(emulator.url, server_context(AUTHORITY, "::1"), "::1") as url:
        ran = await lab.run(lab.settings(lab.instance(emulator, url=url, ca_file=ca_file)))

    assert url.startswith("https://[::1]:")
    assert ran.report.verdict == "complete"
