from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from axsync.convert.exact import Number
from axsync.convert.rescue import restore
from axsync.schema import kinds
from axsync.schema.columns import Column, columns_of, describe_column, group, with_dates
from axsync.schema.kinds import Atom, Group, Kind, Many, Member
from tests.unit.convert.test_lossless import lane_of

NICS = Many(group([("Mac", Atom("text")), ("seen", Many(Atom("timestamp")))]))


def back(kind: Kind, value: object, *, dates: str | None = None, rescued: str | None = None) -> dict[str, Any]:
    """The record of a row with one column `c`, field `F`."""
    return dict(
        restore(
            {"c": value, "axsync_rescued": rescued, "axsync_run_id": "r"},
            lane_of([with_dates(Column("c", "F", "F", kind), dates)]),
        )
    )


def test_a_manifest_entry_is_small() -> None:
    """It names field, type and form of dates; the kind only where the type does not tell it."""
    assert describe_column(Column("c", "F", "F", Many(Atom("timestamp", "rfc1123")))) == {
        "field": "F",
        "type": "list<timestamp[us, tz=UTC]>",
        "dates": "rfc1123",
    }
    assert describe_column(Column("c", "F", "F", NICS)) == {
        "field": "F",
        "type": "list<struct<mac: string, seen: list<timestamp[us, tz=UTC]>>>",
        "dates": "rfc1123",
        "kind": [{"mac": ["Mac", "text"], "seen": ["seen", ["timestamp"]]}],
    }


@pytest.mark.parametrize(
    "kind",
    [
        *(Atom("text"), Atom("json"), Atom("unknown"), Many(Many(Atom("bool"))), NICS, group([("a", Atom("json"))])),
        *(Group(()), group([("a", group([("b", Atom("date"))])), ("c", Many(Atom("number")))])),
        Group((Member("a", "odd name", Atom("integer")),)),
    ],
)
def test_columns_come_back(kind: Kind) -> None:
    """Describing and reading a column are inverse, but for the key on the wire."""
    column = with_dates(Column("c", "F", "F", kind), "iso:T:0:Z")

    assert columns_of(lane_of([column])) == (column,)


@pytest.mark.parametrize(
    "text",
    ["", "int32", "list<string", "struct<a: string", "struct<a string>", "struct<a: int32>", "list<int32>", "string>"],
)
def test_a_type_that_is_not_ours_is_unknown(text: str) -> None:
    """Foreign types are told apart, not misread."""
    assert kinds.from_type(text) is None
    with pytest.raises(ValueError, match="has an unknown type"):
        columns_of({"columns": {"c": {"field": "F", "type": text}}})


@pytest.mark.parametrize("written", ["varchar", [], 5, {"a": "text"}, {"a": [1, "text"]}, ["text", "text"]])
def test_a_kind_that_is_not_ours_is_refused(written: object) -> None:
    """A garbled manifest is an error."""
    with pytest.raises(ValueError, match="is no k"):
        kinds.from_json(written)


@pytest.mark.parametrize(
    ("kind", "value", "served"),
    [
        (Atom("text"), "x", "x"),
        (Atom("number"), 7.0, 7.0),
        (Atom("date"), date(1, 2, 3), "0001-02-03"),
        (Atom("timestamp"), datetime(2026, 11, 2, 10, 11, 12, tzinfo=UTC), "Mon, 02 Nov 2026 10:11:12 GMT"),
        (
            Atom("timestamp"),
            datetime(2026, 11, 2, 11, 11, 12, tzinfo=timezone(timedelta(hours=1))),
            "Mon, 02 Nov 2026 10:11:12 GMT",
        ),
        (Many(Atom("text")), [None, ""], [None, ""]),
        (Atom("json"), '{"a":[1.0,null]}', {"a": [1.0, None]}),
        (Many(Atom("json")), ["1", None, '"x"'], [1, None, "x"]),
        (NICS, [{"mac": None, "seen": None}, None, {"mac": "m", "seen": []}], [{}, None, {"Mac": "m", "seen": []}]),
    ],
)
def test_typed_values_come_back(kind: Kind, value: object, served: object) -> None:
    """Keys as served, dates in their form, missing members missing."""
    assert back(kind, value, dates="rfc1123") == {"F": served}


def test_a_null_column_is_a_missing_key() -> None:
    """Unless the rescue column says otherwise."""
    assert back(Atom("text"), None) == {}
    assert back(Atom("text"), None, rescued='{"F":null}') == {"F": None}


def test_rescued_places_are_laid_over() -> None:
    """Elements, members, unknown keys and whole fields go back to where they were."""
    rescued = '{"F[0].Mac":5,"F[1]":"x","F[2][\\"a b\\"]":[1],"other":{"a":-0.0}}'

    record = back(NICS, [{"mac": None, "seen": []}, None, {"mac": "m", "seen": None}], rescued=rescued)

    assert record == {"F": [{"Mac": 5, "seen": []}, "x", {"Mac": "m", "a b": [1]}], "other": {"a": -0.0}}


def test_the_overflow_column_is_spread() -> None:
    """Its keys are fields of the record."""
    lane = lane_of([Column("a", "A", "A", Atom("text")), Column("rest", "*", "*", Atom("json"))])

    assert lane["columns"]["rest"]["overflow"] is True
    assert restore({"a": "x", "rest": '{"b":[1],"*":null}', "axsync_rescued": None}, lane) == {
        "A": "x",
        "b": [1],
        "*": None,
    }
    with pytest.raises(TypeError):
        restore({"a": "x", "rest": "[1]"}, lane)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(
            ("18446744073709551617", 2**64 + 1),
            ("7.0", 7.0),
            ("0.1", 0.1),
            ("-0.0", -0.0),
            ("-0", -0.0),
            ("1e22", 1e22),
        ),
        *(("0.10000000000000001", Decimal("0.10000000000000001")), ("1e400", Decimal("1e400"))),
        *(("9" * 5000, Decimal("9" * 5000)), ("1e99999999999999999999", Number("1e99999999999999999999"))),
    ],
)
def test_numbers_are_exact(text: str, number: object) -> None:
    """Int, float where it means the same number, else Decimal; its text where Python has no number for it."""
    restored = back(Atom("text"), None, rescued=f'{{"F":{text}}}')["F"]

    assert (type(restored), restored, str(restored)) == (type(number), number, str(number))
