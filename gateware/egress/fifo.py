"""A FIFO behind something that cannot wait."""

from amaranth.hdl import Module, Mux, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .buffer import Buffer

__all__ = ["FIFO_DEPTH", "CreditFifo"]

FIFO_DEPTH = 16
"""ECP5's distributed RAM is 16 deep; fewer would cost the same."""


class CreditFifo(wiring.Component):
    """FIFO of ``FIFO_DEPTH`` words in distributed RAM whose writer reserves room before it has the data.

    ``room``     words that may still be reserved.
    ``reserve``  takes one of them; only while ``room`` is not 0.
    ``write``    strobe: ``data`` fills the room reserved first. It shows at the output in the next clock.
    """

    def __init__(self, shape: ShapeLike):
        self.shape = shape
        super().__init__(
            {
                "room": Out(range(FIFO_DEPTH + 1), init=FIFO_DEPTH),
                "reserve": In(1),
                "write": In(1),
                "data": In(shape),
                "output": Out(stream.Signature(shape)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=len(self.data), depth=FIFO_DEPTH, init=[])
        write = memory.write_port()
        read = memory.read_port(domain="comb")

        # The memory holds what the buffer has no room for.
        m.submodules.buffer = buffer = Buffer(self.shape)
        wiring.connect(m, buffer.output, wiring.flipped(self.output))
        empty = Signal(init=1)
        single = Signal()
        popped = Signal()
        put = Signal()
        get = Signal()
        m.d.comb += [
            put.eq(self.write & ~(empty & buffer.input.ready)),
            get.eq(~empty & buffer.input.ready),
            single.eq((read.addr + 1)[: len(read.addr)] == write.addr),
            # What goes past the memory is written too, where the next word will overwrite it.
            write.en.eq(self.write),
            write.data.eq(self.data),
            buffer.input.valid.eq(~empty | self.write),
            buffer.input.payload.eq(Mux(empty, self.data, read.data)),
        ]
        m.d.sync += [
            popped.eq(self.output.valid & self.output.ready),
            # A word popped gives room a clock later, to keep the output's ready off this path.
            self.room.eq(self.room + popped - self.reserve),
        ]
        with m.If(put):
            m.d.sync += [write.addr.eq(write.addr + 1), empty.eq(0)]
        with m.Elif(get & single):
            m.d.sync += empty.eq(1)
        with m.If(get):
            m.d.sync += read.addr.eq(read.addr + 1)
        return m
