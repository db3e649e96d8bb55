"""From orders to pieces of words."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

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
                "order": In(stream.Signature(Order(params, port, len(self.assembly.starts)))),
                "cut": Out(stream.Signature(Cut(params))),
                "mac": In(48),
                "address": In(128),
            }
        )

    def elaborate(self, platform):
        m = Module()
        octets = self.params.word_bytes
        order = self.order.payload
        cut = self.cut.payload

        # The order at work; ``left`` counts down.
        busy = Signal()
        now = Signal.like(order)
        free = Signal()
        fits = Signal()  # the order ends in the word at hand
        m.d.comb += [
            free.eq(~self.cut.valid | self.cut.ready),
            fits.eq(now.left < 0),
        ]

        # Where the octets go. While an order is at work, source and destination stay as far apart.
        place = Signal(range(octets))
        rotate = Signal(range(octets))
        m.d.comb += rotate.eq(place - now.first)

        # The row of literals in turn, one bit each; none is if the order inserts nothing or is at its end.
        row = Signal(len(self.assembly.literals))
        first_row = Signal.like(row)
        m.d.comb += [first_row[index].eq(order.starts[n]) for n, index in enumerate(self.assembly.starts)]

        with m.If(free):
            m.d.sync += [
                self.cut.valid.eq(busy),
                cut.memory.eq(now.memory),
                cut.outer.eq(now.outer),
                cut.pop.eq(now.memory & (~fits | now.drain | now.final.all())),
                cut.emit.eq(now.emit),
                cut.place.eq(place),
                cut.rotate.eq(rotate),
                cut.count.eq(Mux(fits, now.final, octets - 1) - now.first + 1),
                cut.done.eq(fits & now.last),
                cut.literal.eq(self._literal(row, now)),
                now.left.eq(now.left - 1),
                row.eq(row << 1),
                now.first.eq(0),
            ]
            with m.If(busy & now.emit):
                m.d.sync += place.eq(Mux(fits, rotate + now.final + 1, rotate))
            with m.If(~busy | fits):
                m.d.comb += self.order.ready.eq(1)
                m.d.sync += [busy.eq(self.order.valid), now.eq(order), row.eq(first_row)]
                with m.If(order.begin):
                    m.d.sync += place.eq(0)
        return m

    def _registers(self, order) -> dict[str, Value]:
        """What programs insert, by name (see :class:`.program.Register`)."""
        variables = order.variables
        if not self.params.is_fabric(self.port):
            return {name: variables[name] for name in variables.shape().members}
        flow = variables.flow
        return {
            "mac": self.mac,
            "address": self.address,
            "checksum": flow,
            "network": variables.network,
            "oui": variables.oui,
            "group_octet": variables.group_octet,
            "flow_id": flow[:8],
            "udp_port": Cat(flow[:14], Const(0b11, 2)),  # a dynamic one (RFC 6335, 6)
            "udp_length": Cat(order.udp_length, Const(0, 2)),
        }

    def _literal(self, row, order) -> Value:
        """The octets to insert; 0 if there are none."""
        registers = self._registers(order)
        result = Const(0, self.params.width)
        for index, octets in enumerate(self.assembly.literals):
            value = Cat(
                Const(octet, 8) if isinstance(octet, int) else registers[octet[0]][octet[1] : octet[1] + 8]
                for octet in octets
            )
            result |= value & row[index].replicate(len(value))
        return result
