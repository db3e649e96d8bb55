"""Proof of the arithmetic of storm control, for all debts and limits."""

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal
from amaranth.lib.wiring import Component, In
from opentep.gateware.storm.limit import EXPONENT_BITS, TICKS_PER_SECOND, StormLimit
from opentep.gateware.storm.repayment import Debt, Repayment
from opentep.sim.formal import ProofError, prove

DEPTH = Repayment.LATENCY + 2


def parts(debt):
    """What is owed, in parts of a frame."""
    return debt.frames * TICKS_PER_SECOND - debt.paid


class RepaymentContract(Component):
    """What is left is what was owed less ``rate << exponent`` parts, and never less than nothing; a debt stays one that
    can be."""

    def __init__(self, late: int = 0):
        self.late = late
        super().__init__({"debt": In(Debt), "limit": In(StormLimit), "exponent": In(EXPONENT_BITS)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = Repayment()
        m.d.comb += [dut.debt.eq(self.debt), dut.limit.eq(self.limit), dut.exponent.eq(self.exponent)]
        debt, limit, exponent = Signal(Debt), Signal(StormLimit), Signal(EXPONENT_BITS)
        clock = Signal(range(DEPTH + 1))
        m.d.sync += clock.eq(clock + 1)
        with m.If(clock == 0):
            m.d.sync += [debt.eq(self.debt), limit.eq(self.limit), exponent.eq(self.exponent)]
        with m.Else():
            m.d.comb += Assume(self.exponent == exponent)
        m.d.comb += Assume((self.debt.frames != 0) | (self.debt.paid == 0))
        payment = Signal(40)
        m.d.comb += payment.eq(limit.rate << exponent)
        settled = (limit.burst == 0) | (parts(debt) <= payment)
        with m.If(clock == Repayment.LATENCY + self.late):
            m.d.comb += [
                Assert(parts(dut.left) == Mux(settled, 0, parts(debt) - payment)),
                Assert((dut.left.frames != 0) | (dut.left.paid == 0)),
                Cover(~settled & (dut.left.paid != 0) & (exponent == 2)),
                Cover(settled & (limit.burst != 0)),
            ]
        return m


def test_repayment():
    prove(RepaymentContract(), depth=DEPTH)
    prove(RepaymentContract(), depth=DEPTH, mode="cover")


def test_a_false_contract_is_refused():
    with pytest.raises(ProofError, match="Assert failed"):
        prove(RepaymentContract(late=1), depth=DEPTH)
