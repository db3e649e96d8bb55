"""What a PHY's standard registers say about the link (IEEE 802.3, 22.2.4, clauses 28 and 40)."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from .gmii import Speed
from .link import LinkState

__all__ = ["POLLED", "LinkResolver", "PhyRegister"]


class PhyRegister(enum.Enum, shape=5):
    """Registers that every PHY has; the last two, if it can do 1 Gb/s."""

    CONTROL = 0
    STATUS = 1
    IDENTIFIER = 2
    ADVERTISED = 4
    PARTNER = 5
    GIGABIT_ADVERTISED = 9
    GIGABIT_PARTNER = 10


POLLED = (
    PhyRegister.STATUS,
    PhyRegister.CONTROL,
    PhyRegister.GIGABIT_ADVERTISED,
    PhyRegister.GIGABIT_PARTNER,
    PhyRegister.ADVERTISED,
    PhyRegister.PARTNER,
)
"""In the order in which :class:`LinkResolver` wants them."""


class LinkResolver(wiring.Component):
    """The state of a link from the registers :data:`POLLED`, one after the other.

    With auto-negotiation it is the best of what both sides can do (28B.3, 40.5.1.2), else what the control register
    says. Status is latched low by the PHY: a loss of the link between two polls shows.

    ``strobe``  ``value`` is that of ``register``.
    ``link``    right one clock after the last register's strobe, until the next one.
    """

    def __init__(self):
        super().__init__(
            {"strobe": In(1), "register": In(PhyRegister), "value": In(16), "link": Out(LinkState)}
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        value = self.value
        up = Signal()
        negotiated = Signal()
        extended = Signal()
        """It has the registers for 1 Gb/s."""
        mine = Signal(16)
        gigabit = Signal(data.StructLayout({"full": 1, "half": 1}))
        chosen = Signal(data.StructLayout({"speed": 2, "full_duplex": 1}))
        common = mine & value
        with m.If(self.strobe):
            m.d.sync += mine.eq(value)
            with m.Switch(self.register):
                with m.Case(PhyRegister.STATUS):
                    m.d.sync += [up.eq(value[2]), negotiated.eq(value[5]), extended.eq(value[8])]
                with m.Case(PhyRegister.CONTROL):
                    automatic = value[12]
                    m.d.sync += [
                        up.eq(up & (negotiated | ~automatic)),
                        negotiated.eq(automatic),
                        chosen.speed.eq(Cat(value[13], value[6])),
                        chosen.full_duplex.eq(value[8]),
                    ]
                with m.Case(PhyRegister.GIGABIT_PARTNER):
                    # The partner's abilities stand two bits above one's own.
                    m.d.sync += [
                        gigabit.full.eq(extended & mine[9] & value[11]),
                        gigabit.half.eq(extended & mine[8] & value[10]),
                    ]
                with m.Case(PhyRegister.PARTNER):
                    hundred = common[8] | common[7]
                    with m.If(negotiated):
                        m.d.sync += [
                            chosen.speed.eq(
                                Mux(
                                    gigabit.as_value().any(),
                                    Speed.MBIT_1000,
                                    Mux(hundred, Speed.MBIT_100, Speed.MBIT_10),
                                )
                            ),
                            chosen.full_duplex.eq(
                                Mux(
                                    gigabit.as_value().any(),
                                    gigabit.full,
                                    Mux(hundred, common[8], common[6]),
                                )
                            ),
                        ]
        m.d.comb += [
            self.link.up.eq(up),
            self.link.speed.eq(chosen.speed),
            self.link.full_duplex.eq(chosen.full_duplex),
        ]
        return m
