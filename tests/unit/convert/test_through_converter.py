"""The rules and the converter together: whole pages, fast way and exact way, come back record by record."""

from datetime import UTC, datetime
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from axsync.convert import Converter
from axsync.convert.exact import Unreadable
from axsync.convert.fit import Rules
from axsync.convert.rescue import restore
from axsync.schema.columns import Column, describe_column
from tests.unit.convert.lake import oracle, same
from tests.unit.convert.served import examples, lanes

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def page(raws: list[bytes], key: Literal["assets", "data"]) -> bytes:
    """A page with these records."""
    entries = raws if key == "assets" else [b'{"type":"d","id":"1","attributes":%s}' % raw for raw in raws]
    return b'{"%s":[%s],"meta":{"page":{"number":1}}}' % (key.encode(), b",".join(entries))


def is_readable(rules: Rules, raw: bytes) -> bool:
    """Whether the rules can keep the record."""
    try:
        return bool(rules.clean(raw).json)
    except Unreadable:
        return False


class TestPages:
    """A page through the converter loses nothing, and buries only what no rule can keep."""

    @examples(150)
    @given(lanes(rows=5), st.sampled_from(["assets", "data"]))
    def test_pages_come_back(
        self, lane: tuple[tuple[Column, ...], list[bytes]], key: Literal["assets", "data"]
    ) -> None:
        """Whichever way the page took."""
        columns, raws = lane

        converted = Converter(columns, rows_key=key, run_id="r").convert(page(raws, key), page=0, fetched_at=NOW)

        rules, entry = Rules(columns), {"columns": {column.name: describe_column(column) for column in columns}}
        readable = [raw for raw in raws if is_readable(rules, raw)]
        assert [same(restore(row, entry)) for row in converted.batch.to_pylist()] == [
            same(oracle(r, columns)) for r in readable
        ]
        assert len(converted.dead) == len(raws) - len(readable)
