"""Reading stored frames."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..memory.ports import ReadPort
from ..params import CELL_BYTES, Params
from .fifo import FIFO_DEPTH, CreditFifo

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
    range was accepted; a word is at the output one clock after its response.
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

        m.submodules.fifo = fifo = CreditFifo(params.width)
        m.d.comb += [
            fifo.write.eq(self.read.valid),
            fifo.data.eq(self.read.data),
        ]
        wiring.connect(m, fifo.output, wiring.flipped(self.words))

        active = Signal()
        linked = Signal()  # the request's cell is known
        first = Signal()  # of this cell
        left = Signal(14 - octet_bits)  # words after this one
        accept = Signal()
        m.d.comb += [
            request.valid.eq(active & linked & (fifo.room != 0)),
            accept.eq(request.valid & request.ready),
            fifo.reserve.eq(accept),
            self.range.ready.eq(~active),
        ]

        # A cell's link comes with the response to its first word, i.e. after ``awaited`` more responses.
        in_flight = Signal(range(FIFO_DEPTH + 1))
        awaited = Signal(range(FIFO_DEPTH + 1))
        link = Signal(params.cell_bits)
        flying = Signal.like(in_flight)
        known = Signal()
        m.d.comb += [
            flying.eq(in_flight + accept - self.read.valid),
            known.eq(~first & (awaited == 0)),
        ]
        m.d.sync += in_flight.eq(flying)
        with m.If(self.read.valid & (awaited != 0)):
            m.d.sync += [link.eq(self.read.next_cell), awaited.eq(awaited - 1)]
        with m.If(accept & first):
            m.d.sync += awaited.eq(flying)

        with m.If(~active):
            m.d.sync += [
                active.eq(self.range.valid),
                linked.eq(1),
                first.eq(1),
                request.payload.cell.eq(wanted.head),
                request.payload.word.eq(wanted.start >> octet_bits),
                left.eq(((wanted.end - 1) >> octet_bits) - (wanted.start >> octet_bits)),
            ]
        with m.Elif(accept):
            m.d.sync += [
                first.eq(0),
                left.eq(left - 1),
                request.payload.word.eq(request.payload.word + 1),
            ]
            with m.If(left == 0):
                m.d.sync += active.eq(0)
            with m.If(request.payload.word == params.cell_words - 1):
                m.d.sync += [first.eq(1), linked.eq(known), request.payload.cell.eq(link)]
        with m.Elif(~linked):
            m.d.sync += [linked.eq(awaited == 0), request.payload.cell.eq(link)]
        return m
