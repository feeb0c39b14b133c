import pytest

from axsync.pacing.health import FAILURES, CircuitBreaker, Heard, LatencyMonitor


def test_five_failures_in_a_row_break() -> None:
    """One fewer does not, nor five with an answer between them."""
    breaker = CircuitBreaker(probes=3)
    for heard in ("failed",) * 4 + ("good",) + ("failed",) * 4:
        breaker.heard(heard, probe=False)
    assert not breaker.broken

    breaker.heard("failed", probe=False)
    assert (breaker.broken, breaker.dead) == (True, False)


@pytest.mark.parametrize("heard", ["good", "busy"])
def test_any_answer_mends(heard: Heard) -> None:
    """Who refuses is there."""
    breaker = CircuitBreaker(probes=3, failures=FAILURES)
    breaker.heard(heard, probe=True)

    assert (breaker.broken, breaker.failures) == (False, 0)


def test_failed_looks_end_it() -> None:
    """Only looks count: what was under way when it broke says nothing new."""
    breaker = CircuitBreaker(probes=3)
    for _ in range(20):
        breaker.heard("failed", probe=False)
    assert not breaker.dead

    for _ in range(3):
        breaker.heard("failed", probe=True)
    assert breaker.dead


def test_what_we_gave_up_ourselves_is_no_sign() -> None:
    """A cancelled request neither breaks nor mends."""
    breaker = CircuitBreaker(probes=3, failures=FAILURES)
    breaker.heard("nothing", probe=True)

    assert breaker.broken


def rounds(queueing: LatencyMonitor, seconds: list[float], at_once: int, start: float = 0.0) -> list[bool]:
    """Answers that come evenly, so many at once under way."""
    now, signs = start, []
    for one in seconds:
        now += one / at_once
        signs.append(queueing.heard("pages", one, at_once, now))
    return signs


def test_slower_without_more_is_a_queue() -> None:
    """Twice as many at once, each answer taking more than twice as long."""
    queueing = LatencyMonitor()

    assert not any(rounds(queueing, [1.0] * 20, 4))
    assert any(rounds(queueing, [2.2] * 16, 8, 5.0))


def test_slower_with_more_is_none() -> None:
    """Four times as many at once, each answer taking twice as long: more is done."""
    queueing = LatencyMonitor()

    assert not any(rounds(queueing, [1.0] * 20, 2))
    assert not any(rounds(queueing, [1.6] * 16, 8, 10.0))


def test_quick_answers_are_no_load() -> None:
    """Some milliseconds more or less are not worth a cut."""
    queueing = LatencyMonitor()

    assert not any([*rounds(queueing, [0.01] * 20, 4), *rounds(queueing, [0.08] * 32, 8, 1.0)])


def test_kinds_are_told_apart() -> None:
    """Counts are quick and pages are slow; that is no queue."""
    queueing, now, signs = LatencyMonitor(), 0.0, []
    for place in range(60):
        kind, seconds = ("counts", 0.3) if place < 20 else ("pages", 3.0)
        now += seconds / 4
        signs.append(queueing.heard(kind, seconds, 4, now))

    assert not any(signs)
