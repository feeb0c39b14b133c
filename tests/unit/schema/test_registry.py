"""One name and one kind for each field, in all instances: what is registered stays, or widens by the rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.schema.columns import OVERFLOW, Column, group
from axsync.schema.kinds import Atom, Group, Kind, Many, Member, Wrapped, grown, only_gains_members
from axsync.schema.registry import Clash, Registered, Registry, extended, read_registry, write_registry

TEXT, INTEGER, NUMBER, JSON, TIMESTAMP = map(Atom, ("text", "integer", "number", "json", "timestamp"))  # type: ignore[arg-type]


def column(name: str, kind: Kind, field: str = "") -> Column:
    return Column(name, field or name, field or name, kind)


def kinds(registry: Registry) -> dict[str, Kind]:
    return {one.name: one.kind for one in registry.columns}


@pytest.mark.parametrize(
    ("kept", "now", "then"),
    [
        (TEXT, Many(TEXT), Many(TEXT)),
        (Many(TEXT), TEXT, Many(TEXT)),
        (INTEGER, NUMBER, NUMBER),
        (NUMBER, INTEGER, NUMBER),
        (INTEGER, Many(NUMBER), Many(NUMBER)),
        (TEXT, INTEGER, TEXT),
        (INTEGER, TEXT, None),
        (Many(INTEGER), Many(TEXT), None),
        (TEXT, JSON, None),
        (JSON, Many(TEXT), JSON),
        (group([("a", TEXT)]), TEXT, None),
        (group([("a", INTEGER)]), group([("c", TEXT), ("a", NUMBER)]), group([("a", NUMBER), ("c", TEXT)])),
        (group([("a", INTEGER)]), Many(group([("a", TEXT)])), Many(group([("a", INTEGER)]))),
        (Group((Member("a", "a", TEXT),)), Group((Member("A", "a", TEXT),)), Group((Member("a", "a", TEXT),))),
    ],
)  # fmt: skip
def test_a_kind_widens_by_the_rules_or_not_at_all(kept: Kind, now: Kind, then: Kind | None) -> None:
    """None where no rule reconciles the two: the values then have a column of JSON."""
    assert grown(kept, now) == then


def test_what_cannot_be_reconciled_goes_to_json_beside_the_old_column() -> None:
    """Whose name is free: another field may be called so."""
    known, _ = extended(Registry(), [column("a", INTEGER), column("a_json", TEXT)], "r1")

    after, clashes = extended(known, [column("a", TEXT)], "r2")

    (fresh,) = after.columns[2:]
    assert (fresh.field, fresh.kind, fresh.since) == ("a", JSON, "r2")
    assert fresh.name.startswith("a_json_")
    assert clashes == (Clash("a", "a", fresh.name),)
    assert extended(after, [column("a", Many(TEXT))], "r3") == (after, (Clash("a", "a", fresh.name),))


def test_a_name_belongs_to_the_field_that_had_it_first() -> None:
    """In instances of old a name was another field's: that one gets a name of its own, or has one."""
    known, _ = extended(Registry(), [column("id", TEXT, "_id")], "r1")

    after, (clash,) = extended(known, [column("id", Many(TEXT), "specific_data.data.id")], "r2")

    assert after.by_field["_id"].name == "id"
    assert after.by_field["specific_data.data.id"].name == clash.instead != "id"
    assert extended(after, [column("id", TEXT, "specific_data.data.id")], "r3")[0] == after


def test_a_second_name_of_a_field_stays_its_own() -> None:
    """No other field gets it, and new lanes use the first one."""
    known, clashes = extended(Registry(), [column("a", TEXT, "f"), column("b", TEXT, "f")], "r1")

    after, _ = extended(known, [column("b", TEXT, "g")], "r2")

    assert clashes == (Clash("b", "f", "a"),)
    assert after.by_field["f"].name == "a"
    assert after.by_field["g"].name not in ("a", "b")


@pytest.mark.parametrize(
    "kind",
    [
        TIMESTAMP, Atom("timestamp", "epoch"), Many(TEXT, bare=True), Wrapped(Atom("bool", "0/1")), JSON,
        Group((Member("A B", "a_b", Many(TIMESTAMP)),)),
    ],
)  # fmt: skip
def test_its_file_tells_all_but_the_forms_of_servers(kind: Kind) -> None:
    """Names, fields, kinds and since when."""
    known, _ = extended(Registry(), [column("a", kind, "specific_data.data.a"), column("rest", JSON, OVERFLOW)], "r1")

    assert read_registry(write_registry("devices", known)) == known


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b'{"format_version": 1}', b'{"format_version": 2, "columns": {}}',
        b'{"format_version": 1, "columns": {"a": {"field": "a", "type": "string"}}}',
        b'{"format_version": 1, "columns": {"a": {"field": "a", "type": "no", "since": "r"}}}',
        b'{"format_version": 1, "columns": {"a": {"field": 7, "type": "string", "since": "r"}}}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused(raw: bytes) -> None:
    """In one way, whatever is wrong with it."""
    with pytest.raises(ValueError, match=r".+"):
        read_registry(raw)


ATOMS = st.sampled_from([TEXT, INTEGER, NUMBER, JSON, TIMESTAMP, Atom("bool")])
INSIDE = ATOMS | ATOMS.map(Many)
OBJECTS = st.dictionaries(st.sampled_from("abc"), INSIDE, min_size=1).map(lambda found: group(found.items()))
KINDS = st.one_of(INSIDE, OBJECTS, OBJECTS.map(Many))
FIELDS = st.sampled_from(["f", "specific_data.data.f", "g", "f_json", "specific_data.data.F"])
COLUMNS = st.lists(
    st.builds(column, st.sampled_from(["f", "g", "f_json", "h"]), KINDS, FIELDS), unique_by=lambda c: c.name, max_size=4
)


def widened(old: Kind, new: Kind) -> bool:
    """Whether the rules lead from one to the other: a value to a list, integers to numbers, objects to larger ones."""
    match old, new:
        case Many(one), Many(other):
            return widened(one, other)
        case _, Many(other):
            return widened(old, other)
        case Group(members), Group(others):
            kinds = {other.name: other.kind for other in others}
            return all(one.name in kinds and widened(one.kind, kinds[one.name]) for one in members)
        case _:
            return old == new or (old, new) == (INTEGER, NUMBER)


def assert_only_grew(before: Registry, after: Registry) -> None:
    """The same columns first, each for its field, each holding what it held."""
    for old, new in zip(before.columns, after.columns, strict=False):
        assert (old.name, old.field, old.since) == (new.name, new.field, new.since)
        assert grown(new.kind, old.kind) == new.kind
        assert widened(old.kind, new.kind)
    assert len(after.columns) >= len(before.columns)
    assert len(after.taken) == len(after.columns)


def holds(registry: Registry, one: Registered) -> bool:
    """Whether some column of the field takes these values."""
    mine = [other.kind for other in registry.columns if other.field == one.field]
    return any((wide := grown(kind, one.kind)) is not None and only_gains_members(wide, kind) for kind in mine)


@given(st.lists(st.lists(COLUMNS, min_size=1, max_size=3), max_size=4))
def test_a_registry_only_grows(runs: list[list[list[Column]]]) -> None:
    """Whatever the instances of runs bring, also lanes of an old lake with names of their own."""
    known = Registry()
    for number, instances in enumerate(runs):
        for columns in instances:
            after, _ = extended(known, columns, f"r{number}")
            assert_only_grew(known, after)
            assert extended(after, columns, "again")[0] == after
            known = after


@given(COLUMNS, COLUMNS, COLUMNS)
def test_two_runs_at_once_lose_no_addition(base: list[Column], one: list[Column], other: list[Column]) -> None:
    """In either order: what was there only grew, every field that came has a column that takes its values."""
    start, _ = extended(Registry(), base, "r0")
    first, second = (extended(start, columns, f"r{n}")[0] for n, columns in enumerate((one, other)))

    def merged(left: Registry, right: Registry) -> Registry:
        return extended(left, [column(c.name, c.kind, c.field) for c in right.columns], "r2")[0]

    forth, back = merged(first, second), merged(second, first)

    assert_only_grew(start, forth)
    assert_only_grew(start, back)
    assert all(holds(result, added) for result in (forth, back) for side in (first, second) for added in side.columns)
    assert {c.field for c in forth.columns} == {c.field for c in back.columns}
    if not _clash(first, second):
        assert {(c.name, c.field, c.kind) for c in forth.columns} == {(c.name, c.field, c.kind) for c in back.columns}


def _clash(first: Registry, second: Registry) -> bool:
    """Whether the two gave one name to two fields, or kinds to one column of which neither holds the other."""
    ours, theirs = ({one.name: one for one in side.columns} for side in (first, second))
    both = ours.keys() & theirs.keys()
    return any(
        ours[n].field != theirs[n].field
        or grown(ours[n].kind, theirs[n].kind) is None
        or grown(ours[n].kind, theirs[n].kind) != grown(theirs[n].kind, ours[n].kind)
        for n in both
    )
