"""How many examples a property test takes: a tenth in `make unit`, many times as many in `make fuzz`."""

from typing import Final

from hypothesis import settings

_USUAL = 100
_FEWEST = 10

# Where the ordinary profile asks for 100 examples, that of `make unit` asks for 10 and that of `make fuzz` for 5,000.
TIMES: Final = settings().max_examples / _USUAL


def scaled(count: int) -> int:
    """As many examples as take the place of `count`, of which `make test` takes all."""
    return max(int(count * TIMES), min(count, _FEWEST))
