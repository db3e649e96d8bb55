"""Return of the cells of frames that nobody needs any more."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .cell_queue import CellQueue
from .links import LinkRead
from .ports import NULL_CELL

__all__ = ["Freer"]


class Freer(wiring.Component):
    """Walk the chain of each discarded frame and free its cells.

    A link comes back three clocks after its cell was freed; up to three frames are therefore walked
    interleaved, so that frames of one cell are freed at one per clock, and longer ones too when there are
    several. A frame alone takes three clocks per cell. ``frames`` never waits: heads queue up in a
    :class:`CellQueue`.

    Members
    -------
    frames : In(stream.Signature(range(cells), always_ready=True))
        Head of a frame that is done.
    links : Out(LinkRead(cells))
    freed : Out(stream.Signature(range(cells), always_ready=True))
        A cell that is free again. Registered.
    """

    def __init__(self, cells: int):
        self.cells = cells
        super().__init__(
            {
                "frames": In(stream.Signature(range(cells), always_ready=True)),
                "links": Out(LinkRead(cells)),
                "freed": Out(stream.Signature(range(cells), always_ready=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.heads = heads = CellQueue(self.cells)
        wiring.connect(m, wiring.flipped(self.frames), heads.input)

        # The walk goes round: free a cell, read its link (two clocks), decide whether to go on (one clock).
        more = Signal()
        cell = Signal(range(self.cells))
        reading = Signal()
        arrived = Signal()
        now = Signal()
        m.d.comb += [
            heads.output.ready.eq(~more),
            now.eq(more | heads.output.valid),
            self.links.cell.eq(Mux(more, cell, heads.output.payload)),
        ]
        m.d.sync += [
            self.freed.valid.eq(now),
            self.freed.payload.eq(self.links.cell),
            reading.eq(now),
            arrived.eq(reading),
            more.eq(arrived & (self.links.next_cell != NULL_CELL)),
            cell.eq(self.links.next_cell),
        ]
        return m
