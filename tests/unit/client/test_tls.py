import pytest

from axsync.client.tls import Certificate


@pytest.mark.parametrize(
    ("days", "told"),
    [(-1, "expired 2026-11-02"), (0, "expires 2026-11-02 (0 days left)"), (1, "expires 2026-11-02 (1 day left)")],
)
def test_a_certificate_tells_when_it_ends(days: int, told: str) -> None:
    """On its last day it is not expired."""
    assert str(Certificate("a.example", "Example", "2026-11-02T00:00:00Z", days)) == f"issued by Example, {told}"
