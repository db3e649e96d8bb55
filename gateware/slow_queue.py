"""A small queue for what is rare."""

from amaranth.hdl import Module, ShapeLike, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["SlowQueue"]

_DEPTH = 16


class SlowQueue(wiring.Component):
    """A FIFO for 15 words in LUT RAM: small, without a level.

    It takes one, and gives one, every other clock at most: both handshakes end at registers.
    """

    def __init__(self, shape: ShapeLike):
        self.shape = shape
        super().__init__({"input": In(stream.Signature(shape)), "output": Out(stream.Signature(shape))})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.shape, depth=_DEPTH, init=[])
        write = memory.write_port()
        read = memory.read_port(domain="comb")
        first = Signal(range(_DEPTH))
        end = Signal(range(_DEPTH))
        taken = Signal()
        m.d.comb += taken.eq(self.output.valid & self.output.ready)
        m.d.sync += [
            self.input.ready.eq(((end + 1)[: len(end)] != first) & ~write.en),
            self.output.valid.eq((end != first) & ~taken),
        ]
        m.d.comb += [
            write.en.eq(self.input.valid & self.input.ready),
            write.addr.eq(end),
            Value.cast(write.data).eq(Value.cast(self.input.payload)),
            read.addr.eq(first),
            Value.cast(self.output.payload).eq(Value.cast(read.data)),
        ]
        with m.If(write.en):
            m.d.sync += end.eq(end + 1)
        with m.If(taken):
            m.d.sync += first.eq(first + 1)
        return m
