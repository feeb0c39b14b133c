import orjson
import pytest

from axsync.api import Api, v1, v2
from axsync.client.source import Catalogues
from axsync.errors import BadAnswer
from axsync.model import Reply


def reply(*names: str) -> Reply:
    """A catalogue of v2 that lists text fields of these names."""
    listed = [{"name": f"specific_data.data.{name}", "type": "string"} for name in names]
    return Reply(200, {}, orjson.dumps({"generic": listed}))


def test_the_same_bytes_are_read_once() -> None:
    """Two hundred instances of one version have one catalogue in memory."""
    catalogues = Catalogues()
    first = catalogues.read(v2, reply("hostname"), "a")

    assert catalogues.read(v2, reply("hostname"), "b") is first
    assert catalogues.read(v2, reply("name"), "a") != first


def test_no_more_fields_are_remembered_than_may_be() -> None:
    """The catalogue that was not asked for longest goes first; one that is too large is read and not kept."""
    catalogues = Catalogues(most=2 * len(v2.read_fields(reply("a"), "")))
    first, second = catalogues.read(v2, reply("a"), ""), catalogues.read(v2, reply("b"), "")
    catalogues.read(v2, reply("a"), "")
    catalogues.read(v2, reply("c"), "")

    assert catalogues.read(v2, reply("a"), "") is first
    assert catalogues.read(v2, reply("b"), "") is not second
    assert len(catalogues.read(v2, reply(*"defghijklm"), "")) > len(first)


@pytest.mark.parametrize("api", [v1, v2])
def test_what_is_no_catalogue_is_told_each_time(api: Api) -> None:
    """With the host that sent it."""
    catalogues = Catalogues()
    for host in ("one.example", "two.example"):
        with pytest.raises(BadAnswer, match=host):
            catalogues.read(api, Reply(200, {}, b"<html>"), host)
