"""Where the frame of one port stands."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..params import Params
from .ports import NULL_CELL

__all__ = ["Lane"]


class Lane(wiring.Component):
    """The writer's state of one port: its cell in reserve, or the cell it fills, and the
    first cell of its frame.

    Outputs but ``closes`` do not depend on inputs and describe the place of the port's next word.

    Members
    -------
    word : In({valid, last})
        A word of this port is written now, or swallowed if ``writes`` is 0.
    free : In({valid, cell})
        The cell that there is to take.
    refill : In(1)
        Take ``free`` as reserve; only while ``lacks`` is 1.
    lacks : Out(1)
        There is no cell to write to, nor one in reserve.
    writes : Out(1)
        The next word goes to ``cell`` at ``offset``; otherwise it finds no place.
    cell : Out(range(cells))
        ``NULL_CELL`` if ``lacks``.
    offset : Out(range(cell_words))
    head : Out(range(cells))
        First cell of the frame that the next word belongs to, or ``NULL_CELL``.
    closes : Out(1)
        This word is the last one of ``cell``, and ``free`` is taken if there is one.
    """

    def __init__(self, params: Params):
        self.params = params
        cell = range(params.cells)
        super().__init__(
            {
                "word": In(data.StructLayout({"valid": 1, "last": 1})),
                "free": In(data.StructLayout({"valid": 1, "cell": cell})),
                "refill": In(1),
                "lacks": Out(1, init=1),
                "writes": Out(1),
                "cell": Out(cell, init=NULL_CELL),
                "offset": Out(range(params.cell_words)),
                "head": Out(cell),
                "closes": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        last_offset = self.params.cell_words - 1
        # Registered, so that `closes` is a single step from the word.
        at_end = Signal()
        inside = Signal()
        first = Signal(self.params.cell_bits)
        writing = Signal()
        ends = Signal()
        m.d.comb += [
            writing.eq(self.word.valid & self.writes),
            ends.eq(self.word.valid & self.word.last),
            self.closes.eq(writing & (self.word.last | at_end)),
            self.head.eq(Mux(inside, first, self.cell)),
        ]

        with m.If(self.word.valid):
            m.d.sync += [inside.eq(~self.word.last), first.eq(self.head)]
        with m.If(writing):
            m.d.sync += [
                self.offset.eq(Mux(self.closes, 0, self.offset + 1)),
                at_end.eq(~self.closes & (self.offset == last_offset - 1)),
            ]
        with m.If(self.closes | self.refill):
            m.d.sync += [
                self.lacks.eq(~self.free.valid),
                self.cell.eq(Mux(self.free.valid, self.free.cell, NULL_CELL)),
            ]
        # A frame that has once lost a word has lost its rest, even if a cell comes
        # meanwhile: that is for the next.
        with m.If(self.closes):
            m.d.sync += self.writes.eq(self.free.valid)
        with m.Elif(ends | ~(self.word.valid | inside)):
            m.d.sync += self.writes.eq(~self.lacks | self.refill)
        return m
