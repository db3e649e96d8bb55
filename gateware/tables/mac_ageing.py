"""When the MAC table must be scanned for entries that nobody refreshed."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["AgeingClock"]


class AgeingClock(wiring.Component):
    """Asks for a scan 3.5 times per ``age_seconds``.

    Each scan takes one off the age of every learned entry and removes those that are at 0 already. An entry
    that is fresh (age 3) thus disappears in the fourth scan, 0.86 to 1.14 times ``age_seconds`` after its
    last refresh.

    ``due``   high from when a scan should begin until ``done``, its end. Never high with ``age_seconds`` 0:
    entries then stay for ever.
    """

    def __init__(self):
        super().__init__(
            {
                "second": In(1),
                "age_seconds": In(16),
                "due": Out(1),
                "done": In(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        # In units of 1/7 second against twice the ageing time. What is left when that is reached is below 7,
        # unless the ageing time was just lowered: it need not be exact then.
        elapsed = Signal(18)
        period = self.age_seconds << 1
        reached = Signal()
        rest = Signal(3)
        off = Signal()
        m.d.comb += rest.eq(elapsed[:3] - period[:3])
        m.d.sync += reached.eq(elapsed >= period)  # a clock late, when ``due`` is up already
        with m.If(self.second):
            m.d.sync += elapsed.eq(elapsed + 7)
        with m.If(reached & ~self.due):
            m.d.sync += [elapsed.eq(rest), self.due.eq(1)]
        m.d.sync += off.eq(self.age_seconds == 0)
        with m.If(self.done | off):
            m.d.sync += self.due.eq(0)
        return m
