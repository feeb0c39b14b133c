import json
import math
import time

import pytest
from hypothesis import given

from axsync.convert.exact import Unreadable, exact_float
from axsync.convert.fit import Rules
from axsync.convert.strict import plain_number
from axsync.model import ID_FIELD
from axsync.schema.columns import Column, Field, group, make_columns, with_dates
from axsync.schema.kinds import Atom, AtomName, Group, Kind, Many, Member, Wrapped
from tests.unit.convert.lake import read
from tests.unit.convert.served import NUMBERS, examples

ID = Column(ID_FIELD, ID_FIELD, ID_FIELD, Atom("text"))
CVE = group([("cve_id", Atom("text")), ("cvss", Atom("number"))])


def column(kind: Kind, field: str = "f", wire: str = "f", dates: str | None = "rfc1123") -> Column:
    """A column of this kind."""
    return with_dates(Column("f", field, wire, kind), dates)


def halves(kind: Kind, value: str, dates: str | None = "rfc1123") -> tuple[object, dict[str, str]]:
    """What becomes of a value in a column `f`: the clean value, or `...` where none is left, and what is rescued."""
    clean = Rules([ID, column(kind, dates=dates)]).clean(f'{{"internal_axon_id":"i","f":{value}}}'.encode())
    return json.loads(clean.json).get("f", ...), clean.rescued


def test_json_depth_is_bounded_for_kept_text() -> None:
    """A JSON column keeps what can be read again, and nothing deeper."""
    assert halves(Atom("json"), "[" * 256 + "]" * 256) == ("[" * 256 + "]" * 256, {})
    with pytest.raises(Unreadable, match="nested deeper"):
        halves(Atom("json"), "[" * 257 + "]" * 257)
    with pytest.raises(Unreadable, match="nested deeper"):
        halves(Atom("text"), "[" * 300 + "]" * 300)


FITS: list[tuple[AtomName, str, object]] = [
    ("text", '"a\\u0000\\u00e9\\ud83d\\ude00"', "a\0é😀"),
    ("text", '""', ""),
    ("integer", "7", 7),
    ("integer", "7.0", 7),
    ("integer", "1e2", 100),
    ("integer", "9223372036854775807", 2**63 - 1),
    ("integer", "-9223372036854775808", -(2**63)),
    ("integer", "-9223372036854775808.000", -(2**63)),
    ("number", "7", 7),
    ("number", "9.80", 9.8),
    ("number", "-0.0", -0.0),
    ("number", "9007199254740992", 2**53),
    ("number", "100000000000000000000000", 10**23),
    ("number", "1E+300", 1e300),
    ("bool", "true", True),
    ("bool", "false", False),
    ("timestamp", '"Mon, 02 Nov 2026 10:11:12 GMT"', "Mon, 02 Nov 2026 10:11:12 GMT"),
    ("date", '"2028-02-29"', "2028-02-29"),
    ("json", '{"a": [1.0]}', '{"a": [1.0]}'),
    ("json", '"x"', '"x"'),
    ("json", "1e400", "1e400"),
]


@pytest.mark.parametrize(("name", "value", "clean"), FITS)
def test_what_fits_is_typed(name: AtomName, value: str, clean: object) -> None:
    """Nothing is rescued, alone, in a list, or in an object."""
    inner = value if name != "json" else value.replace(": ", ":")
    shown = clean if name != "json" else inner

    assert halves(Atom(name), value) == (clean, {})
    assert halves(Many(Atom(name)), f"[null,{inner}]") == ([None, shown], {})
    assert halves(Group((Member("k", "k", Atom(name)),)), f'{{"k":{inner}}}') == ({"k": shown}, {})


MISFITS: list[tuple[AtomName, str, object]] = [
    *(
        ("text", "5", "5"),
        ("text", "true", "true"),
        ("text", "[]", ...),
        ("text", "{}", "{}"),
        ("text", "7.50", "7.50"),
    ),
    *(("text", '"\\ud800"', ...), ("text", "null", ...), ("text", '["a","b"]', "a"), ("text", "[null,5]", "5")),
    *(("integer", '["",5]', 5), ("timestamp", '["never","2026-11-02"]', "Mon, 02 Nov 2026 00:00:00 GMT")),
    *(("integer", "7.5", ...), ("integer", "-0.0", ...), ("integer", '"7"', 7), ("integer", "true", ...)),
    *(("integer", "null", ...), ("integer", '" 07"', 7), ("integer", '"7.5"', ...), ("integer", '"x"', ...)),
    *(("integer", "9223372036854775808", ...), ("integer", "1e400", ...), ("integer", "1e99999999999999999999", ...)),
    *(("number", "9007199254740993", 9007199254740992.0), ("number", "1e400", ...), ("number", '"9.80"', 9.8)),
    *(("number", "0.10000000000000001", 0.1), ("number", '"9.8"', 9.8), ("number", "[9.8]", 9.8)),
    *(("number", "true", ...), ("number", "null", ...), ("number", "1e-400", 0.0), ("number", '"1e400"', ...)),
    *(("number", '"Medium-High"', ...), ("number", '""', ...), ("number", "1152921504606846976", 2.0**60)),
    *(("bool", "0", False), ("bool", "1", True), ("bool", '"true"', True), ("bool", '"FALSE"', False)),
    *(("bool", "null", ...), ("bool", '"yes"', ...), ("bool", "2", ...), ("bool", "[true]", True)),
    *(("timestamp", "5", ...), ("timestamp", '"Tue"', ...), ("timestamp", '""', ...), ("timestamp", "null", ...)),
    ("timestamp", "1793614272", "Mon, 02 Nov 2026 10:11:12 GMT"),
    ("timestamp", "1793614272000", "Mon, 02 Nov 2026 10:11:12 GMT"),
    *(("date", '"2026-02-29"', ...), ("date", '"2026-11-02T00:00:00Z"', "2026-11-02"), ("date", "20000", ...)),
    *(("date", "null", ...), ("json", "null", ...)),
]


@pytest.mark.parametrize(("name", "value", "typed"), MISFITS)
def test_what_does_not_fit_is_rescued(name: AtomName, value: str, typed: object) -> None:
    """Exactly as served, at its very place, and typed where that can be; a null in a list is kept as it is."""
    in_list = {} if value == "null" else {"f[1]": value}
    in_object = {} if typed is ... else {"k": typed}

    assert halves(Atom(name), value) == (typed, {"f": value})
    assert halves(Many(Atom(name)), f"[null,{value}]") == ([None, None if typed is ... else typed], in_list)
    assert halves(Group((Member("k", "n", Atom(name)),)), f'{{"k":{value}}}') == (in_object, {'f["k"]': value})


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity"])
def test_a_token_is_a_number_and_nothing_else(token: str) -> None:
    """Float64 has these values; no JSON text has them."""
    assert Rules([ID, column(Atom("number"))]).clean(f'{{"internal_axon_id":"i","f":{token}}}'.encode()).rescued == {}
    for kind in (Atom("text"), Atom("integer"), Atom("json"), Many(Atom("text"))):
        with pytest.raises(Unreadable, match=f"{token} outside a number column"):
            halves(kind, f"[{token}]")


def test_a_date_in_another_form_is_typed_and_rescued() -> None:
    """The instant is in its column, the text in the rescue column."""
    typed = "Mon, 02 Nov 2026 08:11:12 GMT"

    assert halves(Atom("timestamp"), '"2026-11-02T10:11:12+02:00"') == (typed, {"f": '"2026-11-02T10:11:12+02:00"'})
    assert halves(Atom("timestamp"), f'"{typed}"', dates="iso:T:3:Z") == (
        "2026-11-02T08:11:12.000Z",
        {"f": f'"{typed}"'},
    )


def test_only_what_does_not_fit_is_rescued() -> None:
    """One element of a list, one key of an object, one unknown key: the rest is typed."""
    value = '[{"cve_id":"C1","cvss":"9.8"},{"cve_id":"C2","cvss":7},"x",{"new":{"a":1}},null,{}]'

    assert halves(Many(CVE), value) == (
        [{"cve_id": "C1", "cvss": 9.8}, {"cve_id": "C2", "cvss": 7}, None, {}, None, {}],
        {"f[0].cvss": '"9.8"', "f[2]": '"x"', "f[3].new": '{"a":1}'},
    )


OTHER_SHAPES: list[tuple[Kind, str, object]] = [
    (Many(CVE), "{}", [{}]),
    (Many(CVE), '{"cvss":"9.8"}', [{"cvss": 9.8}]),
    (Many(CVE), '"see console"', ...),
    (Many(Atom("text")), '"x"', ["x"]),
    (Many(Atom("integer")), '"x"', ...),
    (CVE, "[]", ...),
    (CVE, "5", ...),
    (CVE, '[{"cvss":7},{"cvss":8}]', {"cvss": 7}),
    (Many(Atom("text"), bare=True), '["x"]', ["x"]),
    (Many(Atom("text"), bare=True), '["x",5]', ["x", "5"]),
    (Many(Atom("integer"), bare=True), '"7"', [7]),
    (Many(CVE, bare=True), '{"cvss":"9.8"}', [{"cvss": 9.8}]),
    (Wrapped(Atom("text")), '"x"', "x"),
    (Wrapped(Atom("text")), '["x","y"]', "x"),
    (Wrapped(Atom("text")), "[null]", ...),
    (Wrapped(Atom("text")), "[]", ...),
    (Wrapped(CVE), '[{"cvss":"9.8"}]', {"cvss": 9.8}),
    (Atom("integer", "text"), "7", 7),
    (Atom("integer", "text"), '"07"', 7),
    (Atom("number", "text"), '"7"', 7.0),
    (Atom("number", "short text"), '"7.0"', 7.0),
    (Atom("bool", "0/1"), "true", True),
    (Atom("bool", "true/false"), '"TRUE"', True),
    (Atom("timestamp", "epoch"), '"Mon, 02 Nov 2026 10:11:12 GMT"', "2026-11-02T10:11:12.000000Z"),
]


@pytest.mark.parametrize(("kind", "value", "typed"), OTHER_SHAPES)
def test_another_shape_is_typed_and_rescued_whole(kind: Kind, value: str, typed: object) -> None:
    """A value is never missing in its column only because the server chose another shape; as served, it is rescued."""
    assert halves(kind, value) == (typed, {"f": value})


USUAL_SHAPES: list[tuple[Kind, str, object]] = [
    (Many(Atom("text"), bare=True), '"x"', ["x"]),
    (Many(Atom("timestamp", "epoch"), bare=True), "1793614272", ["2026-11-02T10:11:12.000000Z"]),
    (Many(CVE, bare=True), '{"cvss":7}', [{"cvss": 7}]),
    (Wrapped(Atom("text")), '["x"]', "x"),
    (Wrapped(CVE), '[{"cvss":7}]', {"cvss": 7}),
    (Atom("integer", "text"), '"-7"', -7),
    (Atom("number", "text"), '"7.0"', 7.0),
    (Atom("number", "short text"), '"7"', 7.0),
    (Atom("bool", "0/1"), "1", True),
    (Atom("bool", "True/False"), '"False"', False),
    (Atom("timestamp", "epoch_ms"), "1793614272123", "2026-11-02T10:11:12.123000Z"),
    (Group((Member("k", "n", Many(Atom("integer", "text"), bare=True)),)), '{"k":"7"}', {"k": [7]}),
]


@pytest.mark.parametrize(("kind", "value", "clean"), USUAL_SHAPES)
def test_the_columns_own_shape_needs_no_rescue(kind: Kind, value: str, clean: object) -> None:
    """What most values of the column are is written in JSON's own form, and comes back from the column alone."""
    assert halves(kind, value) == (clean, {})


def test_empty_values_stay_distinct() -> None:
    """Missing, null, [], {} and "" are five different things."""
    rules = Rules([ID, column(Many(CVE))])

    cleaned = [
        rules.clean(b'{"internal_axon_id":"i"%s}' % rest) for rest in (b"", b',"f":null', b',"f":[]', b',"f":[{}]')
    ]

    assert [(json.loads(c.json).get("f"), c.rescued) for c in cleaned] == [
        (None, {}),
        (None, {"f": "null"}),
        ([], {}),
        ([{}], {}),
    ]


HOSTNAME = column(Many(Atom("text")), "specific_data.data.hostname", "specific_data.data.hostname")
REGION = column(Atom("text"), "adapters_data.aws_adapter.region", "adapters_data.aws_adapter.region")


@pytest.mark.parametrize("key", ["specific_data.data.hostname", "hostname"])
def test_a_field_may_be_served_under_its_short_name(key: str) -> None:
    """The clean record has the column's own key."""
    clean = Rules([ID, HOSTNAME]).clean(f'{{"internal_axon_id":"i","{key}":["a",5]}}'.encode())

    assert json.loads(clean.json)["specific_data.data.hostname"] == ["a", "5"]
    assert clean.rescued == {"specific_data.data.hostname[1]": "5"}


def test_an_adapter_field_may_be_served_under_its_short_name() -> None:
    """Without the prefix, and without the adapter's suffix."""
    clean = Rules([ID, REGION]).clean(b'{"internal_axon_id":"i","aws.region":"eu"}')

    assert json.loads(clean.json)["adapters_data.aws_adapter.region"] == "eu"


def test_a_short_name_that_is_a_column_of_its_own_is_not_taken() -> None:
    """`labels` is not `specific_data.data.labels` where both are columns."""
    labels = Column("labels", "labels", "labels", Many(Atom("text")))
    both = [ID, labels, column(Many(Atom("text")), "specific_data.data.labels", "specific_data.data.labels")]

    clean = Rules(both).clean(b'{"internal_axon_id":"i","labels":["a"]}')

    assert json.loads(clean.json) == {"internal_axon_id": "i", "labels": ["a"]}


def test_a_short_name_that_two_columns_claim_is_nobodys() -> None:
    """It is rescued under the name it was served with."""
    twin = Column("twin", "adapters_data.aws.region", "adapters_data.aws.region", Atom("text"))

    assert Rules([ID, REGION, twin]).clean(b'{"internal_axon_id":"i","aws.region":"eu"}').rescued == {
        "aws.region": '"eu"'
    }


def test_a_field_served_twice_is_kept_twice() -> None:
    """The full name takes the column, the other spelling is rescued under its own."""
    for raw in (
        b'"hostname":["a"],"specific_data.data.hostname":["b"]',
        b'"specific_data.data.hostname":["b"],"hostname":["a"]',
    ):
        clean = Rules([ID, HOSTNAME]).clean(b'{"internal_axon_id":"i",%s}' % raw)

        assert json.loads(clean.json)["specific_data.data.hostname"] == ["b"]
        assert clean.rescued == {"hostname": '["a"]'}


def test_two_fields_of_one_name_cannot_be_kept() -> None:
    """A record that could not be restored is a dead letter, whole."""
    twins = [ID, column(Atom("text"), "f1", "f2"), Column("g", "f2", "w", Atom("text"))]

    with pytest.raises(Unreadable, match="one field under two keys"):
        Rules(twins).clean(b'{"internal_axon_id":"i","f1":"a","f2":"b","w":"c"}')


def test_strays_are_rescued_whole() -> None:
    """A key that no column has is kept under its own name, ours included."""
    raw = b'{"internal_axon_id":"i","axsync_rescued":{"a":[1.0]},"x[0]":null,"dt":-0.0}'

    assert Rules([ID]).clean(raw).rescued == {"axsync_rescued": '{"a":[1.0]}', '["x[0]"]': "null", "dt": "-0.0"}


def test_strays_go_to_the_overflow_column() -> None:
    """Where there is one, it is an object of all the fields that have no column."""
    rules = Rules([ID, column(Atom("text")), Column("rest", "*", "*", Atom("json"))])

    clean = rules.clean(b'{"internal_axon_id":"i","f":5,"x":null,"*":{"a":[1.0]},"q\\"":"\\ud800"}')

    assert json.loads(clean.json)["*"] == '{"x":null,"*":{"a":[1.0]},"q\\"":"\\ud800"}'
    assert clean.rescued == {"f": "5"}
    assert "*" not in json.loads(rules.clean(b'{"internal_axon_id":"i"}').json)


@pytest.mark.parametrize(
    "record", ["{}", '{"f":1}', '{"internal_axon_id":""}', '{"internal_axon_id":5}', '{"internal_axon_id":null}']
)
@pytest.mark.parametrize("columns", [[ID], [column(Atom("text"))], [column(Atom("number"), ID_FIELD, ID_FIELD)]])
def test_a_record_needs_an_id(record: str, columns: list[Column]) -> None:
    """Without one it cannot be told from others; it goes to the dead letters."""
    with pytest.raises(Unreadable, match="no usable id"):
        Rules(columns).clean(record.encode())
    assert not Rules(columns).accepts(record.encode())


@pytest.mark.parametrize(
    "record",
    [
        '{"internal_axon_id":"i","internal_axon_id":"i"}',
        '{"internal_axon_id":"i","f":[{"cvss":1,"cvss":1}]}',
        '{"internal_axon_id":"i","f":[{"cvss":1,"cvss" :1}]}',
        '{ "internal_axon_id": "i", "f": [{"cvss":1,"cvss":1}] }',
        '{"internal_axon_id":"i","f":[{"cve_id":"\\u0022:","cvss":1,"cvss":1}]}',
        '{"internal_axon_id":"i","x":{"a":1,"a":1}}',
        '{"internal_axon_id":"i","x":[{"a":1e2,"a":1}]}',
        '{"internal_axon_id":"i","x":{"a":{"b":NaN,"b":1}}}',
    ],
)
def test_a_key_served_twice_is_found(record: str) -> None:
    """At any depth, in columns and in strays; which of the two was meant nobody knows."""
    rules = Rules([ID, column(Many(CVE))])

    assert not rules.accepts(record.encode())
    with pytest.raises(Unreadable, match="twice in one object"):
        rules.clean(record.encode())


@pytest.mark.parametrize(
    "rest",
    [
        '"f":null',
        '"f":[{"cvss":null}]',
        '"f":[{"cvss":9007199254740993}]',
        '"g":1',
        '"f":[{"x":1}]',
        '"f":{}',
        '"f":["x"]',
        '"f":[{"cve_id":"\\ud800"}]',
        '"f":[{"cvss":NaN}]',
        '"d":"2026-11-02"',
        '"d":"Tue, 02 Nov 2026 10:11:12 GMT"',
        '"j":"x"',
    ],
)
def test_what_pyarrow_would_bend_is_not_accepted(rest: str) -> None:
    """The fast path refuses, loses or rounds each of these."""
    columns = [ID, column(Many(CVE)), column(Atom("timestamp"), "d", "d"), column(Atom("json"), "j", "j")]

    assert not Rules(columns).accepts(f'{{"internal_axon_id":"i",{rest}}}'.encode())


@pytest.mark.parametrize(
    "rest", ["", ',"f":[]', ',"f":[null,{},{"cvss":7}]', ', "f": [ {"cvss": 9.8, "cve_id": "\\u00e9"} ]']
)
def test_the_usual_record_is_accepted(rest: str) -> None:
    """Spaces and escapes are no reason to refuse."""
    assert Rules([ID, column(Many(CVE))]).accepts(f'{{"internal_axon_id":"i"{rest}}}'.encode())


def test_keys_that_msgspec_does_not_take_are_cleaned() -> None:
    """A quote in a column's key costs speed, nothing else."""
    rules = Rules([ID, Column("q", 'q"', 'q"', group([('m"', Atom("integer"))]))])
    raw = b'{"internal_axon_id":"i","q\\"":{"m\\"":5}}'

    assert not rules.accepts(raw)
    assert json.loads(rules.clean(raw).json) == json.loads(raw)


@pytest.mark.alone
def test_many_keys_take_a_moment() -> None:
    """A hundred thousand keys in one record, or elements in one list, are no denial of service."""
    rules = Rules([ID, column(Many(Atom("integer")))])
    began = time.perf_counter()

    strays = rules.clean(json.dumps({"internal_axon_id": "i", **{f"k{n}": n for n in range(100_000)}}).encode())
    items = rules.clean(json.dumps({"internal_axon_id": "i", "f": ["x"] * 100_000}).encode())

    assert len(strays.rescued) == len(items.rescued) == 100_000
    assert time.perf_counter() - began < 10


def test_columns_of_a_lane_are_compiled_whatever_their_number() -> None:
    """Two thousand columns are the cap that a lane may have."""
    columns = make_columns([Field(ID_FIELD, Atom("text")), *(Field(f"f{n}", Many(CVE)) for n in range(2_000))])

    assert Rules(columns).accepts(b'{"internal_axon_id":"i","f1999":[{"cvss":7}],"f3":[]}')


class TestNumbers:
    """What goes to a number column is the very number that was served."""

    @examples(500)
    @given(NUMBERS)
    def test_pyarrow_reads_what_we_promise(self, text: str) -> None:
        """A number reads as the float that means it; where none does, the nearest is typed and the text rescued."""
        clean = Rules([ID, column(Atom("number"))]).clean(f'{{"internal_axon_id":"i","f":{text}}}'.encode())
        (row,) = read([ID, column(Atom("number"))], [clean.json])

        exactly = exact_float(text)
        near = None if math.isinf(float(text)) else float(text)
        assert row["f"] == (near if exactly is None else exactly)
        assert bool(clean.rescued) == (exact_float(text) is None)
        assert not plain_number(text.encode()) or exact_float(text) is not None
