"""The LED of a port."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LinkLed"]

_DARK_TICKS = 255
"""A sixteenth of a second at 4,096 ticks per second: long enough to be seen, short enough to blink under load."""


class LinkLed(wiring.Component):
    """Lit while the link is up; dark for 1/16 s with a frame, then lit as long before the next one counts.

    Members
    -------
    up : In(1)
        The link is up.
    frame : In(1)
        Strobe: a frame came or went.
    tick : In(1)
        Strobe, 4,096 times a second.
    lit : Out(1)
    """

    def __init__(self):
        super().__init__({"up": In(1), "frame": In(1), "tick": In(1), "lit": Out(1)})

    def elaborate(self, platform):
        m = Module()
        left = Signal(range(2 * _DARK_TICKS + 2))
        with m.If((left == 0) & self.frame):
            m.d.sync += left.eq(2 * _DARK_TICKS + 1)
        with m.Elif((left != 0) & self.tick):
            m.d.sync += left.eq(left - 1)
        m.d.sync += self.lit.eq(self.up & (left <= _DARK_TICKS))
        return m
