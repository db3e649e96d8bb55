"""GMII and MII (IEEE 802.3, clauses 35 and 22) at their pins: an octet per clock at 1 Gb/s, else a nibble."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .gmii import GmiiReceive, GmiiTransmit, Speed
from .nibbles import NibbleAssembler

__all__ = ["PinsReceive", "PinsSignature", "PinsTransmit"]


class PinsSignature(wiring.Signature):
    """RX_DV, RX_ER and RXD, or TX_EN, TX_ER and TXD; of the data MII has the lower half only."""

    def __init__(self):
        super().__init__({"valid": Out(1), "error": Out(1), "data": Out(8)})


def _is_slow(speed: Signal):
    return (speed == Speed.MBIT_10) | (speed == Speed.MBIT_100)


class PinsReceive(wiring.Component):
    """Octets from what the pins showed at an edge of RX_CLK, which is the clock of ``sync``.

    ``pins``   registers (an input cell's).
    ``speed``  of the link, constant for MII. It may change at any time, which spoils a packet under way.
    ``rx``     in registers, two clocks behind ``pins``.
    """

    def __init__(self):
        super().__init__(
            {
                "pins": In(PinsSignature()),
                "speed": In(Speed, init=Speed.MBIT_1000),
                "rx": Out(GmiiReceive()),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.assembler = assembler = NibbleAssembler()
        whole = GmiiReceive().create()
        m.d.comb += whole.enable.eq(1)
        for name in PinsSignature().members:
            pin = getattr(self.pins, name)
            m.d.comb += getattr(assembler.input, name).eq(pin)
            m.d.sync += getattr(whole, name).eq(pin)
        slow = Signal()
        m.d.sync += slow.eq(_is_slow(self.speed))
        for name in GmiiReceive().members:
            m.d.sync += getattr(self.rx, name).eq(
                Mux(slow, getattr(assembler.output, name), getattr(whole, name))
            )
        return m


class PinsTransmit(wiring.Component):
    """Octets to pins. ``sync`` is clocked by GTX_CLK at 1 Gb/s, by the PHY's TX_CLK below: the board's to choose.

    ``tx``     ``enable`` is a register: every clock at 1 Gb/s, else every other one.
    ``speed``  of the link, constant for MII. A change counts from the next octet on.
    ``pins``   registers; an octet shows one clock after it is taken.
    """

    def __init__(self):
        super().__init__(
            {
                "tx": In(GmiiTransmit()),
                "speed": In(Speed, init=Speed.MBIT_1000),
                "pins": Out(PinsSignature()),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        tx, pins = self.tx, self.pins
        turn = Signal(init=1)
        m.d.comb += tx.enable.eq(turn)
        with m.If(turn):
            m.d.sync += [
                pins.valid.eq(tx.valid),
                pins.error.eq(tx.error),
                pins.data.eq(tx.data),
                turn.eq(~_is_slow(self.speed)),
            ]
        with m.Else():
            m.d.sync += [pins.data.eq(pins.data[4:]), turn.eq(1)]
        return m
