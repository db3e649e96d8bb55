"""Management interface to PHYs (IEEE 802.3, 22.2.4): one register of one PHY at a time."""

from math import ceil

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["Mdio", "MdioPins", "MdioRequest", "MdioResponse", "half_period_for"]

_MDC_HZ = 2_500_000
_PHY_DELAY = 300e-9
"""Seconds after MDC's rising edge until what a PHY shows is right (22.3.4)."""
_SYNCHRONIZER = 2
_PREAMBLE = 32
_TURNAROUND = 46
"""First bit of a frame, preamble included, that is not the station's when it reads."""
_ANSWER = 47
"""The PHY shows a zero here, if there is one at this address."""
_BITS = 64


def half_period_for(clock_hz: int) -> int:
    """Clocks of which MDC is low, and high: at most 2.5 MHz, and slow enough for PHY and synchronizer."""
    answer = _PHY_DELAY * clock_hz + _SYNCHRONIZER + 1
    return max(-(-clock_hz // (2 * _MDC_HZ)), ceil(answer / 2))


class MdioRequest(data.Struct):
    """A read or a write of a register of the PHY at address ``phy``."""

    data: 16
    register: 5
    phy: 5
    write: 1


class MdioResponse(data.Struct):
    """What came of it. ``answered`` says that a PHY was there; of a write it is always 1, and ``data`` is undefined."""

    data: 16
    answered: 1


class MdioPins(wiring.Signature):
    """MDC, and MDIO, which a resistor pulls up: it is driven with ``mdio_o`` while ``mdio_oe`` is 1."""

    def __init__(self):
        super().__init__({"mdc": Out(1), "mdio_o": Out(1), "mdio_oe": Out(1), "mdio_i": In(1, init=1)})


class Mdio(wiring.Component):
    """The station. It takes a request when the response to the one before is taken.

    A request takes 128 times ``half_period`` clocks (:func:`half_period_for`), every one with a preamble of its own.
    MDIO changes with MDC's falling edge, and is sampled at the rising one, the next after that at which a PHY shows it.
    """

    def __init__(self, half_period: int):
        if half_period <= _SYNCHRONIZER:
            raise ValueError(f"half_period must be at least {_SYNCHRONIZER + 1} clocks, not {half_period}")
        self.half_period = half_period
        super().__init__(
            {
                "request": In(stream.Signature(MdioRequest)),
                "response": Out(stream.Signature(MdioResponse)),
                "pins": Out(MdioPins()),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        request, response, pins = self.request, self.response, self.pins
        level = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(pins.mdio_i, level, init=1, stages=_SYNCHRONIZER)

        busy = Signal()
        writes = Signal()
        bit = Signal(range(_BITS))
        left = Signal(range(self.half_period))
        frame = Signal(_BITS - _PREAMBLE)
        """What is still to be sent, the next bit highest."""
        m.d.comb += request.ready.eq(~busy & ~response.valid)
        with m.If(response.ready):
            m.d.sync += response.valid.eq(0)

        with m.If(request.valid & request.ready):
            wanted = request.payload
            m.d.sync += [
                busy.eq(1),
                writes.eq(wanted.write),
                bit.eq(0),
                left.eq(self.half_period - 1),
                pins.mdio_o.eq(1),
                pins.mdio_oe.eq(1),
                # Highest first: start 01, operation 01 or 10, addresses, turnaround 10, data.
                frame.eq(
                    Cat(
                        wanted.data,
                        Const(0b10, 2),
                        wanted.register,
                        wanted.phy,
                        wanted.write,
                        ~wanted.write,
                        Const(0b01, 2),
                    )
                ),
            ]
        with m.If(busy):
            m.d.sync += left.eq(left - 1)
            with m.If(left == 0):
                m.d.sync += [left.eq(self.half_period - 1), pins.mdc.eq(~pins.mdc)]
                with m.If(~pins.mdc):
                    m.d.sync += response.payload.data.eq(Cat(level, response.payload.data))
                    with m.If(bit == _ANSWER):
                        m.d.sync += response.payload.answered.eq(writes | ~level)
                with m.Else():
                    m.d.sync += bit.eq(bit + 1)
                    with m.If(bit >= _PREAMBLE - 1):
                        m.d.sync += [frame.eq(frame << 1), pins.mdio_o.eq(frame[-1])]
                    with m.If(bit == _TURNAROUND - 1):
                        m.d.sync += pins.mdio_oe.eq(writes)
                    with m.If(bit == _BITS - 1):
                        m.d.sync += [busy.eq(0), pins.mdio_oe.eq(0), response.valid.eq(1)]
        return m
