"""Patience with what fails."""

import threading
import time
from collections.abc import Callable

__all__ = ["LOOK_SECONDS", "Backoff"]

_FIRST_DELAY, _LONGEST_DELAY = 0.2, 15.0
"""Seconds between attempts, doubled with each."""
LOOK_SECONDS = 0.5
"""How long a stop may take."""


class Backoff:
    """Waits longer each time, and not at all after a success."""

    def __init__(self, stop: threading.Event):
        self._stop = stop
        self.reset()

    def reset(self) -> None:
        self._delay = _FIRST_DELAY

    def wait(self, pause: Callable[[float], bool] | None = None) -> None:
        """``pause`` takes at most so many seconds, and tells whether there is a reason to wait no longer."""
        pause = pause or self._stop.wait
        end = time.monotonic() + self._delay
        while not self._stop.is_set() and (left := end - time.monotonic()) > 0:
            if pause(min(left, LOOK_SECONDS)):
                break
        self._delay = min(self._delay * 2, _LONGEST_DELAY)
