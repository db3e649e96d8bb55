"""What becomes of a debt when time passes."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .limit import EXPONENT_BITS, TICKS_PER_SECOND, StormLimit

__all__ = ["Debt", "Repayment"]

_PART_BITS = (TICKS_PER_SECOND - 1).bit_length()


class Debt(data.Struct):
    """What has been taken out of a bucket and not been paid back. 0 is a full bucket, whatever its size, so that a new
    limit needs no new debt."""

    paid: _PART_BITS
    """How much of the last of these frames has been paid back, in parts of a frame; 0 if there are none."""
    frames: 12
    """Those not paid back, the last one perhaps in part."""


class Repayment(wiring.Component):
    """Pays back ``limit.rate << exponent`` parts of ``debt``, or all if that is less; without a limit, all.

    One debt per clock; latency :attr:`LATENCY` clocks. ``exponent`` must not change while a debt is inside.
    """

    LATENCY = 4

    def __init__(self):
        super().__init__(
            {
                "debt": In(Debt),
                "limit": In(StormLimit),
                "exponent": In(EXPONENT_BITS),
                "left": Out(Debt),
            }
        )

    def elaborate(self, platform):
        m = Module()
        debts = [self.debt]
        for clock in range(self.LATENCY - 1):
            debts.append(Signal(Debt, name=f"debt_{clock}"))
            m.d.sync += debts[-1].eq(debts[-2])

        # The shift in two halves; what overflows pays back everything.
        rate_bits = len(self.limit.rate)
        little, much = self.exponent[:2], self.exponent[2:]
        unlimited = Signal()
        shifted = Signal(rate_bits + 3)
        m.d.sync += [unlimited.eq(self.limit.burst == 0), shifted.eq(self.limit.rate << little)]
        wide = Signal(rate_bits + 15)
        payment = Signal(rate_bits)
        everything = Signal()
        m.d.comb += wide.eq(shifted << Cat(Const(0, len(little)), much))
        m.d.sync += [payment.eq(wide), everything.eq(unlimited | wide[rate_bits:].any())]

        credit = Signal(rate_bits + 1)
        settled = Signal()
        m.d.sync += [credit.eq(debts[2].paid + payment), settled.eq(everything)]
        whole = credit[_PART_BITS:]
        left = data.View(Debt, Mux(settled | (debts[3].frames <= whole), 0, self._less(debts[3], credit)))
        m.d.sync += self.left.eq(left)
        return m

    @staticmethod
    def _less(debt, credit):
        """The ``debt`` with a ``credit`` in parts that does not settle it."""
        return Cat(credit[:_PART_BITS], (debt.frames - credit[_PART_BITS:])[: len(debt.frames)])
