"""Two payloads of room between two blocks."""

from amaranth.hdl import Module, Mux, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Buffer"]


class Buffer(wiring.Component):
    """Registers a stream in both directions: ``input.ready`` and the output come from flip-flops.

    Latency 1 clock, one word per clock.
    """

    def __init__(self, shape: ShapeLike):
        self.shape = shape
        super().__init__({"input": In(stream.Signature(shape)), "output": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        # Takes the word that came when the output turned out to be stalled.
        spare = Signal.like(self.input.payload)
        full = Signal()
        some = full | self.input.valid
        m.d.comb += self.input.ready.eq(~full)
        # A gate, not a reset: the way to a flip-flop's reset is long.
        m.d.sync += full.eq(some & self.output.valid & ~self.output.ready)
        with m.If(~full):
            m.d.sync += spare.eq(self.input.payload)
        with m.If(~self.output.valid | self.output.ready):
            m.d.sync += [
                self.output.valid.eq(some),
                self.output.payload.eq(Mux(full, spare, self.input.payload)),
            ]
        return m
