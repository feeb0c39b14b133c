"""What a reporter is, and the fence around each: whatever goes wrong in it becomes one warning."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from axsync.events import Event, Observer

Summary: TypeAlias = Mapping[str, Any]
"""How a run ended, as JSON values; its keys are in docs/logs.md."""
Warn: TypeAlias = Callable[[str], None]


class Reporter(Protocol):
    """An observer that also hears how the run ended."""

    def __call__(self, event: Event) -> None:
        """Something happened."""
        ...

    def close(self, summary: Summary) -> None:
        """The run is over, well or not; called once."""
        ...


@dataclass(slots=True)
class SafeReporter:
    """A reporter that cannot raise; its first failure is a warning, the run goes on."""

    name: str
    reporter: Reporter
    warn: Warn
    warned: bool = False

    def __call__(self, event: Event) -> None:
        try:
            self.reporter(event)
        except Exception as error:  # noqa: BLE001  whatever is wrong with a reporter, the run is not to end of it
            self._tell(error)

    def close(self, summary: Summary) -> None:
        try:
            self.reporter.close(summary)
        except Exception as error:  # noqa: BLE001  as above
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if not self.warned:
            self.warned = True
            self.warn(f"{self.name}: {_words(error)}")


class Failed(Exception):
    """A reporter could not do its part; its text is fit to be shown."""


def _words(error: Exception) -> str:
    # What a library says may hold addresses with keys in them; what the system says does not.
    if isinstance(error, Failed):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f' ({error.filename})' if isinstance(error.filename, str) else ''}"
    return f"failed with {type(error).__name__}"


@dataclass(frozen=True, slots=True)
class Reporters:
    """All reporters of one run."""

    reporters: Sequence[SafeReporter] = ()

    @property
    def observers(self) -> tuple[Observer, ...]:
        return tuple(self.reporters)

    def close(self, summary: Summary) -> None:
        """Tell every reporter how the run ended; never raises."""
        for reporter in self.reporters:
            reporter.close(summary)
