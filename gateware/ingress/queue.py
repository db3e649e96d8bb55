"""Elastic queue between a MAC, which cannot wait, and the parser, which may have to."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from ..buffer import Buffer
from ..packet import PacketSignature, Word
from ..params import MIN_FRAME, Params

__all__ = ["IngressQueue"]


class IngressQueue(wiring.Component):
    """Takes a word in every clock and passes frames on, bad ones marked by ``error`` on their last word.

    - shorter than 60 octets (runt), or ``error`` from the source: passed on whole, marked;
    - longer than ``max_frame`` octets (giant): cut there, marked, the rest is swallowed;
    - the queue fills up within a frame (overrun): cut there, marked, the rest is swallowed;
    - no room for the start of a frame: dropped whole.

    After a cut the next frame begins with the first word behind a ``last`` one. Nothing else is ever dropped.

    Latency: 2 clocks when empty. ``output`` is registered.

    Members
    -------
    input
        Frames from the MAC; always ready. ``count`` and ``error`` count only with ``last``.
    output
        Frames to the parser.
    dropped
        Strobe per frame that is dropped whole.
    """

    def __init__(self, params: Params, depth: int = 32):
        if not isinstance(depth, int) or depth < 4:
            raise ValueError(f"depth must be an integer of at least 4 words, not {depth!r}")
        self.params = params
        self.depth = depth
        super().__init__(
            {
                "input": In(PacketSignature(params.width, always_ready=True)),
                "output": Out(PacketSignature(params.width)),
                "dropped": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        octets = self.params.word_bytes
        layout = Word(self.params.width)
        m.submodules.fifo = fifo = SyncFIFO(width=layout.size, depth=self.depth)

        word = self.input.payload
        stored = Signal(layout)
        started = Signal()  # within a frame of which words are in the queue
        swallow = Signal()  # within a frame whose rest is of no interest

        # Where a frame stands, in words. The comparisons are made one word ahead.
        short_index, short_count = divmod(MIN_FRAME - 1, octets)
        long_index, long_count = divmod(self.params.max_frame - 1, octets)
        index = Signal(range(long_index + 1))
        in_short = Signal(init=1)  # this word is not behind the one that octet 60 stands in
        at_short = Signal(init=int(short_index == 0))  # it is that word
        at_long = Signal()  # it is the word that the last octet allowed stands in

        # One place is kept for the word that ends a frame, so that a cut frame can always be ended.
        full = Signal()
        nearly_full = Signal()
        # As of the clock before, in which one more may have come.
        m.d.sync += [full.eq(fifo.level >= self.depth - 1), nearly_full.eq(fifo.level >= self.depth - 2)]

        runt = in_short & ~(at_short & (word.count > short_count))
        giant = at_long & (~word.last | (word.count > long_count + 1))
        cut = Signal()
        m.d.comb += [
            cut.eq(~word.last & (nearly_full | at_long)),
            stored.data.eq(word.data),
            stored.last.eq(word.last | cut),
            stored.count.eq(Mux(word.last & ~giant, word.count, Mux(at_long, long_count + 1, octets))),
            stored.error.eq(Mux(word.last, word.error | runt | giant, cut)),
            fifo.w_data.eq(stored),
        ]

        m.d.sync += self.dropped.eq(0)
        with m.If(self.input.valid):
            m.d.sync += [
                index.eq(index + 1),
                at_short.eq(index + 1 == short_index),
                at_long.eq(index + 1 == long_index),
            ]
            with m.If(at_short):
                m.d.sync += in_short.eq(0)
            with m.If(swallow):
                pass
            with m.Elif(Mux(word.last, full, nearly_full) & ~started):
                m.d.sync += [self.dropped.eq(1), swallow.eq(1)]
            with m.Else():
                m.d.comb += fifo.w_en.eq(1)
                m.d.sync += [started.eq(1), swallow.eq(cut)]
            with m.If(word.last):
                m.d.sync += [
                    index.eq(0),
                    in_short.eq(1),
                    at_short.eq(short_index == 0),
                    at_long.eq(0),
                    started.eq(0),
                    swallow.eq(0),
                ]

        m.submodules.buffer = buffer = Buffer(layout)
        wiring.connect(m, buffer.output, wiring.flipped(self.output))
        m.d.comb += [
            buffer.input.valid.eq(fifo.r_rdy),
            buffer.input.payload.eq(fifo.r_data),
            fifo.r_en.eq(buffer.input.ready),
        ]
        return m
