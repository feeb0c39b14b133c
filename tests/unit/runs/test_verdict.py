from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.runs.verdict import Evidence, judge

GOOD = Evidence(100, 100, 100)
COUNTS = st.none() | st.integers(0, 5)


@pytest.mark.parametrize(
    "evidence",
    [
        GOOD,
        replace(GOOD, before=None),
        replace(GOOD, after=None),
        replace(GOOD, before=None, after=None, total=100),
        Evidence(0, 0, 0),
        replace(GOOD, limit=100),
        replace(GOOD, limit=1000),
        # The total of a page may be old; the counts are newer.
        replace(GOOD, total=90),
        # A later listing is exactly what the lake holds, though the data moved.
        Evidence(90, 100, 100, listed=100),
        Evidence(90, None, 100, listed=100),
    ],
    ids=str,
)
def test_a_lane_that_agrees_with_its_server_is_complete(evidence: Evidence) -> None:
    """No reason is needed."""
    assert judge(evidence) == ("complete", None)


@pytest.mark.parametrize(
    ("evidence", "verdict", "words"),
    [
        (Evidence(100, 110, 110), "drifted", "counted 100 and 110, 110 different ids came"),
        (Evidence(100, 100, 99), "drifted", "counted 100, 99 different ids came"),
        (Evidence(None, None, 99, total=100), "drifted", "counted 100, 99 different ids came"),
        (Evidence(100, 100, 99, listed=100, missing=1), "drifted", "1 of 100 listed ids could not be read"),
        (Evidence(100, 100, 101, listed=100, vanished=1), "drifted", "1 ids that were read are no longer listed"),
        (Evidence(100, 120, 100, listed=100), "drifted", "counted 100 and 120"),
        (Evidence(100, 100, 98, dead_letters=2), "partial", "2 records could not be read"),
        (Evidence(100, 100, 10, limit=10), "partial", "limited to 10 rows"),
        (Evidence(None, None, 10, limit=10, total=100), "partial", "limited to 10 rows"),
        (Evidence(100, 100, 8, dead_letters=2, limit=10), "partial", "limited to 10 rows"),
    ],
)
def test_a_lane_that_does_not_agree_says_so_in_numbers(evidence: Evidence, verdict: str, words: str) -> None:
    """Which two numbers differ, or what was left out."""
    judged, reason = judge(evidence)

    assert judged == verdict
    assert words in (reason or "")


@given(
    st.builds(
        Evidence,
        before=COUNTS,
        after=COUNTS,
        distinct=st.integers(0, 5),
        dead_letters=st.integers(0, 2),
        total=COUNTS,
        listed=COUNTS,
        missing=st.integers(0, 2),
        vanished=st.integers(0, 2),
    )
)
def test_complete_is_never_said_against_the_evidence(evidence: Evidence) -> None:
    """Nothing unreadable, missing or gone, and the last that the server told is what came; else there is a reason."""
    verdict, reason = judge(evidence)

    assert (reason is None) == (verdict == "complete")
    if verdict == "complete":
        assert evidence.dead_letters == evidence.missing == evidence.vanished == 0
        last = next(
            (n for n in (evidence.after, evidence.listed, evidence.before, evidence.total) if n is not None), None
        )
        assert last == evidence.distinct or evidence.listed is not None
