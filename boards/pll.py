"""The PLL of ECP5 (EHXPLLL): dividers for wanted frequencies, and the instance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from amaranth.hdl import Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Pll", "PllPlan", "plan_pll"]

_DIVIDERS = range(1, 129)
_VCO_HZ = (400_000_000, 800_000_000)
_DETECTOR_HZ = (10_000_000, 400_000_000)
"""Limits of the data sheet FPGA-DS-02012, sysCLOCK PLL timing."""
_OUTPUTS = ("CLKOS", "CLKOS2", "CLKOS3")


@dataclass(frozen=True)
class PllPlan:
    """Dividers of a PLL. The output CLKOP only closes the loop."""

    input_hz: int
    input_divider: int
    feedback_divider: int
    loop_divider: int
    """Of CLKOP."""
    dividers: tuple[int, ...]
    """One for each wanted output."""

    @property
    def vco_hz(self) -> Fraction:
        return Fraction(self.input_hz * self.feedback_divider * self.loop_divider, self.input_divider)

    @property
    def output_hz(self) -> tuple[Fraction, ...]:
        return tuple(self.vco_hz / divider for divider in self.dividers)


def plan_pll(input_hz: int, exact_hz: Sequence[int], highest_hz: Sequence[int]) -> PllPlan:
    """Dividers that make each of ``exact_hz`` exactly and, behind them, each of ``highest_hz`` or somewhat less.

    ValueError if the PLL cannot, or has too few outputs.
    """
    if len(exact_hz) + len(highest_hz) > len(_OUTPUTS):
        raise ValueError(f"a PLL has {len(_OUTPUTS)} outputs, not {len(exact_hz) + len(highest_hz)}")
    plans = list(_plans(input_hz, exact_hz, highest_hz))
    if not plans:
        wanted = ", ".join(f"{hz / 1e6:g}" for hz in exact_hz)
        raise ValueError(f"no PLL makes {wanted} MHz from {input_hz / 1e6:g} MHz")
    # The fastest phase detector has the least jitter.
    return max(plans, key=lambda plan: (sum(plan.output_hz), -plan.input_divider))


def _plans(input_hz: int, exact_hz: Sequence[int], highest_hz: Sequence[int]) -> Iterator[PllPlan]:
    for input_divider in _DIVIDERS:
        detector_hz = Fraction(input_hz, input_divider)
        if not _DETECTOR_HZ[0] <= detector_hz <= _DETECTOR_HZ[1]:
            continue
        for factor in range(ceil(_VCO_HZ[0] / detector_hz), floor(_VCO_HZ[1] / detector_hz) + 1):
            vco_hz = detector_hz * factor
            loop = max(divider for divider in _DIVIDERS if factor % divider == 0)
            exact = [vco_hz / hz for hz in exact_hz]
            dividers = [*exact, *(Fraction(ceil(vco_hz / hz)) for hz in highest_hz)]
            if all(n.denominator == 1 and n in _DIVIDERS for n in (*dividers, Fraction(factor, loop))):
                yield PllPlan(input_hz, input_divider, factor // loop, loop, tuple(map(int, dividers)))


class Pll(wiring.Component):
    """EHXPLLL with the dividers of ``plan``.

    Members
    -------
    input : In(1)
        The reference clock.
    outputs : Out(1) each
        One clock per divider.
    locked : Out(1)
        Asynchronous; the clocks are good while it is 1.
    """

    def __init__(self, plan: PllPlan):
        self.plan = plan
        super().__init__({"input": In(1), "outputs": Out(1).array(len(plan.dividers)), "locked": Out(1)})

    def elaborate(self, platform):
        m = Module()
        plan = self.plan
        loop = Signal()
        ports = {}
        for name, divider, clock in zip(
            ("CLKOP", *_OUTPUTS), (plan.loop_divider, *plan.dividers), (loop, *self.outputs), strict=False
        ):
            ports |= {
                f"p_{name}_ENABLE": "ENABLED",
                f"p_{name}_DIV": divider,
                # Rising edges of all outputs coincide.
                f"p_{name}_CPHASE": divider - 1,
                f"p_{name}_FPHASE": 0,
                f"o_{name}": clock,
            }
        m.submodules.pll = Instance(
            "EHXPLLL",
            p_CLKI_DIV=plan.input_divider,
            p_CLKFB_DIV=plan.feedback_divider,
            p_FEEDBK_PATH="CLKOP",
            p_OUTDIVIDER_MUXA="DIVA",
            p_OUTDIVIDER_MUXB="DIVB",
            p_OUTDIVIDER_MUXC="DIVC",
            p_OUTDIVIDER_MUXD="DIVD",
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            # Analog settings of the loop filter, those of Project Trellis' ecppll.
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            i_CLKI=self.input,
            i_CLKFB=loop,
            i_RST=0,
            i_STDBY=0,
            i_PHASESEL0=0,
            i_PHASESEL1=0,
            i_PHASEDIR=0,
            i_PHASESTEP=0,
            i_PHASELOADREG=0,
            i_PLLWAKESYNC=0,
            i_ENCLKOP=0,
            o_LOCK=self.locked,
            **ports,
        )
        return m
