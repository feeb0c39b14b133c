import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axsync.api import GENERATIONS
from axsync.convert.inference import infer_columns
from axsync.model import ID_FIELD, Generation, Page, Window
from axsync.runs.pin import FEWEST_TRIED, LakeColumns, Pinned, key_style, pin
from axsync.schema.columns import Column, Field
from axsync.schema.kinds import Atom, Group, Kind, Many, Member, drop_forms, grown, only_gains_members
from axsync.schema.registry import Registry, extended, unfit
from axsync.schema.selection import select_fields
from tests.examples import scaled

NOTHING = Registry()
TEXT, UNKNOWN = Atom("text"), Atom("unknown")
HOST = Field("specific_data.data.hostname", Many(TEXT))
SEEN = Field("specific_data.data.last_seen", Many(TEXT))
AWS = Field("adapters_data.aws_adapter.region", TEXT, "aws_adapter")
LABELS = Field("labels", Many(TEXT))
GENERIC_LABELS = Field("specific_data.data.labels", Many(TEXT))


def settle(
    fields: Sequence[Field],
    *records: dict[str, object],
    generation: Generation = "v2",
    earlier: Pinned | None = None,
    known: Registry | Pinned = NOTHING,
    most: int = 2000,
    fixed: bool = False,
) -> Pinned:
    """The columns for these fields after a first page of these records; `known` may be those of another instance."""
    rows: list[object] = [{ID_FIELD: "x", **record} for record in records]
    rows = rows if generation == "v2" else [{"attributes": row} for row in rows]
    api = GENERATIONS[generation]
    body = json.dumps({api.ROWS_KEY: rows}).encode()
    before: dict[str, Any] = json.loads(json.dumps(earlier.manifest)) if earlier else {}
    page = Page(Window(0, 0, 10), body, len(rows), None, None)
    beside, registry = (known.columns, NOTHING) if isinstance(known, Pinned) else ((), known)
    registry, _ = extended(registry, (*beside, *(earlier.columns if earlier else ())), "r1")
    lake = LakeColumns(registry, before, fixed, {c.field: c.kind for c in beside})
    return pin(api, select_fields(fields, "full"), page, lake=lake, max_columns=most)


def kinds(pinned: Pinned) -> dict[str, Kind]:
    """Column → kind, without the id."""
    return {c.name: c.kind for c in pinned.columns if c.field != ID_FIELD}


def test_a_server_with_full_keys_is_read_by_full_keys() -> None:
    """What it was asked for is what it answers with."""
    pinned = settle([HOST, AWS], {HOST.name: ["a"], AWS.name: "eu"})

    assert [(c.name, c.json_key) for c in pinned.columns] == [
        (ID_FIELD, ID_FIELD),
        ("hostname", HOST.name),
        ("aws__region", AWS.name),
    ]


def test_a_server_with_short_keys_is_read_by_short_keys() -> None:
    """Version 6.1.67 leaves the prefixes out; names and fields are the same as elsewhere."""
    pinned = settle([HOST, AWS], {"hostname": ["a"], "aws.region": "eu"})

    assert {(c.name, c.field, c.json_key) for c in pinned.columns} == {
        (ID_FIELD, ID_FIELD, ID_FIELD),
        ("hostname", HOST.name, "hostname"),
        ("aws__region", AWS.name, "aws.region"),
    }


def test_of_two_fields_with_one_short_key_the_root_has_it() -> None:
    """The other is named in a notice, since its values cannot be told apart."""
    pinned = settle([LABELS, GENERIC_LABELS, HOST], {"labels": ["a"], "hostname": ["b"]})

    assert [c.field for c in pinned.columns if c.json_key == "labels"] == ["labels"]
    assert any("specific_data.data.labels has the same short name" in notice for notice in pinned.notices)


@pytest.mark.parametrize(
    ("keys", "style"),
    [
        ([], "full"),
        (["internal_axon_id", "adapters"], "full"),
        (["specific_data.data.hostname"], "full"),
        (["hostname"], "short"),
        (["hostname", "specific_data.data.last_seen"], "full"),
    ],
)
def test_the_keys_of_the_first_records_tell_the_style(keys: list[str], style: str) -> None:
    """Full where nothing tells."""
    record = json.dumps(dict.fromkeys(keys, 1)).encode()

    assert key_style([b"not JSON", record], [HOST.name, SEEN.name]) == style


def test_dates_are_found_in_the_data_where_the_catalogue_names_no_formats() -> None:
    """One that names the format of any field is taken at its word for all."""
    record: dict[str, object] = {SEEN.name: ["2026-11-02T10:11:12Z"]}
    day = Field("adapters_data.a.day", Atom("date"), "a")

    nameless = settle([SEEN], record)
    telling = settle([SEEN, day], record)

    assert kinds(nameless) == {"last_seen": Many(Atom("timestamp", "iso:T:0:Z"))}
    assert kinds(telling)["last_seen"] == Many(TEXT)


def test_what_the_catalogue_leaves_open_is_settled_by_the_data() -> None:
    """No column is left without a kind."""
    pinned = settle([Field("n", UNKNOWN), Field("never_seen", UNKNOWN)], {"n": 7}, {"n": 8})

    assert kinds(pinned) == {"n": Atom("integer"), "never_seen": TEXT}


@pytest.mark.parametrize("body", [b"<html>", b"", b"{}", b'{"assets": null}'])
def test_a_first_page_that_cannot_be_split_settles_nothing(body: bytes) -> None:
    """The catalogue alone decides; the conversion will say what is wrong."""
    page = Page(Window(0, 0, 10), body, None, None, None)

    selection = select_fields([HOST], "full")
    pinned = pin(GENERATIONS["v2"], selection, page, lake=LakeColumns(), max_columns=10)

    assert [c.json_key for c in pinned.columns] == [ID_FIELD, HOST.name]


def test_the_manifest_describes_the_columns() -> None:
    """Field, type and form of dates."""
    assert settle([HOST]).manifest["hostname"] == {
        "field": "specific_data.data.hostname",
        "type": "list<string>",
        "dates": None,
    }


def test_a_field_that_is_listed_no_more_keeps_its_column() -> None:
    """Between runs columns only appear."""
    first = settle([HOST, SEEN])

    second = settle([HOST, AWS], earlier=first)

    assert {c.name for c in second.columns} == {ID_FIELD, "hostname", "last_seen", "aws__region"}


def test_a_column_widens_and_never_changes() -> None:
    """Integers become numbers; a guess of today does not overrule one of before."""
    first = settle([Field("n", UNKNOWN), Field("t", UNKNOWN)], {"n": 7, "t": "x"})

    second = settle([Field("n", UNKNOWN), Field("t", UNKNOWN)], {"n": 7.5, "t": 8}, earlier=first)
    third = settle([Field("n", Atom("number")), Field("t", Atom("integer"))], earlier=first)

    assert kinds(second)["n"] == Atom("number")
    assert kinds(second)["t"] == kinds(third)["t"] == TEXT
    assert kinds(third)["n"] == Atom("number")


def test_a_lake_of_lists_stays_one_where_single_values_are_served() -> None:
    """The column keeps its type, its form is recorded, and a notice says so in the night of the change only."""
    rfc = "Mon, 02 Nov 2026 10:11:12 GMT"
    first = settle([Field(SEEN.name, Many(Atom("timestamp")))], {SEEN.name: [rfc]})

    second = settle([Field(SEEN.name, Atom("timestamp"))], {SEEN.name: rfc}, earlier=first)
    third = settle([Field(SEEN.name, Atom("timestamp"))], {SEEN.name: rfc}, earlier=second)

    assert kinds(second) == kinds(third) == {"last_seen": Many(Atom("timestamp", "rfc1123"), bare=True)}
    assert any("one column keeps its type" in notice and "last_seen" in notice for notice in second.notices)
    assert third.notices == ()


def test_a_key_that_most_records_have_gets_a_column() -> None:
    """Some fields are served whether they were asked for or not; a rare stray is left to the rescue column."""
    echoed: dict[str, object] = {"specific_data.data.cve_id": ["CVE-2026-0001"]}

    pinned = settle([HOST], {"x": 1, **echoed}, echoed, echoed)

    assert kinds(pinned) == {"hostname": Many(TEXT), "cve_id": Many(TEXT)}


def test_names_outlive_newcomers() -> None:
    """A field that would win the name in a fresh lake does not take it from an older column."""
    first = settle([Field("adapters_data.a.b", TEXT, "a")])

    second = settle(
        [Field("specific_data.data.a__b", Many(TEXT)), Field("adapters_data.a.b", TEXT, "a")], earlier=first
    )

    assert next(c.name for c in second.columns if c.field == "adapters_data.a.b") == "a__b"


@given(
    st.lists(st.sampled_from([HOST, SEEN, AWS, GENERIC_LABELS, Field("n", UNKNOWN)]), unique=True),
    st.lists(st.sampled_from([HOST, SEEN, AWS, GENERIC_LABELS, Field("n", UNKNOWN)]), unique=True),
    st.booleans(),
)
def test_a_schema_only_grows(before: list[Field], now: list[Field], short: bool) -> None:
    """Whatever the catalogues list: unique names, and every earlier column under its name for its field."""
    record: dict[str, object] = {"hostname": ["a"]} if short else {}
    first = settle(before, record)

    second = settle(now, record, earlier=first)

    names = {c.name: c.field for c in second.columns}
    assert len(names) == len(second.columns)
    assert names.items() >= {c.name: c.field for c in first.columns}.items()


NAMES = st.sampled_from(["specific_data.data.n", "n", "specific_data.data.n_json", "m"])
LISTED = st.sampled_from([UNKNOWN, TEXT, Many(TEXT), Atom("integer"), Atom("timestamp"), Many(Group(()))])
SERVED = st.sampled_from(
    ["a", 7, 7.5, True, None, ["a"], ["a", "b"], [1, 2], {"x": 1}, {"x": ["y", "z"], "w": 1}, [{"x": "y"}, {}]]
)
RUNS = st.lists(
    st.tuples(
        st.sampled_from(["one", "other"]), st.dictionaries(NAMES, st.tuples(LISTED, st.lists(SERVED, max_size=3)))
    ),
    max_size=5,
)


@given(RUNS)
def test_over_any_runs_of_any_instances_a_column_keeps_its_field_and_widens_by_the_rules(
    runs: list[tuple[str, dict[str, tuple[Kind, list[object]]]]],
) -> None:
    """Whatever catalogues list and pages show; what a lane writes is what the registry says from then on."""
    known, lanes = Registry(), dict[str, Pinned]()
    for number, (instance, fields) in enumerate(runs):
        rows = [{name: values[row] for name, (_, values) in fields.items() if row < len(values)} for row in range(3)]
        listed = [Field(name, kind) for name, (kind, _) in fields.items()]

        lanes[instance] = settle(listed, *rows, earlier=lanes.get(instance), known=known)

        after, clashes = extended(known, lanes[instance].columns, f"r{number}")
        assert clashes == ()
        for old, new in zip(known.columns, after.columns, strict=False):
            assert replace(new, kind=old.kind) == old
            assert grown(old.kind, new.kind) == grown(new.kind, old.kind) == new.kind
        kinds_now = {(c.name, c.field): c.kind for c in after.columns}
        assert all(kinds_now[c.name, c.field] == drop_forms(c.kind) for c in lanes[instance].columns)
        known = after


@given(RUNS)
def test_over_any_runs_of_any_instances_columns_of_tables_only_appear(
    runs: list[tuple[str, dict[str, tuple[Kind, list[object]]]]],
) -> None:
    """Whatever catalogues list and pages show, a type gains members of objects and nothing else, in its one column."""
    known, lanes = Registry(), dict[str, Pinned]()
    for number, (instance, fields) in enumerate(runs):
        rows = [{name: values[row] for name, (_, values) in fields.items() if row < len(values)} for row in range(3)]
        listed = [Field(name, kind) for name, (kind, _) in fields.items()]

        lanes[instance] = settle(listed, *rows, earlier=lanes.get(instance), known=known, fixed=True)

        assert unfit(known, lanes[instance].columns) == []
        after, _ = extended(known, lanes[instance].columns, f"r{number}")
        assert len({one.field for one in after.columns}) == len(after.columns)
        for old, new in zip(known.columns, after.columns, strict=False):
            assert replace(new, kind=old.kind) == old
            assert only_gains_members(old.kind, new.kind)
        known = after


def test_a_column_of_a_table_keeps_its_type_and_a_notice_says_so() -> None:
    """Whether the values are of another kind, lists, or of all sorts; each is said once a lane."""
    first = settle([Field("n", UNKNOWN), Field("m", UNKNOWN)], {"n": 7, "m": "a"})
    for served in (7.5, [7, 8], "x", {"a": 1}):
        second = settle([Field("n", UNKNOWN), Field("m", UNKNOWN)], {"n": served, "m": "b"}, earlier=first, fixed=True)

        assert kinds(second)["n"] == Atom("integer")
        assert second.notices == (
            "columns of tables keep their types, and what does not fit is rescued (1): n (int64)",
        )


def test_values_that_no_rule_reconciles_have_a_json_column_as_long_as_they_come() -> None:
    """A notice tells each change; the old column is filled again when its values come back."""
    first = settle([Field("n", UNKNOWN)], {"n": 7})
    second = settle([Field("n", UNKNOWN)], {"n": "x"}, {"n": "y"}, earlier=first)
    known, _ = extended(Registry(), [*first.columns, *second.columns], "r2")
    third = settle([Field("n", UNKNOWN)], {"n": 7.5}, earlier=second, known=known)
    fourth = settle([Field("n", UNKNOWN)], {"n": "x"}, earlier=third, known=known)

    assert kinds(second) == kinds(fourth) == {"n_json": Atom("json")}
    assert second.notices == ("values that no longer fit their column go to a JSON column (1): n_json (not n, int64)",)
    assert kinds(third) == {"n": Atom("number")}
    assert third.notices == ("columns that widen (1): n from int64 to double",)


def test_beyond_the_cap_adapters_share_one_column() -> None:
    """Generic fields keep their own; people are told how many do not."""
    many = [Field(f"adapters_data.a_adapter.f{n}", TEXT, "a_adapter") for n in range(10)]

    pinned = settle([HOST, *many], most=5)

    assert len(pinned.columns) == 5 + 1
    assert pinned.columns[-1].kind == Atom("json")
    assert any("7 fields share the JSON column" in notice for notice in pinned.notices)


@pytest.mark.fault(38)
@pytest.mark.parametrize("name", ["specific_data.data.f{}", "adapters_data.gui.f{}", "f{}"])
def test_the_cap_holds_for_fields_of_every_kind(name: str) -> None:
    """Fifty thousand generic fields are as many columns as adapters' own would be: the cap, and one for all others."""
    many = [Field(name.format(n), TEXT) for n in range(50_000)]

    pinned = settle([HOST, *many], most=50)

    assert len(pinned.columns) == 50 + 1


ISO, SECONDS = "2026-11-02T10:11:12Z", 1_793_000_000
DATED, SIZE = Field("specific_data.data.seen", TEXT), Field("specific_data.data.size", Atom("integer"))
OBJECTS = Field("specific_data.data.disks", Many(Group((Member("name", "name", TEXT),))))
ROW: dict[str, object] = {HOST.name: ["a"], DATED.name: ISO, SIZE.name: 5, OBJECTS.name: [{"name": "c"}]}
ROWS = st.one_of(
    st.just(ROW),
    st.fixed_dictionaries(
        {},
        optional={
            HOST.name: st.sampled_from([["a", "b"], "a", [], None, [None]]),
            DATED.name: st.sampled_from([ISO, "Mon, 02 Nov 2026 10:11:12 GMT", "soon", SECONDS, [ISO]]),
            SIZE.name: st.sampled_from([5, 5.5, "5", [5], True]),
            OBJECTS.name: st.sampled_from([[{"name": "c"}], {"name": "c"}, [{"name": "c", "more": 1}], "c"]),
            "other": st.sampled_from(["a", 1]),
        },
    ),
)


@given(st.lists(ROWS, min_size=FEWEST_TRIED, max_size=FEWEST_TRIED + 4), st.booleans())
@settings(max_examples=scaled(100))
def test_columns_are_the_same_whether_another_instance_was_served_before_or_not(
    records: list[dict[str, object]], fixed: bool
) -> None:
    """What was served elsewhere saves work and decides nothing, as long as a page shows values."""
    fields = [HOST, DATED, SIZE, OBJECTS]
    beside = settle(fields, *[ROW] * FEWEST_TRIED)
    known, _ = extended(NOTHING, beside.columns, "r1")

    assert settle(fields, *records, known=beside, fixed=fixed) == settle(fields, *records, known=known, fixed=fixed)


def test_pages_that_look_like_those_of_another_instance_are_not_looked_at_value_by_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But for columns without values, which the whole page is searched for."""
    seen: list[list[str]] = []

    def infer(columns: Sequence[Column], *args: Any, **more: Any) -> tuple[Column, ...]:
        seen.append([column.name for column in columns])
        return infer_columns(columns, *args, **more)

    records: list[dict[str, object]] = [{ID_FIELD: str(number), **ROW} for number in range(FEWEST_TRIED)]
    fields = [HOST, DATED, SIZE, LABELS]
    beside = settle(fields, *[{**one, LABELS.name: ["a"]} for one in records])
    monkeypatch.setattr("axsync.runs.pin.infer_columns", infer)
    found = settle(fields, *records, known=beside)

    assert seen == [["labels"]]
    assert kinds(found) == kinds(beside)


def test_a_column_that_the_catalogue_adds_members_to_is_looked_at_anew() -> None:
    """What fits the column of another instance may still lack a member that this one lists."""
    records: list[dict[str, object]] = [{OBJECTS.name: [{"name": "c"}]}] * FEWEST_TRIED
    beside = settle([OBJECTS], *records)
    wider = Field(OBJECTS.name, Many(Group((Member("name", "name", TEXT), Member("size", "size", Atom("integer"))))))

    found = settle([wider], *records, known=beside)

    assert kinds(found)["disks"] == wider.kind
