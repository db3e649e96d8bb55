"""State of a port's link, and its way between clock domains."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from .gmii import Speed

__all__ = ["LinkState", "LinkSynchronizer"]

_SAMPLES = 4
"""Equal samples in a row after which no bit of the state can still be on its way."""


class LinkState(data.Struct):
    """What PHY and partner have agreed on. While ``up`` is 0 the rest says nothing."""

    up: 1
    speed: Speed
    full_duplex: 1


class LinkSynchronizer(wiring.Component):
    """Crosses from the domain of ``input``, which must be a register there, to ``sync``.

    ``output`` is never a mixture of two states. A state that lasts for less than eight clocks may never show.
    """

    def __init__(self):
        super().__init__({"input": In(LinkState), "output": Out(LinkState)})

    def elaborate(self, platform) -> Module:
        m = Module()
        present = Signal(LinkState)
        last = Signal(LinkState)
        equal = Signal(range(_SAMPLES))
        m.submodules.synchronizer = FFSynchronizer(self.input.as_value(), present.as_value())
        m.d.sync += last.eq(present)
        with m.If(present.as_value() != last.as_value()):
            m.d.sync += equal.eq(0)
        with m.Elif(equal == _SAMPLES - 1):
            m.d.sync += self.output.eq(last)
        with m.Else():
            m.d.sync += equal.eq(equal + 1)
        return m
