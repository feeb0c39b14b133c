"""Rows 31 to 34, 36 and 39 of the README here: values that a strict reader trips over."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from axsync.convert.exact import Number
from axsync.emulator import Mishap
from axsync.settings import EntitySettings
from tests.faults.proof import NAME, Tapped, assert_nothing_lost, letters, read, restored, told
from tests.flow.harness import Lab, Ran
from tests.unit.convert.lake import same

Start = Callable[..., Awaitable[Tapped]]
Process = Callable[..., Awaitable[tuple[int, str]]]

SCORE = "specific_data.data.risk_score"  # list<double>
MAJOR = "specific_data.data.os.major"  # list<int64>
SEEN = "specific_data.data.last_seen"  # timestamp, merged to the newest
FIRST = "specific_data.data.first_seen"
MANAGED = "specific_data.data.is_managed"  # list<bool>
PORTS = "specific_data.data.open_ports"  # list<struct>
FIELDS = EntitySettings(
    fields=("name", "risk_score", "os.major", "last_seen", "is_managed", "open_ports", "labels"),
    proof="signs",  # the mishaps put their values into listings of ids, too
)
PROFILES = ["p90", "v1"]
SECOND = ["p90", pytest.param("v1", marks=pytest.mark.slow)]  # the envelope differs, the values do not


async def run(lab: Lab, emulator: Tapped, **settings: Any) -> Ran:
    instance = lab.instance(emulator, **settings)
    return await lab.run(lab.settings(instance, types={"default": FIELDS}, entities=("devices",)))


async def served(lab: Lab, start: Start, profile: str, *values: tuple[str, str]) -> tuple[Tapped, Ran]:
    """A run in which each page has, in one row each, these raw values in these fields."""
    mishaps = tuple(Mishap("raw", field=name, value=value) for name, value in values)
    emulator = await start(profile, {"devices": 60}, mishaps=mishaps)
    return emulator, await run(lab, emulator)


# ----------------------------------------------------------------------------------------------------- 31: odd numbers

NUMBERS = (
    *("9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    *("18446744073709551616", "18446744073709551621", "1" + "0" * 30, "-0", "-0.0", "0.0", "7.0", "7.50", "1e2"),
    *("1e400", "-1e400", "1e-400", "5e-324", "0.1", "0.10000000000000001", "123456789.123456789", "1E+22"),
)


@pytest.mark.parametrize("field", [SCORE, MAJOR, NAME])
@pytest.mark.parametrize("profile", PROFILES)
async def test_fault_31_numbers_of_any_size_keep_their_value(lab: Lab, start: Start, profile: str, field: str) -> None:
    """Each number comes back as the very number, from a double, an integer, and a text column."""
    alone = [(field, f"[{number}]") for number in NUMBERS]
    emulator, ran = await served(lab, start, profile, *alone, (field, f"[{','.join(NUMBERS)}]"))

    assert told(ran) == ("complete", 0)
    assert_nothing_lost(lab, emulator, "devices")


async def test_fault_31_a_number_that_no_double_holds_is_in_the_rescue_column_by_its_text(
    lab: Lab, start: Start
) -> None:
    """Not rounded, not infinite: the digits as they were served."""
    await served(lab, start, "p90", (SCORE, "[9.5,1e400,18446744073709551621]"))

    rescued = [row["axsync_rescued"] for row in lab.rows("devices") if row["axsync_rescued"]]
    assert rescued == [f'{{"{SCORE}[1]":1e400,"{SCORE}[2]":18446744073709551621}}'] * 3
    assert lab.lane("devices")["drift"]["specific_data.data.risk_score"] == {"rescued": 6, "example": "number"}


@pytest.mark.parametrize("kind", ["nan", "infinity"])
@pytest.mark.parametrize("profile", PROFILES)
async def test_fault_31_nan_and_infinity_are_doubles(lab: Lab, start: Start, profile: str, kind: str) -> None:
    """In a number column they are kept as what they are."""
    emulator = await start(profile, {"devices": 60}, mishaps=(Mishap(kind, field=SCORE),))
    ran = await run(lab, emulator)

    assert told(ran) == ("complete", 0)
    assert_nothing_lost(lab, emulator, "devices")


Bad = tuple[str, dict[str, Any], str]
BAD_31: dict[str, Bad] = {
    "nan in a text": ("nan", {}, "NaN outside a number column"),
    "infinity in a text": ("infinity", {}, "Infinity outside a number column"),
    "one key twice": ("duplicate-keys", {}, f'key "{NAME}" twice in one object'),
    "one key twice, deeper": ("raw", {"field": PORTS, "value": '[{"port_id":1,"port_id":2}]'}, 'key "port_id" twice'),
    "a leading zero": ("raw", {"value": "[007]"}, "not JSON"),
    "a bare word": ("raw", {"value": "[undefined]"}, "not JSON"),
}
BAD_32: dict[str, Bad] = {
    "not UTF-8": ("bad-utf8", {}, "not UTF-8 at byte"),
    "a raw control character": ("raw-control", {}, "not JSON: Invalid control character"),
}
BAD_33: dict[str, Bad] = {
    "1,000 levels": ("deep", {"depth": 1000}, "nested deeper than"),
    "1,025 levels": ("deep", {"depth": 1025}, "nested deeper than"),
    "100,000 levels": ("deep", {"depth": 100_000}, "nested deeper than"),
}
BAD_39: dict[str, Bad] = {
    "no id": ("no-id", {}, "no usable id"),
    "a number as id": ("number-id", {}, "no usable id"),
    "null as id": ("null-id", {}, "no usable id"),
    "an empty id": ("empty-id", {}, "no usable id"),
    "a list as id": ("list-id", {}, "no usable id"),
    "a text": ("not-object", {}, "n"),
    "a list": ("not-object", {"value": "[]"}, "n"),
    "null": ("not-object", {"value": "null"}, "n"),
}


async def assert_one_is_buried(lab: Lab, start: Start, profile: str, bad: Bad) -> None:
    """It never costs its page: raw bytes, reason and place are kept, the others go on; partial, exit code 3."""
    kind, details, reason = bad
    emulator = await start(profile, {"devices": 60}, mishaps=(Mishap(kind, page=2, times=1, **details),))
    ran = await run(lab, emulator)

    assert told(ran) == ("partial", 3)
    assert lab.lane("devices")["reason"] == "one record could not be read; see the dead letters"
    assert (lab.lane("devices")["rows"], lab.lane("devices")["dead_letters"]) == (59, 1)
    (letter,) = letters(lab, "devices")
    place = 20 * letter["page"] + letter["position"]
    assert (letter["page"], letter["raw"]) == (1, emulator.records("devices")[place])
    assert letter["reason"].startswith(reason)
    assert_nothing_lost(lab, emulator, "devices")


@pytest.mark.parametrize("name", BAD_31)
@pytest.mark.parametrize("profile", PROFILES)
async def test_fault_31_what_is_no_json_is_a_dead_letter(lab: Lab, start: Start, profile: str, name: str) -> None:
    """NaN in a text, a key twice in one object, numbers and words that JSON does not know."""
    await assert_one_is_buried(lab, start, profile, BAD_31[name])


@pytest.mark.parametrize("name", BAD_32)
@pytest.mark.parametrize("profile", PROFILES)
async def test_fault_32_what_is_no_text_is_a_dead_letter(lab: Lab, start: Start, profile: str, name: str) -> None:
    """Bytes that are not UTF-8, control characters without an escape."""
    await assert_one_is_buried(lab, start, profile, BAD_32[name])


@pytest.mark.parametrize("name", BAD_33)
@pytest.mark.parametrize("profile", SECOND)
async def test_fault_33_what_nests_too_deeply_is_a_dead_letter(lab: Lab, start: Start, profile: str, name: str) -> None:
    """Beyond what other readers of the lake stand."""
    await assert_one_is_buried(lab, start, profile, BAD_33[name])


@pytest.mark.parametrize("name", BAD_39)
@pytest.mark.parametrize("profile", SECOND)
async def test_fault_39_a_record_without_a_usable_id_is_a_dead_letter(
    lab: Lab, start: Start, profile: str, name: str
) -> None:
    """No id, one that is no text or an empty one, or no record at all."""
    await assert_one_is_buried(lab, start, profile, BAD_39[name])


@pytest.mark.parametrize("kind", ["duplicate-keys", "bad-utf8", "deep", "no-id"])
async def test_fault_31_the_process_says_partial(lab: Lab, start: Start, process: Process, kind: str) -> None:
    """Exit code 3, and the table has a column for dead letters."""
    emulator = await start(sizes={"devices": 60}, mishaps=(Mishap(kind, page=2, times=1),))
    exit_code, said = await process(emulator)

    assert (exit_code, lab.manifest()["verdict"]) == (3, "partial")
    assert "one record could not be read; see the dead letters" in said
    assert len(letters(lab, "devices")) == 1


async def test_fault_31_a_page_of_nothing_but_dead_letters_is_kept(lab: Lab, start: Start) -> None:
    """Twenty bad records on one page, forty good ones on the others."""
    emulator = await start(sizes={"devices": 60}, mishaps=(Mishap("duplicate-keys", page=2, times=1, share=1.0),))
    ran = await run(lab, emulator)

    assert told(ran) == ("partial", 3)
    assert (lab.lane("devices")["rows"], lab.lane("devices")["dead_letters"]) == (40, 20)
    assert_nothing_lost(lab, emulator, "devices")


async def test_fault_31_every_record_a_dead_letter(lab: Lab, start: Start) -> None:
    """Nothing readable came: an empty snapshot that says so."""
    emulator = await start(sizes={"devices": 60}, mishaps=(Mishap("duplicate-keys", share=1.0),))
    ran = await run(lab, emulator)

    assert told(ran) == ("partial", 3)
    assert (lab.lane("devices")["rows"], len(letters(lab, "devices"))) == (0, 60)


async def test_fault_31_dead_letters_are_counted_as_they_are_kept(lab: Lab, start: Start) -> None:
    """A hole makes a listing necessary, and the unreadable row is asked again by name: counts and file agree."""
    bad = Mishap("duplicate-keys", page=lambda ask: ask.offset == 20 and not ask.query, times=1)
    hole = Mishap("empty-page", page=lambda ask: ask.offset == 40 and not ask.query)
    emulator = await start(sizes={"devices": 60}, mishaps=(bad, hole))
    ran = await run(lab, emulator)

    assert told(ran) == ("partial", 3)
    assert lab.ids("devices")
    assert lab.lane("devices")["dead_letters"] == len(letters(lab, "devices"))


# -------------------------------------------------------------------------------------------------- 32: odd characters

TEXTS = {
    "a lone surrogate": '["\\ud800 alone","a","\\udc00"]',
    "surrogates in the wrong order": '["\\udc00\\ud800"]',
    "a pair": '["\\ud83d\\ude00"]',
    "NUL": '["nul \\u0000 inside"]',
    "a byte order mark": '["\ufeffmarked"]',
    "all escapes": '["\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"]',
    "odd separators": '["\u2028\u2029\u0085"]',
    "unicode forms": '["\u00e9","e\u0301"]',
    "beyond the first plane": '["\U0001f512"]',
}


@pytest.mark.parametrize("profile", PROFILES)
async def test_fault_32_texts_keep_every_code_point(lab: Lab, start: Start, profile: str) -> None:
    """NUL, BOM, pairs and odd separators in their column, lone surrogates in the rescue column."""
    emulator, ran = await served(lab, start, profile, *((NAME, value) for value in TEXTS.values()))

    assert told(ran) == ("complete", 0)
    assert_nothing_lost(lab, emulator, "devices")
    back = str(restored(lab, "devices").values())
    assert all(repr(json.loads(value)[0])[1:-1] in back for value in TEXTS.values())


@pytest.mark.parametrize("profile", PROFILES)
async def test_fault_32_a_byte_order_mark_before_the_page_is_no_matter(lab: Lab, start: Start, profile: str) -> None:
    """Three bytes before the body, of every answer."""
    emulator = await start(profile, {"devices": 60}, mishaps=(Mishap("bom", on="page"),))
    ran = await run(lab, emulator)

    assert (told(ran), ran.outcome("devices").retries) == (("complete", 0), 0)
    assert_nothing_lost(lab, emulator, "devices")


# -------------------------------------------------------------------------------------------------------- 33: too much


@pytest.mark.parametrize("profile", SECOND)
async def test_fault_33_what_nests_within_reason_is_kept(lab: Lab, start: Start, profile: str) -> None:
    """Two hundred levels are rescued, not buried."""
    emulator = await start(profile, {"devices": 60}, mishaps=(Mishap("deep", depth=200),))
    ran = await run(lab, emulator)

    assert told(ran) == ("complete", 0)
    assert_nothing_lost(lab, emulator, "devices")


HEAVY = {
    "5,000 keys": ("many-keys", {"count": 5_000}),
    "a text of 10 MB": ("huge-text", {"size": 10_000_000}),
    "a list of 10,000 that fit": ("long-list", {"count": 10_000, "field": MAJOR}),
    "a list of 5,000 that do not": ("long-list", {"count": 5_000}),
}
HEAVIER = {
    "100,000 keys": ("many-keys", {"count": 100_000}),
    "a text of 100 MB": ("huge-text", {"size": 100_000_000}),
    "a list of a million that fit": ("long-list", {"field": MAJOR}),
    "a list of 100,000 that do not": ("long-list", {"count": 100_000}),
}


@pytest.mark.parametrize(
    ("kind", "details"),
    [*HEAVY.values(), *(pytest.param(*heavy, marks=pytest.mark.slow) for heavy in HEAVIER.values())],
)
async def test_fault_33_a_heavy_record_does_not_crash(
    lab: Lab, start: Start, kind: str, details: dict[str, Any]
) -> None:
    """It is kept in full, and the rows beside it too."""
    emulator = await start(sizes={"devices": 60}, mishaps=(Mishap(kind, page=2, times=1, **details),))
    ran = await run(lab, emulator)

    assert told(ran) == ("complete", 0)
    assert_nothing_lost(lab, emulator, "devices")


# ------------------------------------------------------------------------------------------------- 34: types that flip

FLIPS = (
    "7",
    '"seven"',
    "[7]",
    '["seven",7,null,true,{"a":[]}]',
    '{"a":7}',
    "null",
    "true",
    "7.5",
    "[[7],[]]",
    "[null]",
)
EMPTY = ("null", "[]", "{}", '""', '[""]', "[null]", "[{}]", "[[]]")


@pytest.mark.parametrize("field", [NAME, SCORE, MAJOR, SEEN, MANAGED, PORTS, "labels"])
@pytest.mark.parametrize("profile", SECOND)
async def test_fault_34_types_that_flip_within_a_page_are_kept(
    lab: Lab, start: Start, profile: str, field: str
) -> None:
    """Integer, text, list, object and null in one column of one page: the schema stays, the values come back."""
    emulator, ran = await served(lab, start, profile, *((field, value) for value in FLIPS))

    assert told(ran) == ("complete", 0)
    assert_nothing_lost(lab, emulator, "devices")


@pytest.mark.parametrize("profile", SECOND)
async def test_fault_34_types_that_flip_between_pages_are_kept(lab: Lab, start: Start, profile: str) -> None:
    """Every page has another type, the one that settles the columns too: one schema for all files."""
    flips = tuple(Mishap("raw", field=SCORE, value=value, share=1.0, page=page + 1) for page, value in enumerate(FLIPS))
    emulator = await start(profile, {"devices": 200}, mishaps=flips)
    ran = await run(lab, emulator)

    assert told(ran) == ("complete", 0)
    table = lab.table("devices")  # joined without a cast
    assert table is not None
    assert table.num_rows == 200
    assert_nothing_lost(lab, emulator, "devices")


@pytest.mark.parametrize("profile", SECOND)
async def test_fault_34_types_that_flip_between_runs_keep_the_column(lab: Lab, start: Start, profile: str) -> None:
    """Ten days, ten types: the column of the first day stays or leaves a day to one of JSON, every day comes back."""
    emulator = await start(profile, {"devices": 40})
    kinds = dict[str, set[str]]()
    for day, value in enumerate(("[9.5]", *FLIPS)):
        emulator.mishaps[:] = [Mishap("raw", field=SCORE, value=value, share=1.0)]
        emulator.sent.clear()
        instance, date = lab.instance(emulator), f"2026-11-{day + 1:02}"
        settings = lab.settings(instance, types={"default": FIELDS}, entities=("devices",), logical_date=date)
        ran = await lab.run(settings)
        assert told(ran) == ("complete", 0)
        assert_nothing_lost(lab, emulator, "devices")
        for name, entry in lab.lane("devices")["columns"].items():
            if entry["field"] == SCORE:
                kinds.setdefault(name, set()).add(entry["type"])

    assert kinds == {"risk_score": {"list<double>"}, "risk_score_json": {"json"}}


@pytest.mark.parametrize("field", [NAME, SCORE, SEEN, PORTS, "labels"])
@pytest.mark.parametrize("profile", SECOND)
async def test_fault_34_null_missing_and_empty_stay_apart(lab: Lab, start: Start, profile: str, field: str) -> None:
    """Null, no key at all, [], {}, "" and lists of these are seven different things, before and after."""
    mishaps = tuple(Mishap("raw", field=field, value=value, page=1) for value in EMPTY)
    emulator = await start(profile, {"devices": 60}, mishaps=mishaps)
    ran = await run(lab, emulator)

    assert told(ran) == ("complete", 0)
    assert_nothing_lost(lab, emulator, "devices")
    last = {mishap.ids[-1]: same(read(value.encode())) for mishap, value in zip(mishaps, EMPTY, strict=True)}
    found = restored(lab, "devices")
    back = {name: inner(found[name])[field] for name in last}
    assert back == last
    absent = [record for record in map(inner, found.values()) if field not in record]
    assert absent or field in (NAME, SEEN)


def inner(record: object) -> dict[str, object]:
    """The members of a record that `same` has wrapped."""
    assert isinstance(record, tuple)
    members: dict[str, object] = record[1]
    return members


# ----------------------------------------------------------------------------------------------------------- 36: dates

DATES = (
    *("Mon, 02 Nov 2026 10:11:12 GMT", "Fri, 02 Nov 2026 10:11:12 GMT", "Mon,02 Nov 2026 10:11:12 GMT"),
    *("2026-11-02T10:11:12Z", "2026-11-02T10:11:12.123456Z", "2026-11-02T10:11:12+05:30", "2026-11-02 10:11:12"),
    *("2026-11-02", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0000-00-00", "2026-02-30T00:00:00Z"),
    *("Sat, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "1790000000", "never", "", "NOW - 3d"),
    *("Mon, 01 Jan 0001 00:00:00 GMT", "2026-11-02T24:00:00Z", "2026-12-31T23:59:60Z", "2026-11-02T10:11:12.1234567Z"),
)


@pytest.mark.parametrize("field", [SEEN, FIRST])
@pytest.mark.parametrize("profile", SECOND)
async def test_fault_36_dates_are_typed_or_rescued(lab: Lab, start: Start, profile: str, field: str) -> None:
    """RFC 1123, ISO with and without zone, epochs, years 1 and 9999, nonsense: the very text comes back."""
    texts = tuple((field, json.dumps([text])) for text in DATES)
    epochs = ((field, "[1790000000,1790000000123,-1]"),)
    emulator, ran = await served(lab, start, profile, *texts, *epochs)

    assert told(ran) == ("complete", 0)
    assert_nothing_lost(lab, emulator, "devices")


async def test_fault_36_a_date_in_the_columns_form_is_a_timestamp(lab: Lab, start: Start) -> None:
    """What fits is typed, and nothing is rescued for it; what is another form is typed and its text is rescued."""
    await served(lab, start, "p90", (SEEN, '"2026-11-02T10:11:12+05:30"'))

    rows = [row for row in lab.rows("devices") if row["axsync_rescued"]]
    assert [str(row["last_seen"]) for row in rows] == ["2026-11-02 04:41:12+00:00"] * 3
    assert {row["axsync_rescued"] for row in rows} == {f'{{"{SEEN}":"2026-11-02T10:11:12+05:30"}}'}
    assert all(row["last_seen"] for row in lab.rows("devices"))


def test_the_oracle_tells_numbers_apart() -> None:
    """7 is 7.0, but 2^64 + 5 is only itself, and -0.0 is a number like 0."""
    assert same(Number("7")) == same(7.0)
    assert same(Number("18446744073709551621")) != same(1.8446744073709552e19)
