"""The clocks of a board: from its oscillator to the core and to the Gigabit side of the PHYs."""

from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, Module, Signal, Value
from amaranth.lib.cdc import FFSynchronizer

from .pll import Pll, plan_pll

__all__ = ["CORE_DOMAIN", "GIGABIT_DOMAIN", "GIGABIT_HZ", "BoardClocks", "core_clock_hz", "gate_clock"]

CORE_DOMAIN = "sync"
GIGABIT_DOMAIN = "gigabit"
"""What PHYs are sent to with."""
GIGABIT_HZ = 125_000_000

_SETTLE_CLOCKS = 256
"""Of the oscillator, for which the PLL must have been locked."""


def _plan(oscillator_hz: int, core_hz: int):
    return plan_pll(oscillator_hz, [GIGABIT_HZ], [core_hz])


def core_clock_hz(oscillator_hz: int, core_hz: int) -> int:
    """What becomes of a wish for a core clock of ``core_hz``: that or less, rounded to Hz."""
    return round(_plan(oscillator_hz, core_hz).output_hz[1])


class BoardClocks(Elaboratable):
    """Drives the clocks of the domains ``CORE_DOMAIN`` and ``GIGABIT_DOMAIN``, which the caller defines without reset.

    Their registers begin with what the bitstream gives them, and their clocks stand still until the PLL has settled:
    twelve thousand registers need no wires for a reset, which they would share with the reasons they have of their own.
    A new start is a new configuration.

    ``oscillator``  the board's clock, ``oscillator_hz``
    ``running``     the clocks are; those that come from elsewhere may (:func:`gate_clock`)
    """

    def __init__(self, oscillator_hz: int, core_hz: int):
        self.plan = _plan(oscillator_hz, core_hz)
        self.oscillator = Signal()
        self.running = Signal()

    def elaborate(self, platform):
        m = Module()
        m.domains.oscillator = ClockDomain("oscillator", local=True, reset_less=True)
        m.submodules.pll = pll = Pll(self.plan)
        m.d.comb += [pll.input.eq(self.oscillator), ClockSignal("oscillator").eq(self.oscillator)]

        locked = Signal()
        settling = Signal(range(_SETTLE_CLOCKS))
        m.submodules.locked = FFSynchronizer(pll.locked, locked, o_domain="oscillator")
        with m.If(~locked):
            m.d.oscillator += [settling.eq(0), self.running.eq(0)]
        with m.Elif(settling == _SETTLE_CLOCKS - 1):
            m.d.oscillator += self.running.eq(1)
        with m.Else():
            m.d.oscillator += settling.eq(settling + 1)

        for name, clock in zip((GIGABIT_DOMAIN, CORE_DOMAIN), pll.outputs, strict=True):
            gate_clock(m, name, clock, self.running)
        return m


def gate_clock(m: Module, domain: str, clock: Value, running: Value) -> None:
    """Drive ``domain`` with ``clock`` while ``running``, on a global net. Opens and closes without a short pulse
    (FPGA-TN-02200, dynamic clock control)."""
    m.submodules[f"{domain}_gate"] = Instance("DCCA", i_CLKI=clock, i_CE=running, o_CLKO=ClockSignal(domain))
