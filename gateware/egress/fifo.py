"""A FIFO behind something that cannot wait."""

from amaranth.hdl import Module, Mux, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["FIFO_DEPTH", "CreditFifo"]

FIFO_DEPTH = 15
"""ECP5's distributed RAM is 16 deep; fewer would cost the same. One row stays free."""


class CreditFifo(wiring.Component):
    """FIFO of ``FIFO_DEPTH`` words in distributed RAM whose writer reserves room before it has the data.

    ``room``     words that may still be reserved.
    ``has_room`` ``room`` is not 0.
    ``reserve``  takes one of them; only while ``has_room``.
    ``write``    strobe: ``data`` fills the room reserved first. It shows at the output in the next clock, or with
                 ``bypass`` in the same one if no other waits.
    """

    def __init__(self, shape: ShapeLike, *, bypass: bool = False):
        self.shape = shape
        self.bypass = bypass
        super().__init__(
            {
                "room": Out(range(FIFO_DEPTH + 1), init=FIFO_DEPTH),
                "has_room": Out(1, init=1),
                "reserve": In(1),
                "write": In(1),
                "data": In(shape),
                "output": Out(stream.Signature(shape)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # The output is the RAM's own: a pointer is all that hangs on the output's ready.
        m.submodules.memory = memory = Memory(shape=self.shape, depth=FIFO_DEPTH + 1, init=[])
        write = memory.write_port()
        read = memory.read_port(domain="comb")
        stored = Signal()
        single = Signal()
        popped = Signal()
        pop = Signal()
        m.d.comb += [
            single.eq((read.addr + 1)[: len(read.addr)] == write.addr),
            # Whatever stands at the input is written, where the next word overwrites it.
            write.en.eq(1),
            write.data.eq(self.data),
            pop.eq(self.output.valid & self.output.ready),
        ]
        if self.bypass:
            m.d.comb += [
                self.output.valid.eq(stored | self.write),
                self.output.payload.eq(Mux(stored, read.data, self.data)),
            ]
        else:
            m.d.comb += [
                self.output.valid.eq(stored),
                self.output.payload.eq(read.data),
            ]
        # What goes past the memory passes through it as well.
        with m.If(self.write):
            m.d.sync += write.addr.eq(write.addr + 1)
        with m.If(pop):
            m.d.sync += read.addr.eq(read.addr + 1)
        with m.If(self.write & ~pop):
            m.d.sync += stored.eq(1)
        with m.Elif(pop & ~self.write & single):
            m.d.sync += stored.eq(0)
        # A word popped gives room a clock later, to keep the output's ready off this path.
        m.d.sync += popped.eq(pop)
        with m.If(popped & ~self.reserve):
            m.d.sync += [self.room.eq(self.room + 1), self.has_room.eq(1)]
        with m.Elif(self.reserve & ~popped):
            m.d.sync += [self.room.eq(self.room - 1), self.has_room.eq(self.room != 1)]
        return m
