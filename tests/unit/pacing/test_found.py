import math
from itertools import pairwise

import pytest
from _pytest.mark import ParameterSet

from tests.unit.pacing.model import Server, crowd
from tests.unit.pacing.virtual import run

RATES, PLACES, LATENCIES = (2, 3, 5, 10, 20, 32, 50), (1, 2, 4, 8, 16), (0.05, 0.3, 1.5)


def triples() -> list[ParameterSet]:
    """All of them; those are not slow in which every two values come together once."""
    return [
        pytest.param(rate, places, latency, marks=pytest.mark.slow if (at + other + third) % len(LATENCIES) else ())
        for at, rate in enumerate(RATES)
        for other, places in enumerate(PLACES)
        for third, latency in enumerate(LATENCIES)
    ]


@pytest.mark.parametrize(("rate", "places", "latency"), triples())
def test_an_unknown_pace_is_found(rate: int, places: int, latency: float) -> None:
    """After 20 requests at least 85 % of what the server allows, and at most 3 % of the requests refused."""
    possible = min(rate, places / (latency + 0.001))
    server = Server(rate, places, latency)
    run(crowd(server, requests=max(60, int(possible * 90)), jitter=0.002))

    assert server.rate() >= 0.85 * possible
    assert server.refused <= max(3, 0.03 * len(server.log))


@pytest.mark.parametrize("in_flight", [1, 2, 4, 8, 16])
def test_a_free_server_is_used_within_twenty_requests(in_flight: int) -> None:
    """Beginning with two at once, or one where that is allowed."""
    server = Server(latency=0.5)
    run(crowd(server, requests=60, in_flight=in_flight))

    at_once = [number for _, _, number in server.log]
    assert at_once[0] == 1
    assert max(at_once[:2]) <= 2
    assert max(at_once[: 20 + in_flight]) == max(at_once) == in_flight  # while twenty were answered


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_queue_at_the_server_is_noticed_without_a_refusal(workers: int) -> None:
    """Answers that only get slower: few more than it works on are under way, not sixteen."""
    server = Server(latency=0.5, workers=workers)
    run(crowd(server, requests=400))

    late = [number for _, _, number in server.log[100:]]
    assert sum(late) / len(late) <= 3 * workers + 3
    assert server.rate(100) >= 0.85 * workers / 0.5


@pytest.mark.parametrize(("rate", "places"), [(5, 16), (50, 2)])
def test_a_server_that_allows_more_later_is_used(rate: int, places: int) -> None:
    """What was refused once is tried again."""

    async def story() -> float:
        server = Server(rate, places, 0.3)
        await crowd(server, requests=int(20 * min(rate, places / 0.3)))
        return server.rate()

    async def relieved() -> float:
        server = Server(rate, places, 0.3)
        server.relief = 20.0
        await crowd(server, requests=3000)
        times = [when for when, status, _ in server.log if status == 200]
        return 500 / (times[-1] - times[-501])

    assert run(relieved()) > 3 * run(story())


@pytest.mark.parametrize(("share", "seconds"), [(0.04, 200), (0.1, 600), (0.2, 3000)])
def test_refusals_for_no_reason_do_not_stop_it(share: float, seconds: float) -> None:
    """A share is refused whatever is asked, each with a second's quiet: asking less is no help, so it goes on."""
    server = Server(latency=0.1, moody=share)
    run(crowd(server, requests=1000))

    assert server.log[-1][0] - server.log[0][0] <= seconds


def test_after_a_quiet_there_is_no_herd() -> None:
    """Twenty-four waited; the first that leave are few, and come one by one."""
    server = Server(10, 16, 0.3)
    run(crowd(server, requests=400))

    moments = [when for when, _, _ in server.log]
    ends = [later for one, later in pairwise(moments) if later - one > 0.9]
    assert ends
    assert all(sum(end <= when < end + 0.3 for when in moments) <= 3 for end in ends)


def test_the_model_counts() -> None:
    """A server without limits refuses nobody."""
    server = Server(math.inf, 1 << 30, 0.1)
    run(crowd(server, requests=50))

    assert (server.refused, len(server.log)) == (0, 50)
