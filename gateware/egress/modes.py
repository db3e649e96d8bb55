"""How to send to each remote TEP, at hand within a clock."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..params import Params
from ..tables.bus import TableBus
from .tables import TepMode

__all__ = ["ModeTable"]


class ModeTable(wiring.Component):
    """:class:`TepMode` by TEP index, in LUT RAM: ``mode`` is that of ``tep`` in the same clock. Zero at first."""

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "bus": In(TableBus(TepMode, params.teps)),
                "tep": In(ceil_log2(params.teps)),
                "mode": Out(TepMode),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        m.submodules.ram = ram = Memory(shape=TepMode, depth=self.params.teps, init=[])
        write, lookup, read = ram.write_port(), ram.read_port(domain="comb"), ram.read_port(domain="comb")
        m.d.comb += [
            lookup.addr.eq(self.tep),
            self.mode.eq(lookup.data),
            write.addr.eq(bus.index),
            write.data.eq(bus.w_data),
            write.en.eq(bus.w_stb),
            read.addr.eq(bus.index),
        ]
        m.d.sync += bus.done.eq(bus.w_stb | bus.r_stb)
        with m.If(bus.r_stb):
            m.d.sync += bus.r_data.eq(read.data)
        return m
