"""Time for a TEP on a board: what the core counts in."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from .storm.limit import TICKS_PER_SECOND, StormTicks

__all__ = ["Ticks"]


class Ticks(wiring.Component):
    """Strobes made from a clock of ``clock_hz``, which are off by less than half a clock per tick.

    Members
    -------
    storm : Out(StormTicks())
        4,096 ticks per second, one by one.
    second : Out(1)
        Strobe with every 4,096th of them.
    """

    def __init__(self, clock_hz: int):
        if clock_hz < 2 * TICKS_PER_SECOND:
            raise ValueError(f"clock_hz must be at least {2 * TICKS_PER_SECOND}, not {clock_hz}")
        self.period = round(clock_hz / TICKS_PER_SECOND)
        """Clocks per tick."""
        super().__init__({"storm": Out(StormTicks()), "second": Out(1)})

    def elaborate(self, platform):
        m = Module()
        clocks = Signal(range(self.period))
        ticks = Signal(range(TICKS_PER_SECOND))
        m.d.sync += [self.storm.tick.eq(0), self.second.eq(0), clocks.eq(clocks + 1)]
        with m.If(clocks == self.period - 1):
            m.d.sync += [
                clocks.eq(0),
                ticks.eq(ticks + 1),
                self.storm.tick.eq(1),
                self.second.eq(ticks == TICKS_PER_SECOND - 1),
            ]
        return m
