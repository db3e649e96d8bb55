"""Limits and steps of the MAC table's engine."""

from amaranth.lib import enum

__all__ = ["BURST", "EVICT_STEPS", "MAX_PATH", "MAX_STEPS", "Event", "Step"]

BURST = 64
"""Words of the request table: all of them are the same port, so that a burst of requests is a burst of
writes."""

MAX_PATH = 32
"""Entries that may move to make room for one."""

MAX_STEPS = 64
"""Slots that are visited in search of a free one."""

EVICT_STEPS = 16
"""Visited slots after which a learned entry makes room for a static one; learning brings it back."""


class Step(enum.Enum, shape=3):
    """Why the table is probed, i.e. what to do with the answer."""

    FIND = 0
    VICTIM = 1
    ALTERNATIVES = 2
    MOVED = 3
    DUMP = 4
    DUMP_KEY = 5
    AGE = 6


class Event(enum.Enum, shape=2):
    """What to report once the entry is written."""

    NONE = 0
    LEARNED = 1
    MOVED = 2
    AGED = 3
