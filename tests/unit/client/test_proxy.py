"""Which proxy is used, if any."""

from collections.abc import Mapping
from typing import Any

import pytest

from axsync.client.connection import bypasses_proxy, connection_config, find_proxy
from axsync.errors import ConfigError
from axsync.settings import CredentialReference, InstanceSettings

KEYS = CredentialReference("env:AX_KEY", "env:AX_SECRET")
PROXY = "http://proxy.example:3128"


def found(environ: Mapping[str, str], url: str = "https://acme.example", **settings: Any) -> str | None:
    place = InstanceSettings("prod", url, KEYS, allow_plain_http=True, **settings)
    proxy = find_proxy(place, environ)
    return None if proxy is None else f"{proxy.url} {proxy.named_by}"


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": PROXY}, f"{PROXY} HTTPS_PROXY"),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other"}, f"{PROXY} https_proxy"),
        ({"https_proxy": "", "HTTPS_PROXY": PROXY}, None),
        ({"HTTPS_PROXY": " "}, None),
        ({"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}, None),
        ({"HTTPS_PROXY": "proxy.example:3128"}, f"{PROXY} HTTPS_PROXY"),
        ({"HTTPS_PROXY": "HTTPS://Proxy.example/"}, "https://proxy.example HTTPS_PROXY"),
        ({"HTTPS_PROXY": "http://[::1]:3128"}, "http://[::1]:3128 HTTPS_PROXY"),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "acme.example"}, None),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "", "NO_PROXY": "acme.example"}, f"{PROXY} HTTPS_PROXY"),
    ],
)
def test_the_environment_is_asked_as_curl_does(environ: dict[str, str], proxy: str | None) -> None:
    """Lower case before upper case; an empty variable means none; a scheme may be missing."""
    assert found(environ) == proxy


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "ü" * 80 + ".example"])
@pytest.mark.parametrize("called", ["url", "proxy"])
def test_a_host_name_that_no_resolver_takes_is_refused_before_anything_is_sent(called: str, host: str) -> None:
    """It would be no failed connection, but a UnicodeError."""
    place: dict[str, Any] = {"url": "http://acme.example", called: f"http://{host}"}
    settings = InstanceSettings("prod", credential=KEYS, allow_plain_http=True, **place)

    with pytest.raises(ConfigError, match=f"{called} has a host name"):
        connection_config(settings, {})


def test_the_settings_are_stronger_than_the_environment() -> None:
    """A proxy of its own, or none at all, whatever NO_PROXY spares."""
    environ = {"HTTPS_PROXY": "http://other", "NO_PROXY": "*"}

    assert found(environ, proxy=PROXY) == f"{PROXY} proxy"
    assert found(environ, proxy="none") is None


def test_plain_http_to_this_machine_is_never_carried_elsewhere_by_a_variable() -> None:
    """HTTP_PROXY is meant for the world outside; the keys would go there unencrypted."""
    environ = {"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY}

    assert [found(environ, url) for url in ("http://127.0.0.1:8765", "http://localhost", "https://[::1]:1")] == [
        None
    ] * 3
    assert found(environ, "http://acme.example") == f"{PROXY} HTTP_PROXY"


def test_within_cgi_a_header_of_the_caller_names_no_proxy() -> None:
    """There, HTTP_PROXY is what a caller sent as `Proxy:`."""
    environ = {"REQUEST_METHOD": "GET", "HTTP_PROXY": "http://evil"}

    assert found(environ, "http://acme.example") is None
    assert found({**environ, "http_proxy": PROXY}, "http://acme.example") == f"{PROXY} http_proxy"


def test_user_and_password_of_a_variable_are_kept_apart() -> None:
    """They are unquoted, sent as Basic, and in no text that the value makes."""
    place = InstanceSettings("prod", "https://acme.example", KEYS)
    proxy = find_proxy(place, {"HTTPS_PROXY": "http://us%40er:p%3Aa%2Fss@proxy.example:3128/"})

    assert proxy is not None
    assert (proxy.url, proxy.user) == (PROXY, "us@er")
    assert proxy.authorization() == "Basic dXNAZXI6cDphL3Nz"
    assert "p:a/ss" not in f"{proxy} {proxy!r}"


@pytest.mark.parametrize(
    "value", ["socks5://hunter2@proxy", "ftp://u:hunter2@proxy", "http://u:hunter2@pro xy", "http://u:hunter2@"]
)
def test_a_variable_that_names_no_proxy_is_an_error_that_repeats_nothing(value: str) -> None:
    """The sentence begins with the name of the variable."""
    with pytest.raises(ConfigError, match=r"^HTTPS_PROXY ") as caught:
        found({"HTTPS_PROXY": value})

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("listed", "host", "port", "expected"),
    [
        ("*", "acme.example", 443, True),
        ("other, *", "acme.example", 443, True),
        ("acme.example", "acme.example", 443, True),
        ("ACME.example", "acme.Example", 443, True),
        ("example", "acme.example", 443, True),
        (".example", "acme.example", 443, True),
        ("cme.example", "acme.example", 443, False),
        ("acme.example:443", "acme.example", 443, True),
        ("acme.example:8443", "acme.example", 443, False),
        ("a, acme.example ,b", "acme.example", 443, True),
        ("", "acme.example", 443, False),
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("10.1.2.3:443", "10.1.2.3", 443, True),
        ("10.1.2.3:8443", "10.1.2.3", 443, False),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.0.0.0/8", "10.example", 443, False),
        ("2001:db8::/32", "2001:db8::7", 443, True),
        ("[2001:db8::7]", "2001:db8::7", 443, True),
        ("[2001:db8::7]:443", "2001:db8::7", 443, True),
        ("[2001:db8::7]:1", "2001:db8::7", 443, False),
        ("10.0.0.0/8,::/0", "2001:db8::7", 443, True),
        ("nonsense/99", "10.1.2.3", 443, False),
    ],
)
def test_no_proxy_names_who_is_spared(listed: str, host: str, port: int, expected: bool) -> None:
    """Names with all below them, addresses, networks; each with a port or without; or everybody."""
    assert bypasses_proxy(host, port, {"NO_PROXY": listed}) is expected
