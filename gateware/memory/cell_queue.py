"""Queue of cell indices in block RAM."""

from amaranth.hdl import Module, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ..tables.memory import BlockRAM

__all__ = ["CellQueue"]

AHEAD = 4
"""Entries read ahead of the output: as many as there are clocks from a read to the return of its place."""


class CellQueue(wiring.Component):
    """First-in first-out queue that can hold every one of ``cells`` indices, so that its input never waits.

    One entry in and one out per clock; latency from empty: 4 clocks. The producer guarantees that no index is
    queued twice at a time, hence the queue never overflows.

    Members
    -------
    input : In(stream.Signature(range(cells), always_ready=True))
    output : Out(stream.Signature(range(cells)))
    """

    def __init__(self, cells: int):
        if not isinstance(cells, int) or cells < 2 or cells & (cells - 1):
            raise ValueError(f"cells must be a power of two from 2 up, not {cells!r}")
        self.cells = cells
        super().__init__(
            {
                "input": In(stream.Signature(range(cells), always_ready=True)),
                "output": Out(stream.Signature(range(cells))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.ring = ring = BlockRAM(range(self.cells), self.cells)
        m.submodules.ahead = ahead = fifo.SyncFIFO(width=len(self.input.payload), depth=AHEAD)

        write_at = Signal(range(self.cells))
        read_at = Signal(range(self.cells))
        level = Signal(range(self.cells + 1))
        credits = Signal(range(AHEAD + 1), init=AHEAD)
        fetch = Signal()
        fetching = Signal()
        fetched = Signal()
        leaves = Signal()

        m.d.comb += [
            ring.w_en.eq(self.input.valid),
            ring.w_addr.eq(write_at),
            ring.w_data.eq(self.input.payload),
            ring.r_addr.eq(read_at),
            fetch.eq((level != 0) & (credits != 0)),
            ahead.w_en.eq(fetched),
            ahead.w_data.eq(ring.r_data),
            self.output.valid.eq(ahead.r_rdy),
            self.output.payload.eq(ahead.r_data),
            leaves.eq(self.output.valid & self.output.ready),
            ahead.r_en.eq(leaves),
        ]
        m.d.sync += [
            write_at.eq(write_at + self.input.valid),
            read_at.eq(read_at + fetch),
            level.eq(level + self.input.valid - fetch),
            credits.eq(credits + leaves - fetch),
            fetching.eq(fetch),
            fetched.eq(fetching),
        ]
        return m
