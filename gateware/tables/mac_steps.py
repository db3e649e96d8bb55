"""Limits and steps of the MAC table's engine."""

from amaranth.lib import enum

__all__ = ["BURST", "EVICT_STEPS", "MAX_STEPS", "Event", "Step"]

BURST = 64
"""Words of the request table: all of them are the same port, so that a burst of requests is a burst of
writes."""

MAX_STEPS = 256
"""Entries that are visited in search of one that can move."""

EVICT_STEPS = 16
"""Entries after which a learned one makes room for a static one; learning brings it back."""


class Step(enum.Enum, shape=3):
    """What the pass through the table is for, i.e. what to do when it is done."""

    LOAD = 0
    """The key of the operation comes into the hand."""
    FIND = 1
    """Where is the key in hand, or where could it be?"""
    STORE = 2
    """What is in hand is written, or erased."""
    TAKE = 3
    """The occupant of a slot of the key in hand comes into the hand."""
    ERASE = 4
    """What is in hand is erased where it was taken."""
    READ = 5
    """A slot comes into the hand: for the host, or for ageing."""
    CLEAR = 6
    """A bucket is erased."""


class Event(enum.Enum, shape=2):
    """What to report once the entry is written."""

    NONE = 0
    LEARNED = 1
    MOVED = 2
    AGED = 3
