"""Patience with what fails."""

import threading

__all__ = ["Backoff"]

_FIRST_DELAY, _LONGEST_DELAY = 0.2, 15.0
"""Seconds between attempts, doubled with each."""


class Backoff:
    """Waits longer each time, and not at all after a success."""

    def __init__(self, stop: threading.Event):
        self._stop = stop
        self.reset()

    def reset(self) -> None:
        self._delay = _FIRST_DELAY

    def wait(self) -> None:
        self._stop.wait(self._delay)
        self._delay = min(self._delay * 2, _LONGEST_DELAY)
