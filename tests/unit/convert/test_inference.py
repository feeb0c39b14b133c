import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.convert import rescue
from axsync.convert.exact import Unreadable
from axsync.convert.fit import Rules
from axsync.convert.inference import infer_columns
from axsync.convert.rescue import restore
from axsync.model import ID_FIELD
from axsync.schema import kinds
from axsync.schema.columns import Column, describe_column, group
from axsync.schema.kinds import Atom, Group, Kind, Many, Wrapped, contains, drop_forms, type_text
from tests.unit.convert.lake import oracle, same, table
from tests.unit.convert.served import VALUES, examples

UNKNOWN, TEXT, TIMESTAMP = Atom("unknown"), Atom("text"), Atom("timestamp")
RFC = "Mon, 02 Nov 2026 10:11:12 GMT"


def settled(
    kind: Kind, *values: object, field: str = "f", guess: bool = False, earlier: Kind | None = None
) -> tuple[Kind, str | None]:
    """Kind and form of dates of a column in whose field these values were served."""
    before, known = ({field: earlier}, {field: drop_forms(earlier)}) if earlier else (None, None)
    records = [json.dumps({field: value}).encode() for value in values]
    (column,) = infer_columns(
        [Column("c", field, field, kind)], records, guess_dates=guess, known=known, earlier=before
    )
    return column.kind, column.dates


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ((), "string"),
        ((None, None), "string"),
        (("a", ""), "string"),
        ((1, 2), "int64"),
        ((1, 2.5, 3), "double"),
        ((2**64, 1), "double"),
        ((True, False), "bool"),
        ((RFC, RFC), "timestamp[us, tz=UTC]"),
        ((RFC, "x"), "string"),
        (("a", 1), "json"),
        (("a", "b", 1), "string"),
        (([], []), "list<string>"),
        (([1], [None, 2], []), "list<int64>"),
        (([[1]], []), "list<list<int64>>"),
        (({"a": 1, "B": [True]}, {"a": 2, "c": {}}), "struct<a: int64, b: list<bool>, c: json>"),
        (([{"a": "x"}], [{"a": RFC}]), "list<struct<a: string>>"),
        (({}, {}), "json"),
        (({f"k{n}": n for n in range(101)},), "json"),
        (({"\ud800": 1, "a": 1},), "struct<a: int64>"),
    ],
)
def test_unknown_kinds_are_what_is_served(values: tuple[object, ...], kind: str) -> None:
    """Most values decide; where they do not agree, or keys look like data, it is JSON."""
    assert type_text(settled(UNKNOWN, *values)[0]) == kind


def test_deep_values_become_json() -> None:
    """Types are not nested without end."""
    value: object = 1
    for _ in range(12):
        value = {"a": value}

    assert type_text(settled(UNKNOWN, value)[0]).count("struct") == 8


def test_unknown_places_inside_known_kinds_are_settled() -> None:
    """Elements and members are looked at where they are."""
    kind = Many(group([("a", UNKNOWN), ("b", Many(UNKNOWN)), ("c", TEXT)]))

    found, _ = settled(kind, [{"a": 1}, {"b": [True]}], [{"c": "x"}])

    assert type_text(found) == "list<struct<a: int64, b: list<bool>, c: string>>"


def test_an_object_without_keys_becomes_json() -> None:
    """Parquet has no type for it."""
    assert settled(Many(Group(())))[0] == Many(Atom("json"))


def test_the_most_frequent_form_is_the_columns() -> None:
    """In lists and objects too; without any date it is the form of the server's own."""
    assert settled(TIMESTAMP, "2026-11-02", "2026-11-03", RFC)[0] == Atom("timestamp", "day")
    assert settled(Many(TIMESTAMP), ["2026-11-02T10:11:12Z", None], [])[0] == Many(Atom("timestamp", "iso:T:0:Z"))
    assert settled(group([("a", TIMESTAMP)]), {"a": "2026-11-02 10:11:12"})[1] == "iso:S:0:none"
    assert settled(TIMESTAMP)[0] == Atom("timestamp", "rfc1123")
    assert settled(TEXT, RFC) == (TEXT, None)
    assert settled(Many(group([("a", TIMESTAMP), ("b", TIMESTAMP)])), [{"a": RFC, "b": 1793614272}])[0] == Many(
        group([("a", Atom("timestamp", "rfc1123")), ("b", Atom("timestamp", "epoch"))])
    )


@pytest.mark.parametrize(
    ("field", "values", "kind"),
    [
        ("specific_data.data.name", (RFC, "", None), TIMESTAMP),
        ("specific_data.data.name", (RFC, "2026-11-02"), TEXT),
        ("specific_data.data.last_seen", (), TIMESTAMP),
        ("specific_data.data.last_seen", ("", None), TIMESTAMP),
        ("specific_data.data.last_seen", ("never",), TEXT),
        ("specific_data.data.last_seen", (5,), Atom("integer")),
        ("specific_data.data.last_seen", (1793614272,), TIMESTAMP),
        ("specific_data.data.last_seen_preferred", (*[1793614272] * 9, 0), TIMESTAMP),
        ("specific_data.data.last_password_change", (1793614272,), TIMESTAMP),
        ("specific_data.data.size", (1793614272,), Atom("integer")),
        ("specific_data.data.name", (), TEXT),
    ],
)
def test_dates_are_guessed_when_asked(field: str, values: tuple[object, ...], kind: Kind) -> None:
    """By what is served, else by the name."""
    assert drop_forms(settled(TEXT, *values, field=field, guess=True)[0]) == kind
    if all(isinstance(value, str | None) for value in values):
        assert settled(TEXT, *values, field=field)[0] == TEXT


def test_members_are_guessed_by_their_keys() -> None:
    """The same inside objects."""
    kind = group([("last_seen", TEXT), ("name", TEXT)])

    assert type_text(settled(kind, guess=True)[0]) == "struct<last_seen: timestamp[us, tz=UTC], name: string>"


@pytest.mark.parametrize(
    ("kind", "values", "earlier", "expected"),
    [
        (UNKNOWN, (1,), "string", "string"),
        (UNKNOWN, (1,), "list<bool>", "list<bool>"),
        (Many(UNKNOWN), ([1],), "list<double>", "list<double>"),
        (Many(UNKNOWN), ([1],), "double", "double"),
        (Atom("timestamp"), (RFC,), "list<timestamp[us, tz=UTC]>", "list<timestamp[us, tz=UTC]>"),
        (TEXT, (RFC,), "string", "string"),
        (TEXT, ("x",), "timestamp[us, tz=UTC]", "json"),
        (TEXT, (RFC,), "int64", "json"),
        (TEXT, (RFC, 5, 6), "int64", "int64"),
        (Many(group([("a", UNKNOWN)])), ([{"a": 1}],), "list<struct<a: string>>", "list<struct<a: string>>"),
    ],
)
def test_an_earlier_type_wins_over_a_guess(kind: Kind, values: tuple[object, ...], earlier: str, expected: str) -> None:
    """A column keeps its type though today's first page looks different; JSON is for what cannot be reconciled."""
    assert type_text(settled(kind, *values, guess=True, earlier=kinds.from_type(earlier))[0]) == expected


SHAPES: list[tuple[Kind, tuple[object, ...], Kind]] = [
    (Many(TEXT), ("a", "b", ["c"]), TEXT),
    (Many(TEXT), ("a", ["c"]), Many(TEXT)),
    (TEXT, (["a"], ["b", "c"], "d"), Many(TEXT)),
    (TEXT, (["a"], "d"), TEXT),
    (Many(TIMESTAMP), (RFC, RFC, [RFC]), Atom("timestamp", "rfc1123")),
    (Many(group([("a", TEXT)])), ({"a": "x"}, {"a": "y"}), group([("a", TEXT)])),
    (group([("a", TEXT)]), ([{"a": "x"}], [{"a": "y"}, {}]), Many(group([("a", TEXT)]))),
    (group([("a", TEXT)]), ({"a": "x", "b": 1}, {"b": 2}, {"c": 3}), group([("a", TEXT), ("b", Atom("integer"))])),
    (TEXT, (1, 2, "x"), Atom("integer")),
    (TEXT, (1, "x"), TEXT),
    (Atom("integer"), ("x", "y", 5), TEXT),
    (Atom("integer"), ("5", "6", 7), Atom("integer", "text")),
    (Atom("integer"), (7.5, 2.5, 7), Atom("number")),
    (Atom("number"), ("7.0", "9.8"), Atom("number", "text")),
    (Atom("number"), ("7", "9.8"), Atom("number", "short text")),
    (Atom("bool"), (0, 1, 1), Atom("bool", "0/1")),
    (Atom("bool"), ("true", "false", True), Atom("bool", "true/false")),
    (Atom("bool"), (0, 1, 2, 3, 4), Atom("integer")),
    (TIMESTAMP, (1793614272, 1793614273), Atom("timestamp", "epoch")),
    (TIMESTAMP, (1793614272123,), Atom("timestamp", "epoch_ms")),
    (TIMESTAMP, ("2026-11-02 10:11:12.123456",), Atom("timestamp", "iso:S:6:none")),
    (TIMESTAMP, ("never", "always", RFC), TEXT),
    (Atom("date"), (RFC, RFC, "2026-11-02"), Atom("timestamp", "rfc1123")),
    (Atom("date"), ("2026-11-02", RFC), Atom("date")),
    (Many(UNKNOWN), (5, 6), Atom("integer")),
    (Many(Atom("json")), ("a", "b"), Atom("json")),
    (Many(Atom("json")), (["a"], [{"b": 1}]), Many(Atom("json"))),
    (Many(Group(())), (), Many(Atom("json"))),
    (Many(Group(())), ([{"a": 1}],), Many(group([("a", Atom("integer"))]))),
    (Many(Group(())), ([5],), Many(Atom("integer"))),
    (TIMESTAMP, ("2026-11-02T10:11:12+02:00",), Atom("timestamp", "iso:T:0:+02:00")),
    (TIMESTAMP, ("2026-11-02 10:11:12.1Z",), Atom("timestamp", "iso:S:1:Z")),
    (Many(Atom("integer")), ([], None), Many(Atom("integer"))),
]


@pytest.mark.parametrize(("prior", "values", "kind"), SHAPES)
def test_most_values_overrule_the_catalogue(prior: Kind, values: tuple[object, ...], kind: Kind) -> None:
    """Scalar or list, object or list of objects, the kind inside and its form; a tie leaves the catalogue's word."""
    assert settled(prior, *values)[0] == kind


@pytest.mark.parametrize(
    ("earlier", "values", "kind"),
    [
        (Many(TIMESTAMP), (RFC, RFC), Many(Atom("timestamp", "rfc1123"), bare=True)),
        (Many(TEXT), ("a", ["b"]), Many(TEXT)),
        (TEXT, (["a"], ["b"]), Wrapped(TEXT)),
        (TEXT, (["a", "b"], ["b", "c"], ["d"]), Many(TEXT)),
        (TEXT, ("a", "b", ["b", "c"]), TEXT),
        (group([("a", TEXT)]), ([{"a": "x"}],), Wrapped(group([("a", TEXT)]))),
        (Many(group([("a", TEXT)])), ({"a": ["x"]},), Many(group([("a", Wrapped(TEXT))]), bare=True)),
        (Atom("integer"), ("5", "6"), Atom("integer", "text")),
        (Many(Atom("bool"), bare=True), (), Many(Atom("bool"), bare=True)),
        (Atom("timestamp", "day"), (), Atom("timestamp", "day")),
        (TEXT, (5, 6), TEXT),
    ],
)
def test_a_column_of_an_earlier_snapshot_keeps_its_type(earlier: Kind, values: tuple[object, ...], kind: Kind) -> None:
    """What changed is only how its values are served; most of them lists, and not all of one element, widen it."""
    assert settled(UNKNOWN, *values, earlier=earlier)[0] == kind


def test_a_rare_field_is_looked_for_in_the_whole_page() -> None:
    """Its first values may come after those that settle the others."""
    records = [b'{"f":1}'] * 600 + [b'{"f":1,"g":[{"mac":"m"}]}']
    columns = [Column("f", "f", "f", UNKNOWN), Column("g", "g", "g", Many(Group(())))]

    found = infer_columns(columns, records)

    assert [c.kind for c in found] == [Atom("integer"), Many(group([("mac", TEXT)]))]


def test_other_spellings_and_bad_records_are_seen_through() -> None:
    """Short keys count; what cannot be read does not."""
    column = Column("c", "specific_data.data.f", "specific_data.data.f", Many(UNKNOWN))

    (found,) = infer_columns([column], [b'{"f":[1]}', b"{", b'{"f":[1],"f":["x"]}'])

    assert found.kind == Many(Atom("integer"))


class TestAnySample:
    """Whatever is served, nothing is left open and nothing is lost."""

    @examples(200)
    @given(st.lists(VALUES, max_size=4), VALUES, st.booleans())
    def test_resolved_columns_hold_any_record(self, sampled: list[str], later: str, guess: bool) -> None:
        """Records of the sample and later ones come back."""
        columns = [
            Column(ID_FIELD, ID_FIELD, ID_FIELD, TEXT),
            Column("f", "f", "f", UNKNOWN),
            Column("g", "g", "g", Many(UNKNOWN)),
        ]
        raws = [f'{{"internal_axon_id":"i","f":{v},"g":[{v}]}}'.encode() for v in (*sampled, later)]
        resolved = infer_columns(columns, raws[:-1], guess_dates=guess)
        lane = {"columns": {column.name: describe_column(column) for column in resolved}}
        assert not any(contains(column.kind, "unknown") for column in resolved)

        for raw in raws:
            try:
                clean = Rules(resolved).clean(raw)
            except Unreadable as error:
                assert error.reason.endswith("twice in one object")  # noqa: PT017  # most records do not raise
                continue
            (row,) = table(resolved, [clean.json], [rescue.write_rescued(clean.rescued)]).to_pylist()
            assert same(restore(row, lane)) == same(oracle(raw, resolved))
