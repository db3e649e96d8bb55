"""The switch between the wire and the core."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..packet import PacketSignature

__all__ = ["Gate"]


class Gate(wiring.Component):
    """Passes whole frames while ``enable`` is 1; latency 0.

    ``enable`` counts at the first word of a frame only, so that the core never sees half a frame. A blocked
    frame leaves no trace.
    """

    def __init__(self, width: int):
        super().__init__(
            {
                "enable": In(1),
                "input": In(PacketSignature(width, always_ready=True)),
                "output": Out(PacketSignature(width, always_ready=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        inside = Signal()
        passing = Signal()
        passes = Signal()
        with m.If(inside):
            m.d.comb += passes.eq(passing)
        with m.Else():
            m.d.comb += passes.eq(self.enable)
        with m.If(self.input.valid):
            m.d.sync += [inside.eq(~self.input.payload.last), passing.eq(passes)]
        m.d.comb += [
            self.output.valid.eq(self.input.valid & passes),
            self.output.payload.eq(self.input.payload),
        ]
        return m
