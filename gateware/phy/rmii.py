"""RMII (RMII Consortium, Reduced Media Independent Interface, version 1.2): two bits per clock of 50 MHz."""

from amaranth.hdl import Cat, EnableInserter, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .gmii import GmiiReceive, GmiiTransmit, Speed
from .nibbles import NibbleAssembler

__all__ = ["RmiiReceive", "RmiiReceivePins", "RmiiTransmit", "RmiiTransmitPins"]

_SLOW_CLOCKS = 10
"""Clocks per pair of bits at 10 Mb/s."""
_PREAMBLE = 0b01
_DELIMITER = 0b11
"""The last two bits of the start frame delimiter."""


class RmiiReceivePins(wiring.Signature):
    """CRS_DV, RX_ER and RXD."""

    def __init__(self):
        super().__init__({"crs_dv": Out(1), "error": Out(1), "data": Out(2)})


class RmiiTransmitPins(wiring.Signature):
    """TX_EN and TXD."""

    def __init__(self):
        super().__init__({"valid": Out(1), "data": Out(2)})


class _Divider(wiring.Component):
    """``strobe``, a register: in every clock, at 10 Mb/s in one of ten."""

    speed: In(Speed)
    strobe: Out(1)

    def elaborate(self, platform) -> Module:
        m = Module()
        left = Signal(range(_SLOW_CLOCKS))
        over = left == 0
        m.d.sync += [
            self.strobe.eq(over),
            left.eq(Mux(self.speed != Speed.MBIT_10, 0, Mux(over, _SLOW_CLOCKS - 1, left - 1))),
        ]
        return m


class RmiiReceive(wiring.Component):
    """Octets from a PHY.

    CRS_DV is carrier sense up to the first bits of the frame, and RX_DV behind them. Where the carrier ends before the
    bits that the PHY still holds, it is low in the first half of each nibble and high in the second (section 5.2); so
    the second half decides. Zeros behind its rise are no packet yet. Nibbles begin where something else comes, and
    anew behind the start frame delimiter, since a PHY may lose any number of preamble bits; then see
    :class:`NibbleAssembler`. After a reset what is left of a packet is none.

    Members
    -------
    pins
        Registers (an input cell's), in the domain ``sync`` of REF_CLK.
    speed
        Of the link, 100 or 10 Mb/s. It may change at any time, which spoils a packet under way.
    rx
        Octets, three clocks behind their last bits at 100 Mb/s; also between packets, without ``valid``. RX_ER counts
        for the nibble or the octet, however short it is.
    """

    def __init__(self):
        super().__init__(
            {
                "pins": In(RmiiReceivePins()),
                "speed": In(Speed, init=Speed.MBIT_100),
                "rx": Out(GmiiReceive()),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        pins = RmiiReceivePins().create()  # once more: CRS_DV may rise at any time
        for name in RmiiReceivePins().members:
            m.d.sync += getattr(pins, name).eq(getattr(self.pins, name))
        m.submodules.divider = divider = _Divider()
        m.d.comb += divider.speed.eq(self.speed)

        packet = Signal(init=1)
        delimited = Signal()
        """The start frame delimiter has passed."""
        second = Signal()
        """Of the bits of a nibble."""
        lower = Signal(2)
        error, lower_error = Signal(), Signal()
        begins = ~packet & pins.crs_dv & (pins.data != 0)
        delimiter = packet & ~delimited & (lower == _PREAMBLE) & (pins.data == _DELIMITER)
        complete = ~begins & (second | delimiter)
        step = Signal()
        m.d.comb += step.eq(divider.strobe & complete)
        m.d.sync += error.eq(pins.error | (error & ~divider.strobe))
        present_error = pins.error | error
        with m.If(divider.strobe):
            m.d.sync += [
                lower.eq(pins.data),
                lower_error.eq(present_error),
                error.eq(0),
                second.eq(~complete),
            ]
            with m.If(begins):
                m.d.sync += packet.eq(1)
            with m.If(delimiter):
                m.d.sync += delimited.eq(1)
            with m.If(complete & ~pins.crs_dv):
                m.d.sync += [packet.eq(0), delimited.eq(0)]

        assembler = NibbleAssembler()
        m.submodules.assembler = EnableInserter(step)(assembler)
        stepped = Signal()
        m.d.sync += stepped.eq(step)
        m.d.comb += [
            assembler.input.valid.eq(packet & pins.crs_dv),
            assembler.input.error.eq(present_error | lower_error),
            assembler.input.data.eq(Cat(lower, pins.data)),
        ]
        m.d.sync += self.rx.enable.eq(assembler.output.enable & stepped)
        for name in ("valid", "error", "data"):
            m.d.sync += getattr(self.rx, name).eq(getattr(assembler.output, name))
        return m


class RmiiTransmit(wiring.Component):
    """Octets to a PHY, in the domain ``sync`` of REF_CLK.

    RMII has no TX_ER: a packet is spoilt by its FCS alone.

    Members
    -------
    tx
        ``enable`` comes from registers, in one of 4 clocks at 100 Mb/s, of 40 at 10 Mb/s.
    speed
        Of the link, 100 or 10 Mb/s. A change counts from the next octet on, or the one after that.
    pins
        Registers; an octet shows one clock after it is taken.
    """

    def __init__(self):
        super().__init__(
            {
                "tx": In(GmiiTransmit()),
                "speed": In(Speed, init=Speed.MBIT_100),
                "pins": Out(RmiiTransmitPins()),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        tx, pins = self.tx, self.pins
        m.submodules.divider = divider = _Divider()
        pair = Signal(2)
        rest = Signal(6)
        speed = Signal.like(self.speed)
        m.d.comb += [divider.speed.eq(speed), tx.enable.eq(divider.strobe & (pair == 0))]
        with m.If(divider.strobe):
            m.d.sync += [pair.eq(pair + 1), Cat(pins.data, rest).eq(rest)]
        with m.If(tx.enable):
            m.d.sync += [pins.valid.eq(tx.valid), Cat(pins.data, rest).eq(tx.data), speed.eq(self.speed)]
        return m
