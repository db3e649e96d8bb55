"""How many answers there are (RFC 4443, 2.4(f))."""

import time
from collections.abc import Callable, Hashable

__all__ = ["Limit"]

_RATE = 100.0
"""Answers per second, and at once after silence."""
_QUIET = 1.0
"""Seconds in which an answer is not repeated: what was under way before it came says nothing new."""


class Limit:
    """A token bucket, and a memory of what was answered just now.

    ``clock``  seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._tokens = _RATE
        self._filled = clock()
        self._recent: dict[Hashable, float] = {}
        """When was answered what, in order."""

    def allows(self, what: Hashable) -> bool:
        """Whether ``what`` may be answered now; it is taken that it is, then."""
        now = self._clock()
        self._tokens = min(_RATE, self._tokens + (now - self._filled) * _RATE)
        self._filled = now
        self._recent = {each: at for each, at in self._recent.items() if now - at < _QUIET}
        if what in self._recent or self._tokens < 1:
            return False
        self._tokens -= 1
        self._recent[what] = now
        return True
