"""Asynchronous serial line, 8 data bits, no parity, one stop bit."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import Component, In, Out, connect, flipped

__all__ = ["Uart", "UartReceiver", "UartTransmitter", "divisor_for"]

_BITS = 8


def divisor_for(clock_hz: int, baud: int) -> int:
    """Clocks per bit. ValueError if the line's rate would be off by more than 1.5 %."""
    divisor = round(clock_hz / baud)
    if divisor < 8 or abs(clock_hz / divisor / baud - 1) > 0.015:
        raise ValueError(f"{baud} baud cannot be made from a clock of {clock_hz} Hz")
    return divisor


def _check_divisor(divisor: int) -> None:
    if not 8 <= divisor < 1 << 20:
        raise ValueError(f"divisor must be from 8 to {(1 << 20) - 1} clocks per bit, not {divisor}")


class UartReceiver(Component):
    """Octets from a line of ``divisor`` clocks per bit, up to 3 % faster or slower.

    Each bit is the majority of three samples around its middle. An octet whose stop bit is missing is
    discarded; the next one may begin when the line is idle again. An octet that finds the one before it not
    yet taken is lost: ``overrun`` strobes.
    """

    def __init__(self, divisor: int):
        _check_divisor(divisor)
        self.divisor = divisor
        super().__init__({"pin": In(1, init=1), "octets": Out(stream.Signature(8)), "overrun": Out(1)})

    def elaborate(self, platform):
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.pin, line, init=1)
        samples = Signal(2, init=-1)
        spacing = max(1, self.divisor // 8)
        middle = Signal()
        bit = Signal()
        phase = Signal(range(self.divisor))
        """Clocks since the beginning of the bit."""
        taken = Signal(range(_BITS + 2))
        shift = Signal(_BITS)
        with m.If((phase == self.divisor // 2 - spacing) | (phase == self.divisor // 2)):
            m.d.sync += samples.eq(Cat(line, samples))
        m.d.comb += [
            middle.eq(phase == self.divisor // 2 + spacing),
            bit.eq((line & samples[0]) | (line & samples[1]) | (samples[0] & samples[1])),
        ]
        m.d.sync += self.overrun.eq(0)
        with m.If(self.octets.ready):
            m.d.sync += self.octets.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [phase.eq(0), taken.eq(0)]
                with m.If(~line):
                    m.next = "FRAME"
            with m.State("FRAME"):
                m.d.sync += phase.eq(phase + 1)
                with m.If(phase == self.divisor - 1):
                    m.d.sync += phase.eq(0)
                with m.If(middle):
                    m.d.sync += [taken.eq(taken + 1), shift.eq(Cat(shift[1:], bit))]
                    with m.If((taken == 0) & bit):
                        m.next = "IDLE"
                    with m.If(taken == _BITS + 1):
                        m.next = "BREAK"
                        with m.If(bit):
                            m.d.sync += [
                                self.octets.valid.eq(1),
                                self.overrun.eq(self.octets.valid & ~self.octets.ready),
                            ]
                            with m.If(~self.octets.valid | self.octets.ready):
                                m.d.sync += self.octets.payload.eq(shift)
            with m.State("BREAK"):
                with m.If(line):
                    m.next = "IDLE"
        return m


class UartTransmitter(Component):
    """Sends octets without a gap as long as there are any."""

    def __init__(self, divisor: int):
        _check_divisor(divisor)
        self.divisor = divisor
        super().__init__({"octets": In(stream.Signature(8)), "pin": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        shift = Signal(_BITS + 1, init=-1)
        left = Signal(range(_BITS + 3))
        """Bits up to the end of the stop bit."""
        phase = Signal(range(self.divisor))
        turn = Signal()
        m.d.comb += [
            turn.eq(phase == 0),
            self.octets.ready.eq(turn & (left == 0)),
        ]
        with m.If(~turn):
            m.d.sync += phase.eq(phase - 1)
        with m.Elif(left != 0):
            m.d.sync += [
                self.pin.eq(shift[0]),
                shift.eq(Cat(shift[1:], 1)),
                left.eq(left - 1),
                phase.eq(self.divisor - 1),
            ]
        with m.Elif(self.octets.valid):
            m.d.sync += [
                self.pin.eq(0),
                shift.eq(Cat(self.octets.payload, 1)),
                left.eq(_BITS + 1),
                phase.eq(self.divisor - 1),
            ]
        return m


class Uart(Component):
    """Receiver and transmitter of one line at ``baud`` for a core clock of ``clock_hz``."""

    def __init__(self, clock_hz: int, baud: int = 3_000_000):
        self.divisor = divisor_for(clock_hz, baud)
        super().__init__(
            {
                "rx_pin": In(1, init=1),
                "tx_pin": Out(1, init=1),
                "rx": Out(stream.Signature(8)),
                "tx": In(stream.Signature(8)),
                "overrun": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self.divisor)
        m.d.comb += [
            receiver.pin.eq(self.rx_pin),
            self.tx_pin.eq(transmitter.pin),
            self.overrun.eq(receiver.overrun),
        ]
        connect(m, receiver.octets, flipped(self.rx))
        connect(m, flipped(self.tx), transmitter.octets)
        return m
