"""Something that is done again and again by a thread of its own, until it is stopped."""

import threading
from collections.abc import Callable


class Ticks:
    """Calls `tick` about every so many seconds between `start` and `stop`; not once more after `stop`."""

    def __init__(self, tick: Callable[[], None], seconds: float, *, name: str) -> None:
        self._tick, self._seconds, self._over = tick, seconds, threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; the first tick comes after the pause."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for a tick that is under way."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            self._tick()
