"""Strategies for what a server may send: JSON texts of every sort, kinds, columns, and records that drift from them."""

import json
from collections.abc import Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from axsync.model import ID_FIELD
from axsync.schema import dates
from axsync.schema.columns import OVERFLOW, Column, Field, group, key_spellings, make_columns
from axsync.schema.kinds import EPOCHS, Atom, Group, Kind, Many, Wrapped
from tests.examples import TIMES, scaled

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example, HealthCheck.filter_too_much]


def examples(count: int = 300) -> settings:
    """That many examples, always the same; the profile of `make fuzz` makes them fresh and many more."""
    return settings(
        max_examples=scaled(count), deadline=None, derandomize=TIMES <= 1, database=None, suppress_health_check=_SLOW
    )


# ------------------------------------------------------------------------------------------ JSON texts

ODD_NUMBERS = (
    *("-0", "-0.0", "0.0", "0e0", "0e999", "7.0", "7.50", "1e2", "1E+2", "1e-2", "1e400", "-1e400", "1e-400", "5e-324"),
    *("2.5e-324", "1.7976931348623157e308", "0.1", "9.8", "0.10000000000000001", "9007199254740993.0", "1e22", "1e23"),
    *("123456789012345678901234567890", "1e99999999999999999999", "0e99999999999999999999", "9223372036854775807.0"),
    *("9223372036854775808.0", "0.30000000000000004", "100000000000000000000000.0", "1152921504606846976", "1e308"),
)
NUMBERS = st.one_of(
    st.integers(-20, 300).map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from([2**53, 2**63, 2**64]).flatmap(lambda n: st.integers(n - 2, n + 2)).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(ODD_NUMBERS),
    st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.integers(4_290, 4_400).map(lambda digits: "9" * digits),
)

_CHARACTERS = st.one_of(
    st.characters(codec="utf-8"), st.sampled_from('"\\/[]{}:, \n\t\0é😀\u2028\x7f'), st.sampled_from("abc019.")
)
TEXTS = st.text(_CHARACTERS, max_size=8)
_ANY_TEXTS = st.one_of(TEXTS, TEXTS, st.text(st.characters(), max_size=4), st.sampled_from(["\ud800", "\udc00x"]))


def quoted(text: str, *, ascii_only: bool = False) -> str:
    """A JSON string, lone surrogates always escaped."""
    plain = json.dumps(text, ensure_ascii=ascii_only)
    return plain if plain.isascii() else "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in plain)


STRINGS = st.builds(lambda text, ascii_only: quoted(text, ascii_only=ascii_only), _ANY_TEXTS, st.booleans())
INSTANTS = st.integers(-62135596800000000, 253402300799999999)
FORMS = st.sampled_from(
    [
        "rfc1123",
        "day",
        *(f"iso:{s}:{d}:{z}" for s in "TS" for d in (0, 1, 3, 6) for z in ("none", "Z", "+00:00", "+05:30", "-08:00")),
    ]
)
ODD_DATES = (
    *(
        "Fri, 02 Nov 2026 10:11:12 GMT",
        "Mon,02 Nov 2026 10:11:12 GMT",
        "2026-11-02T10:11:12+02:00",
        "2026-11-02T10:11:12.1Z",
    ),
    *("2026-02-30", "2026-11-02T24:00:00Z", "0000-01-01", "Tue", "1793614272", "", "2026-11-02T10:11:12.12Z"),
)
DATES = st.one_of(
    st.builds(dates.write, INSTANTS, FORMS),
    st.sampled_from(ODD_DATES),
)

_GAPS = st.sampled_from([(",", ":"), (",", ":"), (",", ":"), (", ", ": "), (",\n  ", " : ")])


def list_text(items: Sequence[str], comma: str = ",") -> str:
    """A JSON list of these texts."""
    return f"[{comma.join(items)}]"


def object_text(pairs: Sequence[tuple[str, str]], comma: str = ",", colon: str = ":") -> str:
    """A JSON object of these keys and texts."""
    return f"{{{comma.join(f'{quoted(key)}{colon}{text}' for key, text in pairs)}}}"


KEYS = st.one_of(st.sampled_from(["a", "b", "mac", "a b", "", "[0]", "A", 'q"', "x.y", "é", "\ud800"]), TEXTS)


@st.composite
def objects(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    """Any object; in rare cases one key is served twice."""
    keys = draw(st.lists(KEYS, max_size=3, unique=True))
    if keys and draw(st.integers(0, 60)) == 60:
        keys.append(keys[0])
    return object_text([(key, draw(values)) for key in keys], *draw(_GAPS))


_SCALARS = st.one_of(
    NUMBERS, STRINGS, DATES.map(quoted), st.sampled_from(["null", "true", "false"]), st.sampled_from(["[]", "{}", '""'])
)
VALUES = st.recursive(
    _SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3).map(list_text), objects(inner)), max_leaves=6
)

# ----------------------------------------------------------------------------------- kinds and columns

_ATOMS = st.one_of(
    st.sampled_from(["text", "date", "bool", "integer", "number", "json"]).map(Atom),  # type: ignore[arg-type]  # names of atoms
    st.builds(Atom, st.just("timestamp"), st.one_of(FORMS, st.sampled_from(EPOCHS))),
    st.builds(Atom, st.just("bool"), st.sampled_from(["0/1", "true/false", "True/False", "TRUE/FALSE"])),
    st.builds(Atom, st.just("integer"), st.just("text")),
    st.builds(Atom, st.just("number"), st.sampled_from(["text", "short text"])),
)
_MEMBER_KEYS = st.one_of(
    st.sampled_from(["a", "b", "mac", "Mac", "x.y", "a b", "last_seen", "é", "", "axsync_rescued"]),
    st.sampled_from(['q"', "back\\slash", "nul\0", "tab\t"]),
)
KINDS: st.SearchStrategy[Kind] = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        inner.map(Many),
        inner.map(lambda item: Many(item, bare=isinstance(item, Atom | Group))),
        inner.map(lambda item: Wrapped(item) if isinstance(item, Atom | Group) else item),
        st.lists(st.tuples(_MEMBER_KEYS, inner), min_size=1, max_size=3).map(group),
    ),
    max_leaves=5,
)
_FIELDS = (
    *("specific_data.data.hostname", "specific_data.data.labels", "labels", "adapters_data.aws_adapter.region"),
    *("adapters_data.aws.region", "axsync_rescued", "x", "X", 'odd "name"', "with[0]", '"quoted', "a b", ""),
    *("entity", "dt", "é.ü", "nul\0", "x.last_seen"),
)


@st.composite
def columns(draw: st.DrawFn) -> tuple[Column, ...]:
    """The id and some other columns, in rare cases an overflow column, keys in any of the spellings of servers."""
    names = [ID_FIELD, *draw(st.lists(st.sampled_from(_FIELDS), min_size=1, max_size=5, unique=True))]
    overflow = draw(st.integers(0, 4)) == 4
    made = make_columns(
        [Field(name, draw(KINDS) if name != ID_FIELD else Atom("text")) for name in names]
        + ([Field(OVERFLOW, Atom("json"))] if overflow else [])
    )
    wires: dict[str, Column] = {}
    for column in made:
        wire = draw(st.sampled_from(key_spellings(column)))
        wire = column.field if wire in wires or wire in names else wire
        wires[wire] = Column(column.name, column.field, wire, column.kind)
    return tuple(wires.values())


# --------------------------------------------------------------------------------------------- records


@st.composite
def fitting(draw: st.DrawFn, kind: Kind, drift: int) -> str:
    """JSON text of a value for this kind; `drift` is how many of a hundred values are of any other sort."""
    if draw(st.integers(1, 100)) <= drift:
        odd: str = draw(st.one_of(VALUES, VALUES, st.sampled_from(["null", "{}", "[]", '""', "NaN"])))
        return odd
    match kind:
        case Many(item, bare=True):
            return draw(fitting(item, drift))
        case Wrapped(item):
            return list_text([draw(fitting(item, drift))])
        case Many(item):
            items = draw(st.lists(st.one_of(fitting(item, drift), fitting(item, drift), st.just("null")), max_size=3))
            return list_text(items, draw(_GAPS)[0])
        case Group(members):
            chosen = draw(st.lists(st.sampled_from(members), unique=True, max_size=3))
            return object_text([(m.key, draw(fitting(m.kind, drift))) for m in chosen], *draw(_GAPS))
        case Atom():
            return draw(_fitting_atom(kind))


def _fitting_atom(atom: Atom) -> st.SearchStrategy[str]:
    if atom.form in EPOCHS:
        return INSTANTS.map(lambda instant: str(dates.to_epoch(instant, atom.form)))
    if atom.name in ("timestamp", "date"):
        form = atom.form or "rfc1123" if atom.name == "timestamp" else "day"
        return INSTANTS.map(lambda instant: quoted(dates.write(instant, form)))
    if atom.name == "bool" and atom.form:
        return st.sampled_from([text if atom.form == "0/1" else quoted(text) for text in atom.form.split("/")])
    plain = _FITTING.get(atom.name, VALUES)
    return plain.map(quoted) if atom.form else plain


_FITTING = {
    "text": st.builds(lambda text, ascii_only: quoted(text, ascii_only=ascii_only), TEXTS, st.booleans()),
    "bool": st.sampled_from(["true", "false"]),
    "integer": st.integers(-(2**63), 2**63 - 1).map(str),
    "number": st.one_of(NUMBERS, st.sampled_from(["9.8", "7", "NaN", "-Infinity"])),
}
_IDS = st.sampled_from(["0f3c9a5be1d24477a6c0b1e2d3f4a5b6"] * 60 + ["", "\ud800"])


@st.composite
def records(draw: st.DrawFn, of: Sequence[Column], drift: int) -> bytes:
    """A record for these columns, keys spelled one way or another, with strays."""
    pairs = [(next(c.json_key for c in of if c.field == ID_FIELD), quoted(draw(_IDS)))]
    for column in of:
        if column.field not in (ID_FIELD, OVERFLOW) and draw(st.integers(0, 4)):
            key = (
                draw(st.sampled_from(key_spellings(column))) if draw(st.integers(1, 100)) <= drift else column.json_key
            )
            pairs.append((key, draw(fitting(column.kind, drift))))
    if draw(st.integers(1, 100)) <= drift:
        pairs += draw(st.lists(st.tuples(KEYS, VALUES), max_size=2))
    once = pairs if draw(st.integers(0, 30)) == 30 else list(dict(pairs).items())
    return object_text(draw(st.permutations(once)), *draw(_GAPS)).encode("utf-8", "surrogatepass")


@st.composite
def lanes(draw: st.DrawFn, rows: int = 1) -> tuple[tuple[Column, ...], list[bytes]]:
    """Columns, and records for them."""
    of = draw(columns())
    drift = draw(st.sampled_from([0, 5, 30, 70]))
    return of, draw(st.lists(records(of, drift), min_size=1, max_size=rows))
