"""Free cells."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .cell_queue import CellQueue
from .ports import NULL_CELL

__all__ = ["FreeList"]


class FreeList(wiring.Component):
    """Hands out each cell but ``NULL_CELL`` once, then those that came back.

    One cell in and one out per clock. After reset the cells enter the list one per clock,
    whenever none comes back.

    Members
    -------
    freed : In(stream.Signature(range(cells), always_ready=True))
        A cell that comes back.
    output : Out(stream.Signature(range(cells)))
        A free cell.
    """

    def __init__(self, cells: int):
        self.cells = cells
        super().__init__(
            {
                "freed": In(stream.Signature(range(cells), always_ready=True)),
                "output": Out(stream.Signature(range(cells))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = CellQueue(self.cells)
        connect(m, queue.output, flipped(self.output))

        fresh = Signal(range(self.cells), init=NULL_CELL + 1)
        filling = Signal(init=1)
        with m.If(self.freed.valid):
            m.d.comb += [queue.input.valid.eq(1), queue.input.payload.eq(self.freed.payload)]
        with m.Elif(filling):
            m.d.comb += [queue.input.valid.eq(1), queue.input.payload.eq(fresh)]
            m.d.sync += [fresh.eq(fresh + 1), filling.eq(fresh != self.cells - 1)]
        return m
