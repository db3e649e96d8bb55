"""Limits and steps of the MAC table's engine."""

from collections.abc import Sequence
from typing import Any

from amaranth.lib import enum

__all__ = ["BURST", "EVICT_STEPS", "MAX_STEPS", "Step", "walk_way"]

BURST = 64
"""Words of the request table: all of them are the same port, so that a burst of requests is a burst of
writes."""

MAX_STEPS = 256
"""Entries that are visited in search of one that can move."""

EVICT_STEPS = 16
"""Entries after which a learned one makes room for a static one; learning brings it back."""


def walk_way(step: Sequence[Any]) -> Any:
    """The way of a step of the walk, whose bits are given; on integers and on values of gateware alike.

    A walk takes the same ways when it begins again. Its way does not depend on the place alone, or it would be
    caught in a loop, and it rarely is the one that the walk came by, or it would stay where it is.
    """
    low = step[0] ^ (step[2] & step[3]) ^ step[5] ^ step[6]
    high = step[1] ^ step[3] ^ (step[4] & step[5]) ^ step[7]
    return low | high << 1


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
