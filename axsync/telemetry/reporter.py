"""The reporter protocol, and the wrapper that turns any failure of a reporter into one warning."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from axsync.events import Event, Observer

Summary: TypeAlias = Mapping[str, Any]
"""How a run ended, as JSON values; docs/logs.md lists the keys."""
Warn: TypeAlias = Callable[[str], None]


class Reporter(Protocol):
    """An observer that is also told how the run ended."""

    def __call__(self, event: Event) -> None:
        """Handle an event."""
        ...

    def close(self, summary: Summary) -> None:
        """Handle the end of the run, successful or not. Called once."""
        ...


@dataclass(slots=True)
class SafeReporter:
    """Wraps a reporter so that it cannot raise; its first failure becomes a warning."""

    name: str
    reporter: Reporter
    warn: Warn
    warned: bool = False

    def __call__(self, event: Event) -> None:
        try:
            self.reporter(event)
        except Exception as error:  # noqa: BLE001  no failure of a reporter may end the run
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
    """A reporter failed; its text may be shown."""


def _words(error: Exception) -> str:
    # Messages of libraries may contain addresses with keys; those of the system do not.
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
        """Report the end of the run to every reporter. Never raises."""
        for reporter in self.reporters:
            reporter.close(summary)
