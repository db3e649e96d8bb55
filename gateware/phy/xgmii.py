"""XGMII (IEEE 802.3 clause 46) in its form of 64 bits at a single data rate: eight octets per clock of 156.25 MHz."""

from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import Out

__all__ = ["COLUMN_LANES", "IDLE_LANES", "LANES", "Control", "XgmiiSignature"]

LANES = 8
COLUMN_LANES = 4
"""Octets of a column of clause 46, of which a clock holds two. A packet begins in a column's first lane."""


class Control(enum.IntEnum, shape=8):
    """Control characters (table 46-3)."""

    IDLE = 0x07
    SEQUENCE = 0x9C
    """Begins an ordered set, in a column's first lane."""
    START = 0xFB
    TERMINATE = 0xFD
    ERROR = 0xFE


IDLE_LANES = [Control.IDLE] * LANES


class XgmiiSignature(wiring.Signature):
    """RXD and RXC, or TXD and TXC; idle after a reset. A new word in every clock.

    ``data``     octets, the first on the wire in lane 0.
    ``control``  by lane: the octet is a :class:`Control` character. Octets that are no control are a packet's, or
                 an ordered set's.
    """

    def __init__(self):
        super().__init__(
            {
                "data": Out(data.ArrayLayout(8, LANES), init=IDLE_LANES),
                "control": Out(LANES, init=(1 << LANES) - 1),
            }
        )
