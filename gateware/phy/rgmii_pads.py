"""The pads of an RGMII port on ECP5: double data rate cells and delays."""

from dataclasses import dataclass

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, Value
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out

from .rgmii import RgmiiReceivePads, RgmiiTransmitPads

__all__ = ["RgmiiPads", "RgmiiPins"]

_STEP_PS = 25
_STEPS = 128
"""Of a DELAYG (Lattice FPGA-TN-02035)."""


@dataclass(frozen=True)
class RgmiiPins:
    """The pins of a port: ``platform.request(…, dir="-")`` and its members, whatever the board calls them."""

    rx_clk: io.PortLike
    rx_ctl: io.PortLike
    rx_data: io.PortLike
    tx_clk: io.PortLike
    tx_ctl: io.PortLike
    tx_data: io.PortLike


def _steps(name: str, delay_ps: int) -> int:
    steps = round(delay_ps / _STEP_PS)
    if not 0 <= steps < _STEPS:
        raise ValueError(f"{name} must be from 0 to {(_STEPS - 1) * _STEP_PS} ps, not {delay_ps}")
    return steps


class RgmiiPads(wiring.Component):
    """Between the pins of an RGMII port and pairs of bits per clock.

    The library's ``io.DDRBuffer`` leaves no room for a delay between pad and register, hence this.

    Parameters
    ----------
    rx_delay_ps
        By which RXD and RX_CTL come later to their registers, to meet RXC, which takes the way of a clock; 0 to 3,175
        in steps of 25.
    tx_delay_ps
        By which TXC leaves later than TXD and TX_CTL; the same range.
    rx_domain, tx_domain
        Clocked by :attr:`rx_clk`; and by 125 MHz.
    tx_clock_domain
        Domain of the cell that makes TXC, if it is another one: of the same frequency as ``tx_domain`` and later by as
        much as TXC shall be, in place of ``tx_delay_ps``. That time is all that the way from ``tx_domain`` has.

    Members
    -------
    rx_clk
        RXC as it comes in: the clock of ``rx_domain``, which is the caller's to make and to constrain.
    rx, tx
        See :class:`RgmiiReceivePads`, one clock behind the pins, and :class:`RgmiiTransmitPads`, at the pins two
        clocks later.
    """

    def __init__(
        self,
        pins: RgmiiPins,
        *,
        rx_delay_ps: int,
        tx_delay_ps: int,
        rx_domain: str,
        tx_domain: str,
        tx_clock_domain: str | None = None,
    ):
        self.pins = pins
        self.rx_steps = _steps("rx_delay_ps", rx_delay_ps)
        self.tx_steps = _steps("tx_delay_ps", tx_delay_ps)
        self.rx_domain = rx_domain
        self.tx_domain = tx_domain
        self.tx_clock_domain = tx_clock_domain or tx_domain
        super().__init__({"rx_clk": Out(1), "rx": Out(RgmiiReceivePads()), "tx": In(RgmiiTransmitPads())})

    def elaborate(self, platform) -> Module:
        m = Module()
        pins, rx, tx = self.pins, self.rx, self.tx
        m.submodules.rx_clk = clock = io.Buffer("i", pins.rx_clk)
        m.d.comb += self.rx_clk.eq(clock.i)
        self._inputs(m, "rx_ctl", pins.rx_ctl, rx.ctl)
        self._inputs(m, "rx_data", pins.rx_data, rx.data)
        # Also what is not delayed goes through the cell, so that all ways out are alike.
        pairs = tx.clk
        if self.tx_clock_domain != self.tx_domain:
            # The later domain takes what the other one's cells took a moment before.
            pairs = Signal.like(tx.clk)
            m.d[self.tx_domain] += pairs.eq(tx.clk)
        self._outputs(m, "tx_clk", pins.tx_clk, pairs, self.tx_clock_domain, self.tx_steps)
        self._outputs(m, "tx_ctl", pins.tx_ctl, tx.ctl, self.tx_domain, 0)
        self._outputs(m, "tx_data", pins.tx_data, tx.data, self.tx_domain, 0)
        return m

    def _inputs(self, m: Module, name: str, port: io.PortLike, pairs) -> None:
        m.submodules[name] = buffer = io.Buffer("i", port)
        for bit in range(len(port)):
            late = self._delayed(m, f"{name}_delay{bit}", buffer.i[bit], self.rx_steps)
            halves = [Signal(name=f"{name}{bit}_{half}") for half in range(2)]
            m.submodules[f"{name}_ddr{bit}"] = Instance(
                "IDDRX1F",
                i_D=late,
                i_SCLK=ClockSignal(self.rx_domain),
                i_RST=Const(0),
                o_Q0=halves[0],
                o_Q1=halves[1],
            )
            m.d.comb += [pairs[half][bit].eq(halves[half]) for half in range(2)]

    def _outputs(self, m: Module, name: str, port: io.PortLike, pairs, domain: str, steps: int) -> None:
        m.submodules[name] = buffer = io.Buffer("o", port)
        for bit in range(len(port)):
            output = Signal(name=f"{name}{bit}")
            m.submodules[f"{name}_ddr{bit}"] = Instance(
                "ODDRX1F",
                i_D0=pairs[0][bit],
                i_D1=pairs[1][bit],
                i_SCLK=ClockSignal(domain),
                i_RST=Const(0),
                o_Q=output,
            )
            m.d.comb += buffer.o[bit].eq(self._delayed(m, f"{name}_delay{bit}", output, steps))

    def _delayed(self, m: Module, name: str, signal: Value, steps: int) -> Signal:
        late = Signal(name=name)
        m.submodules[name] = Instance(
            "DELAYG", p_DEL_MODE="USER_DEFINED", p_DEL_VALUE=steps, i_A=signal, o_Z=late
        )
        return late
