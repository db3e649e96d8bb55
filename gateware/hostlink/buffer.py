"""A register between two streams."""

from amaranth.hdl import Module, ShapeLike
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

__all__ = ["StreamBuffer"]


class StreamBuffer(Component):
    """Holds one payload. Cuts every path between its sides; one transfer per two clocks, latency one clock."""

    def __init__(self, shape: ShapeLike):
        self.shape = shape
        super().__init__({"input": In(stream.Signature(shape)), "output": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.input.ready.eq(~self.output.valid)
        with m.If(self.output.valid):
            with m.If(self.output.ready):
                m.d.sync += self.output.valid.eq(0)
        with m.Elif(self.input.valid):
            m.d.sync += [self.output.valid.eq(1), self.output.payload.eq(self.input.payload)]
        return m
