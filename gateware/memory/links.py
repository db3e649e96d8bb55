"""The next cell of each cell."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, Signature

from ..tables.memory import BlockRAM

__all__ = ["LinkMemory", "LinkRead", "LinkWrite"]


class LinkWrite(Signature):
    """Set the link of ``cell`` to ``next_cell`` in a clock in which ``en`` is 1 (initiator's side)."""

    def __init__(self, cells: int):
        super().__init__({"en": Out(1), "cell": Out(range(cells)), "next_cell": Out(range(cells))})


class LinkRead(Signature):
    """``next_cell`` is the link of the ``cell`` of ``BLOCK_RAM_LATENCY`` clocks ago (initiator's side)."""

    def __init__(self, cells: int):
        super().__init__({"cell": Out(range(cells)), "next_cell": In(range(cells))})


class LinkMemory(wiring.Component):
    """One link per cell; written by the writer, read by the readers of frames and by the freer independently.

    Block RAM has one read port beside the write port, hence a copy for each reader.

    Members
    -------
    write : In(LinkWrite(cells))
    read : In(LinkRead(cells)).array(2)
    """

    def __init__(self, cells: int):
        self.cells = cells
        super().__init__({"write": In(LinkWrite(cells)), "read": In(LinkRead(cells)).array(2)})

    def elaborate(self, platform):
        m = Module()
        for number, read in enumerate(self.read):
            m.submodules[f"copy{number}"] = copy = BlockRAM(range(self.cells), self.cells)
            m.d.comb += [
                copy.w_en.eq(self.write.en),
                copy.w_addr.eq(self.write.cell),
                copy.w_data.eq(self.write.next_cell),
                copy.r_addr.eq(read.cell),
                read.next_cell.eq(copy.r_data),
            ]
        return m
