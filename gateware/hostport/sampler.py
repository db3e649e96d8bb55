"""Which of the frames that may be samples are."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Sampler"]


class Sampler(wiring.Component):
    """Tells one of ``interval`` candidates from the others, the first one among them.

    Members
    -------
    interval
        0 counts as 1; a smaller value counts within the present interval.
    passes
        Strobe: a candidate has come and gone.
    due
        The next one is a sample. Registered.
    """

    def __init__(self):
        super().__init__({"interval": In(16), "passes": In(1), "due": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        left = Signal.like(self.interval)
        with m.If(self.passes):
            with m.If(self.due):
                m.d.sync += [left.eq(self.interval - 1), self.due.eq(self.interval <= 1)]
            with m.Else():
                m.d.sync += [left.eq(left - 1), self.due.eq((left <= 1) | (left >= self.interval))]
        return m
