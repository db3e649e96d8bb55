"""Reading stored frames."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..memory.ports import READ_LATENCY, ReadPort
from ..params import CELL_BYTES, Params
from .fifo import CreditFifo

__all__ = ["Range", "Reader"]


class Range(data.StructLayout):
    """Octets ``start`` to ``end`` - 1 of the frame that begins in cell ``head``; at least one octet.

    ``start`` lies in the first cell. Several ranges of one frame may be asked for one after the other, in
    any order.
    """

    def __init__(self, params: Params):
        super().__init__({"head": params.cell_bits, "start": ceil_log2(CELL_BYTES), "end": 14})


class Reader(wiring.Component):
    """Delivers all words that contain octets of a range, whole and in order.

    Reads ahead by up to ``FIFO_DEPTH`` words, also into the next range. Asks for one word per clock, with
    one clock of pause between ranges, and at the end of a cell if its link is not known by then (if the cell
    has fewer words than the memory has clocks of latency). The first request stands one clock after the
    range was accepted; a word is at the output with its response if none waits before it.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "range": In(stream.Signature(Range(params))),
                "read": Out(ReadPort(params)),
                "words": Out(stream.Signature(params.width)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        octet_bits = ceil_log2(params.word_bytes)
        request = self.read.request
        wanted = self.range.payload

        m.submodules.fifo = fifo = CreditFifo(params.width, bypass=True)
        m.d.comb += [
            fifo.write.eq(self.read.valid),
            fifo.data.eq(self.read.data),
        ]
        wiring.connect(m, fifo.output, wiring.flipped(self.words))

        active = Signal()
        linked = Signal()  # the request's cell is known
        first = Signal()  # of this cell
        left = Signal(14 - octet_bits)  # words after this one
        last_of_cell = Signal()
        accept = Signal()
        m.d.comb += [
            request.valid.eq(active & linked & fifo.has_room),
            accept.eq(request.valid & request.ready),
            last_of_cell.eq(request.payload.word == params.cell_words - 1),
            fifo.reserve.eq(accept),
            self.range.ready.eq(~active),
        ]

        # A cell's link comes with the response to its first word.
        link = Signal(params.cell_bits)
        known = Signal()
        asked = Signal(READ_LATENCY)
        m.d.sync += asked.eq(asked << 1)
        with m.If(asked[-1]):
            m.d.sync += [link.eq(self.read.next_cell), known.eq(1)]
        with m.If(accept & first):
            # The link of a cell asked for before is of no use any more.
            m.d.sync += [asked.eq(1), known.eq(0)]

        # end[octet_bits:] - start[octet_bits:] - (end is a multiple of the word), in one carry chain.
        words = len(left)
        partial = wanted.end[:octet_bits].any()
        difference = Cat(1, wanted.end[octet_bits:]) + Cat(
            partial, ~((wanted.start >> octet_bits) | Const(0, words))
        )
        with m.If(~active):
            m.d.sync += [
                active.eq(self.range.valid),
                linked.eq(1),
                first.eq(1),
                request.payload.cell.eq(wanted.head),
                request.payload.word.eq(wanted.start >> octet_bits),
                left.eq(difference[1:]),
            ]
        with m.Elif(accept):
            m.d.sync += [
                first.eq(0),
                left.eq(left - 1),
                request.payload.word.eq(request.payload.word + 1),
            ]
            with m.If(left == 0):
                m.d.sync += active.eq(0)
            with m.If(last_of_cell):
                m.d.sync += [first.eq(1), linked.eq(known & ~first), request.payload.cell.eq(link)]
        with m.Elif(~linked):
            m.d.sync += [linked.eq(known), request.payload.cell.eq(link)]
        return m
