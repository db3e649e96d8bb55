"""The clocks of a board: from its oscillator to the core and to the Gigabit side of the PHYs."""

from amaranth.hdl import ClockSignal, Elaboratable, Module, Signal
from amaranth.lib.cdc import ResetSynchronizer

from .pll import Pll, plan_pll

__all__ = ["CORE_DOMAIN", "GIGABIT_DOMAIN", "GIGABIT_HZ", "BoardClocks", "core_clock_hz"]

CORE_DOMAIN = "sync"
GIGABIT_DOMAIN = "gigabit"
"""What PHYs are sent to with."""
GIGABIT_HZ = 125_000_000


def _plan(oscillator_hz: int, core_hz: int):
    return plan_pll(oscillator_hz, [GIGABIT_HZ], [core_hz])


def core_clock_hz(oscillator_hz: int, core_hz: int) -> int:
    """What becomes of a wish for a core clock of ``core_hz``: that or less, rounded to Hz."""
    return round(_plan(oscillator_hz, core_hz).output_hz[1])


class BoardClocks(Elaboratable):
    """Drives the domains ``CORE_DOMAIN`` and ``GIGABIT_DOMAIN``, which the caller defines. They are out of reset while
    the PLL is locked and ``reset`` is 0.

    ``oscillator``  the board's clock, ``oscillator_hz``
    ``reset``       asynchronous
    """

    def __init__(self, oscillator_hz: int, core_hz: int):
        self.plan = _plan(oscillator_hz, core_hz)
        self.oscillator = Signal()
        self.reset = Signal()

    def elaborate(self, platform):
        m = Module()
        m.submodules.pll = pll = Pll(self.plan)
        m.d.comb += pll.input.eq(self.oscillator)
        for name, clock in zip((GIGABIT_DOMAIN, CORE_DOMAIN), pll.outputs, strict=True):
            m.d.comb += ClockSignal(name).eq(clock)
            m.submodules[f"{name}_reset"] = ResetSynchronizer(~pll.locked | self.reset, domain=name)
        return m
