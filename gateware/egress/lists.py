"""The tables of replica lists."""

from amaranth.hdl import Module, Mux, ShapeLike, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..tables.access import TableAccess
from ..tables.bus import TableBus
from ..tables.memory import BlockRAM

__all__ = ["ListTable"]


class ListTable(wiring.Component):
    """A table of ``depth`` entries in block RAM for lookups that can wait a clock.

    ``index``, ``data``  ``data`` is entry ``index`` of two clocks ago, if ``ready`` was high then.
    ``ready``            low in the one clock in which the host reads or writes; a lookup then begins a clock
                         later. Thus it sees the old or the new entry and never a mixture.
    ``bus``              :class:`TableBus`; never waits for lookups.

    The lowest ``clear`` bits of all entries become zero after reset, which takes ``depth`` clocks if it is not 0.
    """

    def __init__(self, entry: ShapeLike, depth: int, *, clear: int):
        self.entry = entry
        self.depth = depth
        self.clear = clear
        super().__init__(
            {
                "bus": In(TableBus(entry, depth)),
                "index": In(ceil_log2(depth)),
                "data": Out(entry),
                "ready": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bus = self.bus
        m.submodules.ram = ram = BlockRAM(self.entry, self.depth)
        m.submodules.access = access = TableAccess(
            self.entry, self.depth, clear_depth=self.depth if self.clear else 0
        )
        wiring.connect(m, wiring.flipped(bus), access.bus)
        m.d.comb += [
            access.grant.eq(1),
            Value.cast(access.data).eq(Value.cast(ram.r_data)),
            self.ready.eq(~(access.read | access.write)),
            ram.w_en.eq(access.write),
            ram.w_addr.eq(bus.index),
            Value.cast(ram.w_data).eq(Value.cast(bus.w_data)),
            ram.r_addr.eq(Mux(access.read, bus.index, self.index)),
            Value.cast(self.data).eq(Value.cast(ram.r_data)),
        ]
        if self.clear:
            with m.If(access.clearing):
                m.d.comb += [
                    ram.w_en.eq(1),
                    ram.w_addr.eq(access.clear_index),
                    Value.cast(ram.w_data)[: self.clear].eq(0),
                ]
        return m
