"""A frame's head start before somebody who cannot pause within it."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from ..packet import PacketSignature, Word

__all__ = ["StartGate"]


class StartGate(wiring.Component):
    """Holds a frame back until ``threshold`` words of it or its end are there, then lets it pass as it comes.

    Room for ``depth`` words in distributed RAM, in which the frame behind gathers meanwhile. ``input.ready`` comes
    from flip-flops. One clock of pause between frames; latency two clocks more than what is waited for.
    """

    def __init__(self, width: int, *, threshold: int, depth: int):
        if not isinstance(depth, int) or depth < 2:
            raise ValueError(f"depth must be at least 2 words, not {depth!r}")
        if not isinstance(threshold, int) or not 1 <= threshold <= depth:
            raise ValueError(f"threshold must be from 1 to {depth} words, not {threshold!r}")
        self.width = width
        self.threshold = threshold
        self.depth = depth
        super().__init__({"input": In(PacketSignature(width)), "output": Out(PacketSignature(width))})

    def elaborate(self, platform):
        m = Module()
        layout = Word(self.width)
        m.submodules.fifo = fifo = SyncFIFO(width=layout.size, depth=self.depth)
        word, output = self.input.payload, self.output
        ends = Signal(range(self.depth + 1))
        """Frames whose last word is in the FIFO."""
        open = Signal()
        comes = Signal()
        leaves = Signal()
        passes = Signal()
        m.d.comb += [
            fifo.w_data.eq(word),
            fifo.w_en.eq(self.input.valid),
            self.input.ready.eq(fifo.w_rdy),
            output.payload.as_value().eq(fifo.r_data),
            output.valid.eq(fifo.r_rdy & open),
            fifo.r_en.eq(output.ready & open),
            passes.eq(output.valid & output.ready),
            comes.eq(self.input.valid & self.input.ready & word.last),
            leaves.eq(passes & output.payload.last),
        ]
        m.d.sync += ends.eq(ends + comes - leaves)
        with m.If(leaves):
            m.d.sync += open.eq(0)
        with m.Elif((ends != 0) | (fifo.level >= self.threshold)):
            m.d.sync += open.eq(1)
        return m
