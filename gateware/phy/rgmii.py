"""RGMII (Hewlett-Packard, Reduced Gigabit Media Independent Interface, version 2.0) behind double data rate pads."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .gmii import GmiiReceive, GmiiTransmit, Speed
from .link import LinkState
from .pins import PinsReceive

__all__ = ["RgmiiReceive", "RgmiiReceivePads", "RgmiiTransmit", "RgmiiTransmitPads"]

_STATUS_SAMPLES = 8
"""Equal samples of the in-band status in a row before it is believed."""
_NIBBLE_CLOCKS = {Speed.MBIT_100: 5, Speed.MBIT_10: 50}
"""Clocks of 125 MHz per nibble."""
_LONGEST = max(_NIBBLE_CLOCKS.values())


class RgmiiReceivePads(wiring.Signature):
    """Pins as the input cells give them: what stood there at a rising edge of RXC, and at the falling one behind it."""

    def __init__(self):
        super().__init__({"ctl": Out(data.ArrayLayout(1, 2)), "data": Out(data.ArrayLayout(4, 2))})


class RgmiiTransmitPads(wiring.Signature):
    """Pins as the output cells take them: what they show in the first half of a clock, and in the second."""

    def __init__(self):
        super().__init__(
            {
                "clk": Out(data.ArrayLayout(1, 2)),
                "ctl": Out(data.ArrayLayout(1, 2)),
                "data": Out(data.ArrayLayout(4, 2)),
            }
        )


class RgmiiReceive(wiring.Component):
    """Octets from a PHY. The domain ``sync`` is clocked by RXC: 125, 25 or 2.5 MHz.

    Members
    -------
    pads
        See :class:`RgmiiReceivePads`.
    speed
        Of the link: at 1 Gb/s there is an octet per clock, else a nibble. It may change at any time; a packet that is
        under way then is spoilt. From :attr:`status` or from MDIO (section 28 of IEEE 802.3), by the board's choice.
    rx
        Octets, in registers, two clocks behind ``pads``.
    status
        What the PHY tells between packets (section 3.4.1, optional): stays as it was, at first down, without that.
        Its reserved speed is ignored.
    """

    def __init__(self):
        super().__init__(
            {
                "pads": In(RgmiiReceivePads()),
                "speed": In(Speed, init=Speed.MBIT_1000),
                "rx": Out(GmiiReceive()),
                "status": Out(LinkState),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        pads = self.pads
        m.submodules.octets = octets = PinsReceive()
        wiring.connect(m, octets.rx, wiring.flipped(self.rx))
        m.d.comb += [
            octets.pins.valid.eq(pads.ctl[0]),
            octets.pins.error.eq(pads.ctl[0] ^ pads.ctl[1]),
            octets.pins.data.eq(Cat(pads.data[0], pads.data[1])),
            octets.speed.eq(self.speed),
        ]
        self._read_status(m)
        return m

    def _read_status(self, m: Module) -> None:
        status = Signal(data.StructLayout({"up": 1, "speed": 2, "full_duplex": 1}))
        last = Signal.like(status)
        idle = Signal()
        equal = Signal(range(_STATUS_SAMPLES))
        m.d.sync += [
            idle.eq(~self.pads.ctl[0] & ~self.pads.ctl[1]),
            status.eq(self.pads.data[0]),
        ]
        # Between packets with both halves of RX_CTL low: else it is a false carrier, or carrier extension.
        with m.If(~idle):
            m.d.sync += equal.eq(0)
        with m.Else():
            m.d.sync += last.eq(status)
            with m.If(status.as_value() != last.as_value()):
                m.d.sync += equal.eq(0)
            with m.Elif(equal != _STATUS_SAMPLES - 1):
                m.d.sync += equal.eq(equal + 1)
            with m.Elif(last.speed != 3):
                m.d.sync += self.status.as_value().eq(last.as_value())


class RgmiiTransmit(wiring.Component):
    """Octets to a PHY, and its clock. ``sync`` is 125 MHz at every speed.

    At 1 Gb/s an octet leaves per clock, at 100 and 10 Mb/s one in 10 and 100, of two nibbles. TXC is high for half of
    a nibble, which for 100 Mb/s takes both edges of the clock.

    Members
    -------
    tx
        ``enable`` is a register. Octets show at ``pads`` two clocks after they are taken.
    speed
        Of the link, from this domain. A change counts from the next octet on.
    pads
        See :class:`RgmiiTransmitPads`; TXC rises with the data, and is to be delayed on its way.
    """

    def __init__(self):
        super().__init__(
            {
                "tx": In(GmiiTransmit()),
                "speed": In(Speed, init=Speed.MBIT_1000),
                "pads": Out(RgmiiTransmitPads()),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        tx, pads = self.tx, self.pads
        turn = Signal(init=1)
        """The next octet is taken."""
        octet = Signal(8)
        valid = Signal()
        error = Signal()
        slow = Signal()
        ten = Signal()
        left = Signal(range(_LONGEST))
        """Clocks of this nibble that are still to come."""
        upper = Signal()
        last = Signal.like(left)
        m.d.comb += [
            tx.enable.eq(turn),
            last.eq(Mux(ten, _NIBBLE_CLOCKS[Speed.MBIT_10] - 1, _NIBBLE_CLOCKS[Speed.MBIT_100] - 1)),
        ]
        with m.If(turn):
            m.d.sync += [octet.eq(tx.data), valid.eq(tx.valid), error.eq(tx.error), upper.eq(0)]
            with m.Switch(self.speed):
                for speed, clocks in _NIBBLE_CLOCKS.items():
                    with m.Case(speed):
                        m.d.sync += [
                            turn.eq(0),
                            slow.eq(1),
                            ten.eq(speed == Speed.MBIT_10),
                            left.eq(clocks - 1),
                        ]
                with m.Default():
                    m.d.sync += slow.eq(0)
        with m.Else():
            m.d.sync += [turn.eq(upper & (left == 1)), left.eq(left - 1)]
            with m.If(left == 0):
                m.d.sync += [left.eq(last), upper.eq(1)]

        # The half of a nibble in which TXC is high, in halves of a clock: 5 of 10, or 50 of 100.
        high = Signal(2)
        for half in range(2):
            middle = {speed: clocks - (clocks + 1 - half) // 2 for speed, clocks in _NIBBLE_CLOCKS.items()}
            m.d.comb += high[half].eq(left >= Mux(ten, middle[Speed.MBIT_10], middle[Speed.MBIT_100]))
            nibble = Mux(upper, octet[4:], octet[:4])
            m.d.sync += [
                pads.clk[half].eq(Mux(slow, high[half], half == 0)),
                pads.data[half].eq(Mux(slow, nibble, octet.word_select(half, 4))),
                pads.ctl[half].eq(valid ^ (error & Mux(slow, ~high[half], half == 1))),
            ]
        return m
