"""The host's side of a table in block RAM: turns bus transfers into reads and writes of idle clocks."""

from amaranth.hdl import Module, ShapeLike, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .bus import TableBus

__all__ = ["TableAccess"]


class TableAccess(wiring.Component):
    """Sequences the transfers of ``bus`` and clears the table after reset.

    ``write``, ``read``    a transfer to ``bus.index`` is wanted; it happens in the clock in which ``grant``
                           is high too, and only one of them is ever high.
    ``data``               what was read, two clocks after the grant.
    ``clearing``           entry ``clear_index`` is to be cleared in this clock.
    ``ready``              clearing is over. Transfers wait for it.

    ``clear_depth`` is the number of clocks that clearing takes, 0 for none.
    """

    def __init__(self, entry: ShapeLike, depth: int, *, clear_depth: int):
        self.depth = depth
        self.clear_depth = clear_depth
        super().__init__(
            {
                "bus": In(TableBus(entry, depth)),
                "write": Out(1),
                "read": Out(1),
                "grant": In(1),
                "data": In(entry),
                "clearing": Out(1),
                "clear_index": Out(range(max(clear_depth, 1))),
                "ready": Out(1, init=not clear_depth),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bus = self.bus
        write_wanted = Signal()
        read_wanted = Signal()
        m.d.sync += bus.done.eq(0)
        with m.If(bus.w_stb):
            m.d.sync += write_wanted.eq(1)
        with m.If(bus.r_stb):
            m.d.sync += read_wanted.eq(1)
        with m.FSM(init="CLEAR" if self.clear_depth else "IDLE"):
            if self.clear_depth:
                with m.State("CLEAR"):
                    m.d.comb += self.clearing.eq(1)
                    m.d.sync += self.clear_index.eq(self.clear_index + 1)
                    with m.If(self.clear_index == self.clear_depth - 1):
                        m.d.sync += self.ready.eq(1)
                        m.next = "IDLE"
            with m.State("IDLE"):
                with m.If(write_wanted):
                    m.d.sync += write_wanted.eq(0)
                    m.next = "WRITE"
                with m.Elif(read_wanted):
                    m.d.sync += read_wanted.eq(0)
                    m.next = "READ"
            with m.State("WRITE"):
                m.d.comb += self.write.eq(1)
                with m.If(self.grant):
                    m.d.sync += bus.done.eq(1)
                    m.next = "IDLE"
            with m.State("READ"):
                m.d.comb += self.read.eq(1)
                with m.If(self.grant):
                    m.next = "READ-RAM"
            with m.State("READ-RAM"):
                m.next = "READ-OUTPUT"
            with m.State("READ-OUTPUT"):
                m.d.sync += Value.cast(bus.r_data).eq(Value.cast(self.data))
                m.d.sync += bus.done.eq(1)
                m.next = "IDLE"
        return m
