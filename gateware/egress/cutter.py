"""From orders to pieces of words."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..params import Params
from .program import assemble, programs
from .stepper import Order

__all__ = ["Cut", "Cutter"]


class Cut(data.StructLayout):
    """What happens in one clock: up to one word of the source that is next in turn.

    ``memory``, ``outer``  the source: the word at hand of the stored frame or of the outer header, else
                           ``literal``.
    ``pop``                the stored frame's word is used up (an outer header's always is).
    ``emit``               ``count`` octets of it go out; ``place`` and ``rotate`` are those of the
                           :class:`~.packer.Chunk`.
    ``done``               the job ends with this.
    """

    def __init__(self, params: Params):
        super().__init__(
            {
                "memory": 1,
                "outer": 1,
                "pop": 1,
                "emit": 1,
                "place": range(params.word_bytes),
                "rotate": range(params.word_bytes),
                "count": range(params.word_bytes + 1),
                "done": 1,
                "literal": params.width,
            }
        )


class Cutter(wiring.Component):
    """Cuts orders at the ends of words. One cut per clock; latency 2 clocks.

    ``mac``, ``address`` are inserted by programs of fabric ports.
    """

    def __init__(self, params: Params, port: int):
        self.params = params
        self.port = port
        self.assembly = assemble(programs(params.is_fabric(port)), params.word_bytes)
        super().__init__(
            {
                "order": In(stream.Signature(Order(params, len(self.assembly.literals)))),
                "cut": Out(stream.Signature(Cut(params))),
                "mac": In(48),
                "address": In(128),
            }
        )

    def elaborate(self, platform):
        m = Module()
        octets = self.params.word_bytes
        octet_bits = ceil_log2(octets)
        order = self.order.payload
        cut = self.cut.payload

        # The order at work; ``octets`` counts down.
        busy = Signal()
        now = Signal.like(order)
        first = Signal(range(octets))
        cursor = Signal(range(octets))  # in the stored frame's word at hand

        free = Signal()
        m.d.comb += free.eq(~self.cut.valid | self.cut.ready)
        # Whether at least four words of octets were left before the last cut, so that the end is not near.
        far = Signal()
        near_bits = octet_bits + 2
        end = Signal(near_bits + 1)
        fits = Signal()
        available = Signal(range(octets + 1))
        m.d.comb += [
            available.eq(octets - first),
            end.eq(first + now.octets[:near_bits]),
            fits.eq(~far & (end <= octets)),
        ]
        moved = Signal.like(cursor)
        m.d.comb += moved.eq(Mux(now.memory & busy, Mux(fits, end, 0), cursor))

        # Where the octets go. While an order is at work, source and destination stay as far apart.
        place = Signal(range(octets))
        rotate = Signal(range(octets))
        m.d.comb += rotate.eq(place - first)
        emits = Signal()
        m.d.comb += emits.eq(busy & now.emit)

        with m.If(free):
            m.d.sync += [
                self.cut.valid.eq(busy),
                cut.memory.eq(now.memory),
                cut.outer.eq(now.outer),
                cut.pop.eq(now.memory & (~fits | now.drain | (end == octets))),
                cut.emit.eq(now.emit),
                cut.place.eq(place),
                cut.rotate.eq(rotate),
                cut.count.eq(Mux(fits, now.octets, available)),
                cut.done.eq(fits & now.last),
                cut.literal.eq(self._literal(now)),
                cursor.eq(moved),
                far.eq(now.octets[near_bits:].any()),
                now.octets.eq(now.octets - available),
                now.row.eq(now.row + 1),
                first.eq(0),
            ]
            with m.If(emits):
                m.d.sync += place.eq(Mux(fits, place + now.octets[:octet_bits], rotate))
            with m.If(~busy | fits):
                m.d.comb += self.order.ready.eq(1)
                m.d.sync += [
                    busy.eq(self.order.valid),
                    now.eq(order),
                    far.eq(order.octets[near_bits:].any()),
                ]
                with m.If(order.begin):
                    m.d.sync += [
                        cursor.eq(order.start),
                        first.eq(Mux(order.memory, order.start, 0)),
                        place.eq(0),
                    ]
                with m.Else():
                    m.d.sync += first.eq(Mux(order.memory, moved, 0))
        return m

    def _literal(self, now) -> Value:
        """The octets to insert: a row of literals."""
        registers = {"variable": now.variable, "mac": self.mac, "address": self.address}
        result = Const(0, self.params.width)
        for index, row in enumerate(self.assembly.literals):
            here = (now.row == index).replicate(self.params.width)
            octets = Cat(
                Const(octet, 8) if isinstance(octet, int) else registers[octet[0]][octet[1] : octet[1] + 8]
                for octet in row
            )
            result |= octets & here[: len(octets)]
        return result
