"""Only what drifts in a lane is looked at, and it is found nevertheless."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import given

from axsync.convert import Converter
from axsync.convert.converter import CleanedPage, Records
from axsync.convert.fit import Rules
from axsync.convert.watch import LESSONS
from axsync.schema.columns import Column, group
from axsync.schema.kinds import Atom, Kind, Many
from tests.unit.convert.pages import columns_of, convert, page, record
from tests.unit.convert.served import examples, lanes
from tests.unit.convert.test_fit import CVE

SEEN = "Mon, 02 Nov 2026 10:11:12 GMT"
CVES: Kind = Many(CVE)


class Counting(Converter):
    """Counts how often a page is read, apart from the fast path."""

    reads = 0

    def _clean_bad(self, records: Records, bad: set[int]) -> CleanedPage | None:
        self.reads += 1
        return super()._clean_bad(records, bad)


def rules_of(*kinds: tuple[str, Kind]) -> Rules:
    """For the id and these fields."""
    return Rules(columns_of(*kinds))


@pytest.mark.parametrize(
    ("good", "odd"),
    [
        ({"cves": [{"cve_id": "a", "cvss": 7}]}, {"cves": [{"cve_id": "a", "cvss": "7"}]}),
        ({"cves": [{"cve_id": "a"}, None]}, {"cves": [{"cve_id": "a", "other": 1}]}),
        ({"cves": []}, {"cves": {"cve_id": "a"}}),
        ({"seen": SEEN}, {"seen": SEEN.replace("Mon", "Tue")}),
        ({"scans": [SEEN]}, {"scans": [SEEN.replace("Mon", "Tue")]}),
        ({"admins": [{"used": SEEN}]}, {"admins": [{"used": "2026-11-02"}]}),
    ],
)
def test_what_slipped_through_once_is_seen_from_then_on(good: dict[str, object], odd: dict[str, object]) -> None:
    """A member of another type, a new member, no list, a wrong date; what is as it should be still passes."""
    admins: Kind = Many(group([("used", Atom("timestamp"))]))
    dated = ("seen", Atom("timestamp")), ("scans", Many(Atom("timestamp"))), ("admins", admins)
    rules = rules_of(("cves", CVES), *dated)
    before = rules.passes(record(**good)), rules.passes(record(**odd))

    rules.learn([record(**odd)])

    assert before == (True, True)
    assert (rules.passes(record(**good)), rules.passes(record(**odd))) == (True, False)


@pytest.mark.parametrize("odd", [{"count": "7"}, {"seen": "2026-11-02"}, {"stray": 1}, {"internal_axon_id": ""}])
def test_what_is_quick_to_see_need_not_be_learnt(odd: dict[str, object]) -> None:
    """Values without objects in them, dates of another length, fields without a column, a missing id."""
    assert not rules_of(("count", Atom("integer")), ("seen", Atom("timestamp"))).passes(record(**odd))


def test_a_lane_that_drifts_everywhere_is_tested_in_full() -> None:
    """When so many lessons were not enough, no further one is needed."""
    names = [f"cves_{number:02}" for number in range(LESSONS + 2)]
    rules = rules_of(*((name, CVES) for name in names))

    for name in names[: LESSONS + 1]:
        rules.learn([record(**{name: [7]})])

    assert not rules.passes(record(**{names[-1]: [7]}))


@examples(100)
@given(lanes(rows=4))
def test_no_good_record_is_looked_at_closer(lane: tuple[tuple[Column, ...], list[bytes]]) -> None:
    """Whatever has been learnt: what passes all rules passes this test."""
    columns, raws = lane
    rules = Rules(columns)

    for raw in raws:
        rules.learn([raw])

    assert [raw for raw in raws if rules.accepts(raw) and not rules.passes(raw)] == []


def cves(values: Iterable[object]) -> bytes:
    """A page of records with a list of CVEs each."""
    return page([record(cves=[{"cve_id": "a", "cvss": value}]) for value in values])


def test_the_second_page_with_the_same_drift_is_read_once() -> None:
    """The first one is refused by pyarrow, then tested in full."""
    made = Counting(columns_of(("cves", CVES)), rows_key="assets", run_id="r")

    first, second = (convert(made, cves([7, value, 9.5])) for value in ("8", "8.5"))

    assert made.reads == 3
    assert [json.loads(text) for text in second.batch.column("axsync_rescued").to_pylist() if text] == [
        {"cves[0].cvss": "8.5"}
    ]
    assert first.drift == second.drift == {"cves": (1, "string")}


def test_a_lane_that_stops_drifting_takes_the_fast_path_again() -> None:
    """One page later."""
    made = Counting(columns_of(("cves", CVES)), rows_key="assets", run_id="r")

    for values in ([7, "8"], [7, 8], [7, 8]):
        convert(made, cves(values))

    assert made.reads == 2 + 1
