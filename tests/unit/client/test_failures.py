import pytest

from axsync.client.failures import host_signal
from axsync.pacing.health import Heard
from tests.unit.api.asked import raw


@pytest.mark.parametrize(
    ("status", "body", "heard"),
    [
        (200, b"{}", "good"),
        (200, b"<html>", "failed"),
        (404, b"<html>", "good"),
        (429, b"{}", "busy"),
        (500, b"{}", "failed"),
        (503, b"{}", "failed"),
    ],
)
def test_an_answer_tells_how_its_host_is(status: int, body: bytes, heard: Heard) -> None:
    """From 500 on it failed, and with a web page in place of JSON; a refusal is the answer of a host that is well."""
    assert host_signal(raw(body, status)) == heard
