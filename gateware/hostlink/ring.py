"""A ring of words in block RAM."""

from amaranth.hdl import Module, ShapeLike, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from ..tables.memory import BLOCK_RAM_LATENCY, BlockRAM

__all__ = ["Ring"]


class Ring(Component):
    """Memory that its owner writes at any place and that is read in order up to ``limit``.

    ``w_en``, ``w_addr``, ``w_data``   write a word.
    ``limit``    words before it are final; it must be moved no sooner than the clock after their writes.
    ``tail``     oldest word not yet read: words from here to ``limit`` must not be written.
    ``output``   the final words in order, one per four clocks; five clocks from ``limit`` to ``output``.

    Pointers have ``depth`` values, a power of two, and wrap around. The owner keeps one word free.
    """

    def __init__(self, shape: ShapeLike, depth: int):
        if depth < 4 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two of at least 4, not {depth}")
        self.shape = shape
        self.depth = depth
        super().__init__(
            {
                "w_en": In(1),
                "w_addr": In(range(depth)),
                "w_data": In(shape),
                "limit": In(range(depth)),
                "tail": Out(range(depth)),
                "output": Out(stream.Signature(shape)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.ram = ram = BlockRAM(self.shape, self.depth)
        # Writes and the limit are registered alike, so that they stay in order.
        limit = Signal.like(self.limit)
        m.d.sync += [
            ram.w_en.eq(self.w_en),
            ram.w_addr.eq(self.w_addr),
            ram.w_data.eq(self.w_data),
            limit.eq(self.limit),
        ]
        m.d.comb += [
            ram.r_addr.eq(self.tail),
            self.output.payload.eq(ram.r_data),
        ]
        # The address rests until the word is taken, so the RAM's output register keeps the word meanwhile.
        wait = Signal(range(BLOCK_RAM_LATENCY + 1))
        with m.If(self.output.valid):
            with m.If(self.output.ready):
                m.d.sync += [self.output.valid.eq(0), self.tail.eq(self.tail + 1), wait.eq(0)]
        with m.Elif(wait == BLOCK_RAM_LATENCY):
            m.d.sync += self.output.valid.eq(1)
        with m.Elif(self.tail != limit):
            m.d.sync += wait.eq(wait + 1)
        return m
