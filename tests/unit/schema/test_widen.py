import pytest

from axsync.schema.columns import group
from axsync.schema.kinds import MAX_MEMBERS, Atom, Group, Kind, Many, Member, Wrapped, widen

TEXT, INTEGER, NUMBER, JSON = Atom("text"), Atom("integer"), Atom("number"), Atom("json")


@pytest.mark.parametrize(
    ("earlier", "now", "kept"),
    [
        (TEXT, TEXT, TEXT),
        (INTEGER, NUMBER, NUMBER),
        (NUMBER, INTEGER, NUMBER),
        (TEXT, INTEGER, TEXT),
        (TEXT, Many(TEXT), TEXT),
        (JSON, TEXT, JSON),
        (TEXT, JSON, TEXT),
        (Many(TEXT), JSON, Many(TEXT)),
        (Many(TEXT), TEXT, Many(TEXT)),
        (Many(INTEGER), NUMBER, Many(NUMBER)),
        (INTEGER, Many(NUMBER), NUMBER),
        (Many(group([("a", TEXT)])), group([("b", TEXT)]), Many(group([("a", TEXT), ("b", TEXT)]))),
        (Many(TEXT, bare=True), Wrapped(TEXT), Many(TEXT)),
        (Atom("integer", "text"), INTEGER, INTEGER),
        (Many(INTEGER), Many(NUMBER), Many(NUMBER)),
        (
            group([("a", INTEGER), ("b", TEXT)]),
            group([("a", NUMBER), ("c", TEXT)]),
            group([("a", NUMBER), ("b", TEXT), ("c", TEXT)]),
        ),
    ],
)
def test_a_kind_stays_or_holds_more(earlier: Kind, now: Kind, kept: Kind) -> None:
    """Members are added, integers become numbers; nothing else changes, whatever shape is served."""
    assert widen(earlier, now) == kept


def test_a_name_is_never_given_to_another_key() -> None:
    """A new key whose name is taken has to be rescued."""
    earlier, now = Group((Member("a", "a", TEXT),)), Group((Member("A", "a", TEXT),))

    assert widen(earlier, now) == earlier


def test_an_object_does_not_grow_without_end() -> None:
    """Keys that are data come anew every night; beyond a hundred they are left to the rescue column."""
    kind: Kind = group((f"k{n}", TEXT) for n in range(90))

    for night in range(3):
        kind = widen(kind, group((f"n{night}_{n}", TEXT) for n in range(90)))

    assert isinstance(kind, Group)
    assert len(kind.members) == MAX_MEMBERS
