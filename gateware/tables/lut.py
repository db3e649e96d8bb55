"""Small tables that answer in the same clock."""

from amaranth.hdl import Module, ShapeLike
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .bus import TableBus

__all__ = ["LutTable"]


class LutTable(wiring.Component):
    """A table of ``depth`` entries in LUT RAM: ``entry`` is that at ``index`` in the same clock. Zero at first."""

    def __init__(self, shape: ShapeLike, depth: int):
        self.shape = shape
        self.depth = depth
        super().__init__(
            {"bus": In(TableBus(shape, depth)), "index": In(ceil_log2(depth)), "entry": Out(shape)}
        )

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        m.submodules.ram = ram = Memory(shape=self.shape, depth=self.depth, init=[])
        write, lookup, read = ram.write_port(), ram.read_port(domain="comb"), ram.read_port(domain="comb")
        m.d.comb += [
            lookup.addr.eq(self.index),
            self.entry.eq(lookup.data),
            write.addr.eq(bus.index),
            write.data.eq(bus.w_data),
            write.en.eq(bus.w_stb),
            read.addr.eq(bus.index),
        ]
        m.d.sync += bus.done.eq(bus.w_stb | bus.r_stb)
        with m.If(bus.r_stb):
            m.d.sync += bus.r_data.eq(read.data)
        return m
