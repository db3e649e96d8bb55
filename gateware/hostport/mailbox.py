"""The memory that frames pass through between host and TEP."""

from amaranth.hdl import Module, Mux, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..params import Params
from ..tables.access import TableAccess
from ..tables.bus import TableBus
from ..tables.memory import BlockRAM

__all__ = ["Mailbox", "RowRead", "RowWrite"]


def RowWrite(params: Params) -> wiring.Signature:
    """Write one row of the ring of punted frames."""
    return wiring.Signature({"en": Out(1), "row": Out(range(params.ring_rows)), "data": Out(params.width)})


def RowRead(params: Params) -> wiring.Signature:
    """Read one row of the frame to inject; ``data`` follows ``BLOCK_RAM_LATENCY`` clocks later."""
    return wiring.Signature({"en": Out(1), "row": Out(range(params.inject_rows)), "data": In(params.width)})


class Mailbox(wiring.Component):
    """One block RAM for both ways, as block RAM is what a core has least of: the ring of punted frames takes three
    quarters, the frame to inject the rest. A row is a word of the datapath.

    ``write``, ``read``   the gateware's; in every clock, if it wants.
    ``bus``               the host's, to all rows, in the clocks that are left.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "write": In(RowWrite(params)),
                "read": In(RowRead(params)),
                "bus": In(TableBus(unsigned(params.width), params.mailbox_rows)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        write, read, bus = self.write, self.read, self.bus
        m.submodules.ram = ram = BlockRAM(params.width, params.mailbox_rows)
        m.submodules.access = access = TableAccess(unsigned(params.width), params.mailbox_rows, clear_depth=0)
        wiring.connect(m, wiring.flipped(bus), access.bus)
        m.d.comb += [
            access.grant.eq(Mux(access.write, ~write.en, ~read.en)),
            access.data.eq(ram.r_data),
            read.data.eq(ram.r_data),
            ram.w_en.eq(write.en | access.write),
            ram.w_addr.eq(Mux(write.en, write.row, bus.index)),
            ram.w_data.eq(Mux(write.en, write.data, bus.w_data)),
            ram.r_addr.eq(Mux(read.en, params.ring_rows + read.row, bus.index)),
        ]
        return m
