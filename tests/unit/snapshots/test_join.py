"""Which columns are compared, and how."""

import pytest

from axsync.schema.kinds import Atom, Group, Kind, Many, Member
from axsync.snapshots.join import Ignoring, Mode, pair_up
from axsync.sql.dialects import DIALECTS, double_quoted
from tests.unit.snapshots.lakes import KEY, column

TEXT, WHOLE, NUMBER, JSON = Atom("text"), Atom("integer"), Atom("number"), Atom("json")


def group(**members: Kind) -> Group:
    return Group(tuple(Member(name, name, kind) for name, kind in members.items()))


@pytest.mark.parametrize(
    ("before", "after", "mode"),
    [
        (TEXT, TEXT, "same"),
        (Many(group(mac=TEXT)), Many(group(mac=TEXT, ip=TEXT)), "cast"),
        (group(a=Many(group(b=TEXT))), group(a=Many(group(c=TEXT, b=TEXT)), d=WHOLE), "cast"),
        (group(a=TEXT, gone=TEXT), group(a=TEXT, come=TEXT), "cast"),
        # 2^53 + 1 is a whole number and no double.
        (WHOLE, NUMBER, "loose"),
        (group(a=WHOLE), group(a=NUMBER), "loose"),
        (TEXT, JSON, "loose"),
        (Many(TEXT), JSON, "loose"),
        (TEXT, WHOLE, "loose"),
    ],
)
def test_how_two_columns_are_compared(before: Kind, after: Kind, mode: Mode) -> None:
    """Only where a cast loses nothing are the bytes compared; otherwise the served values are."""
    (pair,) = pair_up([KEY, column("x", before)], [KEY, column("x", after)])

    assert pair.mode == mode


def test_fields_are_paired_by_their_axonius_names() -> None:
    """The id is none of them; a field that one side lacks counts as null there."""
    old = [KEY, column("a", served="s.a"), column("b", served="s.b")]
    new = [KEY, column("c", served="s.c"), column("a_2", served="s.a")]

    named = [(p.field, p.before and p.before.name, p.after and p.after.name) for p in pair_up(old, new)]
    assert named == [("s.c", None, "c"), ("s.a", "a", "a_2"), ("s.b", "b", None)]


def test_dates_in_another_form_are_compared_as_served() -> None:
    """The instants may be the same, the texts are not."""
    (pair,) = pair_up([column("t", "timestamp", "rfc1123")], [column("t", "timestamp", "iso:T:0:Z")])

    assert pair.mode == "loose"


@pytest.mark.parametrize(
    ("field", "ignored"),
    [
        ("specific_data.data.fetch_time", True),
        ("specific_data.data.last_seen", True),
        ("specific_data.data.last_seen_preferred", True),
        ("adapters_data.aws_adapter.last_seen", True),
        ("fetch_time", True),
        ("specific_data.data.last_seen_by", False),
        ("specific_data.data.first_seen", False),
        ("specific_data.data.hostname", False),
        ("specific_data.data.uptime", True),
        ("adapters_data.gcp_adapter.last_seen", False),
    ],
)
def test_fields_that_always_move_are_left_out(field: str, ignored: bool) -> None:
    """By the last word of the name; others by glob, and some of them after all."""
    assert Ignoring(("*.uptime",), ("adapters_data.gcp_adapter.*",))(field) is ignored


def test_types_and_names_are_those_of_sql() -> None:
    """Names are quoted, whatever is in them."""
    kind = Many(group(a=Many(Atom("timestamp")), b=group(c=WHOLE)))

    assert DIALECTS["duckdb"].of(kind) == 'STRUCT("a" TIMESTAMP WITH TIME ZONE[], "b" STRUCT("c" BIGINT))[]'
    assert double_quoted('a"b') == '"a""b"'
