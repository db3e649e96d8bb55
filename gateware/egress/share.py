"""How much of packet memory an output may fill."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..params import CELL_BYTES, Params

__all__ = ["Share"]

_CELL_SHIFT = ceil_log2(CELL_BYTES)


class Share(wiring.Component):
    """Keeps what waits for an output below what is free for all, so that a congested one does not take all memory from
    the others (dynamic thresholds, Choudhury and Hahne 1998, with factor 1): with ``n`` congested outputs, each holds a
    share of 1 / (``n`` + 1), and as much stays free.

    Members
    -------
    comes, comes_end
        Strobe: a frame that ends at octet ``comes_end`` of its cells goes into the queue.
    goes, goes_end
        Strobe: one has been dealt with.
    free
        Free cells of packet memory.
    room
        The queue may take one more frame; three clocks behind the strobes, one behind ``free``.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "comes": In(1),
                "comes_end": In(14),
                "goes": In(1),
                "goes_end": In(14),
                "free": In(range(params.cells + 1)),
                "room": Out(1, init=1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cells = Signal(14 - _CELL_SHIFT + 1)  # of a frame that comes, a clock late; the one that goes
        leaves = Signal.like(cells)
        held = Signal(range(2 * self.params.cells))
        m.d.sync += [
            cells.eq(0),
            leaves.eq(0),
            held.eq(held + cells - leaves),
            self.room.eq(held <= self.free),
        ]
        with m.If(self.comes):
            m.d.sync += cells.eq((self.comes_end >> _CELL_SHIFT) + 1)
        with m.If(self.goes):
            m.d.sync += leaves.eq((self.goes_end >> _CELL_SHIFT) + 1)
        return m
