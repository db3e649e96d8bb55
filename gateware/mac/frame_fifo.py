"""Frames from one clock domain to another."""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, Mux, ResetSignal, Signal
from amaranth.lib import data, wiring
from amaranth.lib.cdc import AsyncFFSynchronizer, FFSynchronizer
from amaranth.lib.wiring import In, Out

from ..packet import PacketSignature, Word
from .async_fifo import AsyncFifo

__all__ = ["FrameFifo"]


class FrameFifo(wiring.Component):
    """Takes words in domain ``write`` and hands them out in domain ``read``; ``depth`` of them are stored, in an
    :class:`AsyncFifo`.

    Every word knows whether it is the first of its frame. So a frame that lost its end leaves with an extra last
    word that has ``error`` (after a reset, or when the next frame comes), one that lost its beginning does not leave
    at all, and two are never merged, whichever domain is reset, when and for how long. A reset of ``write`` may
    change a word on offer, and keeps the FIFO from taking words for some clocks.

    With ``lossy`` the input cannot wait: a word that finds the FIFO full is lost with the rest of its frame, and
    ``overflow`` strobes in ``write``, once per frame.

    A word is out three to five clocks of ``read`` and one of ``write`` after it was taken.
    """

    def __init__(self, width: int, *, depth: int = 8, lossy: bool = False):
        if not isinstance(depth, int) or depth < 4 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two of at least 4 words, not {depth!r}")
        self.width = width
        self.depth = depth
        self.lossy = lossy
        super().__init__(
            {
                "input": In(PacketSignature(width, always_ready=lossy)),
                "output": Out(PacketSignature(width)),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layout = data.StructLayout({"word": Word(self.width), "first": 1})
        m.submodules.fifo = fifo = AsyncFifo(layout.size, self.depth)

        # A reset of few clocks leaves the FIFO with words that nobody wrote. They are thrown away, and before it is
        # empty nothing is written. The reset is seen at once in `read`, and in `write` it is over there, too. One
        # register tells that: what several make up together may glitch on its way across.
        m.domains += ClockDomain("at_once", async_reset=True, local=True)
        m.d.comb += [
            ClockSignal("at_once").eq(ClockSignal("read")),
            ResetSignal("at_once").eq(ResetSignal("write", allow_reset_less=True)),
        ]
        reset = Signal()
        lately = Signal(2)  # for as long the FIFO may still call itself empty
        settled = Signal()
        disturbed = Signal(init=1)
        ready = Signal()
        m.submodules.rst_cdc = AsyncFFSynchronizer(
            ResetSignal("write", allow_reset_less=True), reset, o_domain="read"
        )
        m.submodules.settled = FFSynchronizer(~disturbed, settled, o_domain="write", reset_less=False)
        m.d.at_once += disturbed.eq(reset | lately.any() | (disturbed & fifo.r_rdy))
        m.d.comb += ready.eq(fifo.w_rdy & settled)

        entry = Signal(layout)
        inside = Signal()
        m.d.comb += [
            entry.word.eq(self.input.payload),
            entry.first.eq(~inside),
            fifo.w_data.eq(entry),
        ]
        if self.lossy:
            skip = Signal()
            lost = self.input.valid & ~skip & ~ready
            m.d.comb += fifo.w_en.eq(self.input.valid & ~skip & settled)
            m.d.write += self.overflow.eq(lost)
            with m.If(self.input.valid):
                m.d.write += [
                    inside.eq(~self.input.payload.last),
                    skip.eq((skip | ~ready) & ~self.input.payload.last),
                ]
        else:
            m.d.comb += [fifo.w_en.eq(self.input.valid & settled), self.input.ready.eq(ready)]
            with m.If(self.input.valid & ready):
                m.d.write += inside.eq(~self.input.payload.last)

        output = self.output
        found = data.View(layout, fifo.r_data)
        open = Signal()  # a frame has begun at the output
        pending = Signal()  # a word was on offer
        emptied = Signal()  # its frame's rest went with a reset of `write`
        torn = Signal()
        there = fifo.r_rdy & ~disturbed
        m.d.comb += [
            torn.eq(emptied | (open & there & found.first)),
            output.valid.eq(torn | (there & (open | found.first))),
            output.payload.eq(found.word),
            # Only matters with a word there; so it does not wait to learn whether there is one.
            fifo.r_en.eq(
                disturbed | (~emptied & Mux(found.first, ~open & output.ready, output.ready | ~open))
            ),
        ]
        m.d.read += [
            lately.eq(Cat(reset, lately[0])),
            pending.eq(output.valid & ~output.ready),
        ]
        with m.If(reset & (open | pending)):
            m.d.read += emptied.eq(1)
        with m.If(torn):
            m.d.comb += [
                output.payload.last.eq(1),
                output.payload.error.eq(1),
                output.payload.count.eq(1),
            ]
        with m.If(output.valid & output.ready):
            m.d.read += [open.eq(~output.payload.last), emptied.eq(0)]
        return m
