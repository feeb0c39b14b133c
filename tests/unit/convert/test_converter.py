import json
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axsync.convert import Converted, Converter
from axsync.convert.converter import FEW_RUNS
from axsync.convert.page_bytes import CutPage
from axsync.convert.rescue import restore
from axsync.model import ID_FIELD, DeadLetter
from axsync.schema.columns import RESCUED, Column, arrow_schema, describe_column
from axsync.schema.kinds import Atom, Group, Kind, Many, Member
from tests.examples import scaled
from tests.unit.convert.lake import oracle, same
from tests.unit.convert.pages import (
    ID,
    NOW,
    AlwaysCleaned,
    Key,
    NeverCareful,
    NeverFast,
    columns_of,
    convert,
    page,
    record,
    rows,
)
from tests.unit.convert.served import columns, examples, fitting, lanes, object_text, quoted

KEYS = st.sampled_from(["assets", "data"])
METAS = st.sampled_from(["last", "first", "missing"])
GAPS = st.sampled_from(["", " ", "\n  "])
NIC = Group((Member("mac", "mac", Atom("text")), Member("Last Seen", "last_seen", Atom("timestamp"))))
DEVICE = columns_of(
    ("labels", Many(Atom("text"))),
    ("cvss", Many(Atom("number"))),
    ("count", Atom("integer")),
    ("seen", Many(Atom("timestamp"))),
    ("day", Atom("date")),
    ("up", Atom("bool")),
    ("nics", Many(NIC)),
)
GOOD = record(
    labels=["a", "ü"],
    cvss=[9.8, 7, None],
    count=41873,
    seen=["Mon, 02 Nov 2026 10:11:12 GMT", None],
    day="2026-11-23",
    up=True,
    nics=[{"mac": "02:00", "Last Seen": "Sun, 01 Nov 2026 00:00:00 GMT"}, {}],
)


def converter(of: tuple[Column, ...], key: Key = "assets", kind: type[Converter] = Converter) -> Converter:
    """A lane's converter."""
    return kind(of, rows_key=key, run_id="20261123T020000Z-7f3a")


def lane_of(of: tuple[Column, ...]) -> dict[str, Any]:
    """The lane's entry in a manifest, as read from a file."""
    entry: dict[str, Any] = json.loads(json.dumps({"columns": {c.name: describe_column(c) for c in of}}))
    return entry


def told(converted: Converted) -> tuple[object, ...]:
    """Everything that a conversion says."""
    return rows(converted.batch), converted.dead, converted.drift, converted.fingerprint


def restored(converted: Converted, of: tuple[Column, ...]) -> list[object]:
    """The served records of all rows, in a form that can be compared."""
    lane = lane_of(of)
    return [same(restore(row, lane)) for row in converted.batch.to_pylist()]


@given(lanes(rows=4), KEYS, METAS, GAPS)
@examples(120)
def test_every_way_gives_the_same_batch(
    lane: tuple[tuple[Column, ...], list[bytes]], key: Key, meta: str, gap: str
) -> None:
    """Fast or split, touched or untouched: rows, dead letters, drift and fingerprint are the same."""
    of, records = lane
    body = page(records, key, meta=meta, gap=gap)

    ways = [told(convert(converter(of, key, kind), body)) for kind in (Converter, NeverFast, AlwaysCleaned)]

    assert ways[0] == ways[1] == ways[2]


@pytest.mark.parametrize("kind", [Atom("integer"), Atom("timestamp", "epoch"), Atom("bool", "0/1")], ids=str)
def test_minus_nought_is_nought_on_every_way(kind: Kind) -> None:
    """JSON's -0, where integers are served: in its column, and no mismatch."""
    of, body = columns_of(("seen", kind)), page([record(seen=0).replace(b'"seen": 0', b'"seen": -0')])

    ways = [told(convert(converter(of, "assets", way), body)) for way in (Converter, NeverFast, AlwaysCleaned)]

    assert b"-0" in body
    assert ways[0] == ways[1] == ways[2]
    assert ways[0][2] == {}


@given(lanes(rows=4), KEYS, METAS)
@examples(100)
def test_every_row_gives_back_the_served_record(
    lane: tuple[tuple[Column, ...], list[bytes]], key: Key, meta: str
) -> None:
    """What is not a dead letter is restored exactly; both together are the page, in its order."""
    of, records = lane

    converted = convert(converter(of, key), page(records, key, meta=meta))

    dead = {letter.position for letter in converted.dead}
    served = [same(oracle(raw, of)) for place, raw in enumerate(records) if place not in dead]
    assert restored(converted, of) == served
    assert converted.served == len(records)


@st.composite
def clean_lanes(draw: st.DrawFn) -> tuple[tuple[Column, ...], list[bytes]]:
    """Columns, and records without any drift, every key as the lane's own."""
    of = draw(columns())
    made = []
    for _ in range(draw(st.integers(1, 4))):
        pairs = [(c.json_key, draw(fitting(c.kind, 0))) for c in of if c.field != ID_FIELD]
        made.append(object_text([(ID_FIELD, quoted(ID)), *pairs]).encode())
    return of, made


@given(clean_lanes(), KEYS)
@examples(50)
def test_one_drifted_record_changes_no_other_row(lane: tuple[tuple[Column, ...], list[bytes]], key: Key) -> None:
    """A page with one record that needs care has the rows of the page without it."""
    of, records = lane
    of = tuple(c for c in of if c.field != "*")
    odd = record(**{"a field that nobody lists": 1})

    with_it = convert(converter(of, key), page([*records, odd], key))
    without = convert(converter(of, key), page(records, key))

    assert rows(with_it.batch)[:-1] == rows(without.batch)
    assert with_it.batch.to_pylist()[-1][RESCUED] == '{"a field that nobody lists":1}'


@pytest.mark.parametrize("key", ["assets", "data"])
@pytest.mark.parametrize("meta", ["last", "missing"])
def test_a_usual_page_takes_the_fast_path(key: Key, meta: str) -> None:
    """No record of it is looked at alone."""
    converted = convert(converter(DEVICE, key, NeverCareful), page([GOOD] * 3, key, meta=meta))

    row = converted.batch.to_pylist()[0]
    assert converted.batch.num_rows == 3
    assert row["nics"] == [
        {"mac": "02:00", "last_seen": datetime(2026, 11, 1, tzinfo=UTC)},
        {"mac": None, "last_seen": None},
    ]
    assert (row["day"], row["count"], row["cvss"]) == (date(2026, 11, 23), 41873, [9.8, 7.0, None])
    assert row[RESCUED] is None


def test_each_row_tells_its_run_and_moment() -> None:
    """The same for the whole page."""
    row = convert(converter(DEVICE), page([GOOD])).batch.to_pylist()[0]

    assert row["axsync_run_id"] == "20261123T020000Z-7f3a"
    assert row["axsync_fetched_at"] == NOW


def test_the_batch_has_the_schema_of_the_lane() -> None:
    """With the Axonius names in it, whichever way the page took."""
    for kind in (Converter, NeverFast):
        batch = convert(converter(DEVICE, kind=kind), page([GOOD])).batch
        assert batch.schema.equals(arrow_schema(DEVICE), check_metadata=True)


@pytest.mark.parametrize("key", ["assets", "data"])
@pytest.mark.parametrize("meta", ["last", "first", "missing"])
def test_an_empty_page_is_an_empty_batch(key: Key, meta: str) -> None:
    """Of the lane's schema."""
    converted = convert(converter(DEVICE, key), page([], key, meta=meta))

    assert converted.batch.num_rows == converted.served == 0
    assert converted.batch.schema == arrow_schema(DEVICE)


NEEDS_CARE: list[tuple[str, bytes, str | None]] = [
    ("null member", b'"count":null', '{"count":null}'),
    ("null in an object", b'"nics":[{"mac":null}]', '{"nics[0].mac":null}'),
    ("stray key", b'"odd":1', '{"odd":1}'),
    ("stray key in an object", b'"nics":[{"x":"y"}]', '{"nics[0].x":"y"}'),
    ("text for a number", b'"cvss":[7,"9.8"]', '{"cvss[1]":"9.8"}'),
    ("fraction for an integer", b'"count":1.5', '{"count":1.5}'),
    ("too large an integer", b'"count":18446744073709551621', '{"count":18446744073709551621}'),
    ("scalar for a list", b'"labels":"a"', '{"labels":"a"}'),
    ("list for a scalar", b'"count":[1]', '{"count":[1]}'),
    ("text for a bool", b'"up":"true"', '{"up":"true"}'),
    ("wrong weekday", b'"seen":["Fri, 02 Nov 2026 10:11:12 GMT"]', '{"seen[0]":"Fri, 02 Nov 2026 10:11:12 GMT"}'),
    ("date of another form", b'"seen":["2026-11-02"]', '{"seen[0]":"2026-11-02"}'),
    ("30 February", b'"day":"2026-02-30"', '{"day":"2026-02-30"}'),
    ("too many digits", b'"cvss":[0.10000000000000001]', '{"cvss[0]":0.10000000000000001}'),
    ("sixteen digits", b'"cvss":[9.000000000000001]', '{"cvss[0]":9.000000000000001}'),
    ("beyond 2^53", b'"cvss":[9007199254740993]', '{"cvss[0]":9007199254740993}'),
    ("beyond all doubles", b'"cvss":[1e400]', '{"cvss[0]":1e400}'),
    ("below all doubles", b'"cvss":[1e-400]', '{"cvss[0]":1e-400}'),
    ("lone surrogate", b'"labels":["\\ud800"]', '{"labels[0]":"\\ud800"}'),
    ("whole float for an integer", b'"count":7.0', None),
    ("a large double", b'"cvss":[1e22]', None),
    ("a subnormal double", b'"cvss":[5e-324]', None),
]


@pytest.mark.parametrize(("members", "rescued"), [c[1:] for c in NEEDS_CARE], ids=[c[0] for c in NEEDS_CARE])
@pytest.mark.parametrize("key", ["assets", "data"])
def test_what_pyarrow_would_change_is_rescued(members: bytes, rescued: str | None, key: Key) -> None:
    """Exactly that value; the record's other values and the page's other records are as they were."""
    odd = b'{"internal_axon_id":"%b",%b}' % (ID.encode(), members)

    converted = convert(converter(DEVICE, key), page([GOOD, odd, GOOD], key))

    plain, row, last = converted.batch.to_pylist()
    assert row[RESCUED] == rescued
    assert plain == last == convert(converter(DEVICE, key), page([GOOD], key)).batch.to_pylist()[0]
    assert restored(converted, DEVICE)[1] == same(oracle(odd, DEVICE))


DEAD: list[tuple[str, bytes, str]] = [
    ("no id", b'{"labels":[]}', "no usable id"),
    ("id is null", b'{"internal_axon_id":null}', "no usable id"),
    ("id is empty", b'{"internal_axon_id":""}', "no usable id"),
    ("id is a number", b'{"internal_axon_id":7}', "no usable id"),
    ("key twice", b'{"internal_axon_id":"a","up":true,"up":false}', 'key "up" twice in one object'),
    ("deep", b'{"internal_axon_id":"a","odd":' + b"[" * 300 + b"]" * 300 + b"}", "nested deeper than 256 levels"),
    ("not UTF-8", b'{"internal_axon_id":"a","labels":["\xff"]}', "not UTF-8 at byte 1"),
    ("NaN among texts", b'{"internal_axon_id":"a","labels":[NaN]}', "NaN outside a number column"),
]


@pytest.mark.parametrize(("bad", "reason"), [c[1:] for c in DEAD], ids=[c[0] for c in DEAD])
def test_a_record_that_cannot_be_kept_is_a_dead_letter(bad: bytes, reason: str) -> None:
    """Raw, with its place in the page; the others go on."""
    converted = convert(converter(DEVICE), page([GOOD, bad, GOOD]))

    assert converted.dead == (DeadLetter(3, 1, reason, bad),)
    assert converted.batch.num_rows == 2
    assert converted.served == 3


def test_a_page_of_dead_letters_has_no_rows() -> None:
    """It is a page all the same."""
    converted = convert(converter(DEVICE), page([b"{}", b"7", b"null"]))

    assert (converted.batch.num_rows, converted.served) == (0, 3)
    assert [letter.position for letter in converted.dead] == [0, 1, 2]


def test_a_v1_entry_without_attributes_is_a_dead_letter() -> None:
    """It stands for itself."""
    body = b'{"data":[{"type":"t","id":"x"},{"type":"t","id":"y","attributes":%b}],"meta":{}}' % GOOD

    converted = convert(converter(DEVICE, "data"), body)

    assert converted.dead == (DeadLetter(3, 0, "no usable id", b'{"type":"t","id":"x"}'),)
    assert converted.batch.num_rows == 1


@pytest.mark.parametrize("key", ["assets", "data"])
@given(data=st.data())
@settings(max_examples=scaled(60))
def test_a_cut_page_is_no_smaller_page(key: Key, data: st.DataObject) -> None:
    """Wherever it is cut."""
    body = page([GOOD, record(odd=1)], key)
    cut = body[: data.draw(st.integers(0, len(body) - 1))]

    with pytest.raises(CutPage):
        convert(converter(DEVICE, key), cut)


def test_drift_is_told_per_field() -> None:
    """How many values of it were rescued, and the type of one of them."""
    odd = [record(cvss=["9.8", "x"]), record(cvss={"a": 1}), record(other=None)]

    converted = convert(converter(DEVICE), page([GOOD, *odd]))

    assert converted.drift == {"cvss": (3, "object"), "other": (1, "null")}


def test_a_json_column_holds_any_value() -> None:
    """As its text, exactly."""
    of = columns_of(("tree", Atom("json")))
    texts = ['{"a":[1.0,{"b":18446744073709551621}]}', '"x"', "7", "[]", "false"]

    converted = convert(converter(of), page([b'{"internal_axon_id":"a","tree":%b}' % t.encode() for t in texts]))

    assert converted.batch.column("tree").to_pylist() == texts
    assert converted.batch.column(RESCUED).null_count == len(texts)


@pytest.mark.parametrize(("form", "text"), [("text", "-0.0"), ("short text", "-0")])
def test_a_negative_zero_that_is_served_as_text_keeps_its_sign(form: str, text: str) -> None:
    """On the fast path as well: its double is not the one of zero."""
    of = columns_of(("n", Atom("number", form)))
    records = [record(n=text), record(n=text.removeprefix("-"))]

    converted = convert(converter(of, kind=NeverCareful), page(records))

    assert [repr(row["n"]) for row in converted.batch.to_pylist()] == ["-0.0", "0.0"]
    assert restored(converted, of) == [same(oracle(raw, of)) for raw in records]


def test_missing_null_and_empty_stay_apart() -> None:
    """In the typed columns and the rescue column together."""
    served: list[dict[str, object]] = [{}, {"labels": None}, {"labels": []}, {"labels": [""]}, {"labels": [None]}]

    converted = convert(converter(DEVICE), page([record(**members) for members in served]))

    lane = lane_of(DEVICE)
    assert [restore(row, lane) for row in converted.batch.to_pylist()] == [{ID_FIELD: ID} | m for m in served]


def test_short_keys_are_known() -> None:
    """A server that changes its spelling from page to page is understood, by the careful way."""
    of = columns_of(("specific_data.data.hostname", Many(Atom("text"))))

    converted = convert(converter(of), page([record(**{"specific_data.data.hostname": ["a"]}), record(hostname=["b"])]))

    assert converted.batch.column("hostname").to_pylist() == [["a"], ["b"]]
    assert converted.drift == {}


def test_dates_go_by_the_form_of_their_column() -> None:
    """ISO texts in a column that was found to be ISO need no care."""
    of = columns_of(("seen", Atom("timestamp", "iso:T:6:Z")))

    converted = convert(converter(of, kind=NeverCareful), page([record(seen="2026-11-02T10:11:12.123456Z")]))

    assert converted.batch.column("seen").to_pylist() == [datetime(2026, 11, 2, 10, 11, 12, 123456, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("one", "other", "same_print"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a", "b"], ["b", "a"], False),
        (["ab", "c"], ["a", "bc"], False),
        (["a"], ["a", "a"], False),
    ],
)
def test_a_fingerprint_is_of_the_ids_in_their_order(one: list[str], other: list[str], same_print: bool) -> None:
    """And of nothing else."""
    made = converter(DEVICE)

    prints = [
        convert(made, page([record(**{ID_FIELD: i}, count=n) for i in ids])).fingerprint
        for n, ids in enumerate((one, other))
    ]

    assert (prints[0] == prints[1]) == same_print


@pytest.mark.parametrize("odd", [2, FEW_RUNS, 2 * FEW_RUNS])
def test_odd_rows_between_good_ones_keep_their_place(odd: int) -> None:
    """Few runs of rows are joined as slices, many are taken one by one: each row is that of its own page."""
    numbers: list[object] = ["no number", *range(5)]
    records = [record(**json.loads(GOOD) | {"count": numbers[n % len(numbers)]}) for n in range(6 * odd)]
    made = converter(DEVICE)

    together = convert(made, page(records))

    alone = [row for one in records for row in rows(convert(made, page([one])).batch)]
    assert rows(together.batch) == alone
    assert together.drift["count"] == (odd, "string")


def test_a_dead_letter_between_good_rows_moves_none_of_them() -> None:
    """It is read like a good one, and found to have no id only then."""
    good = [record(**json.loads(GOOD) | {"count": number}) for number in range(4)]
    dead = record(**json.loads(GOOD) | {ID_FIELD: ""})

    converted = convert(converter(DEVICE), page([*good[:2], dead, *good[2:]]))

    assert converted.batch.column("count").to_pylist() == [0, 1, 2, 3]
    assert [letter.position for letter in converted.dead] == [2]


def test_a_page_without_an_id_has_the_fingerprint_of_its_records() -> None:
    """So that a server which sends the same unreadable records for ever is found out."""
    made = converter(DEVICE)
    one, again, other = (convert(made, page([b'{"count":%d}' % number, b"{}"])).fingerprint for number in (1, 1, 2))

    assert one == again
    assert len({one, other, b""}) == 3


KINDS: list[Kind] = [
    Atom("text"),
    Many(Atom("timestamp")),
    Many(NIC),
    Atom("number"),
    Atom("date"),
    Many(Many(Atom("number"))),
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_column_that_is_never_served_is_null(kind: Kind) -> None:
    """All of it, with the right type."""
    of = columns_of(("x", kind))

    column = convert(converter(of, kind=NeverCareful), page([record()] * 3)).batch.column("x")

    assert column.null_count == 3
    assert isinstance(column, pa.Array)
