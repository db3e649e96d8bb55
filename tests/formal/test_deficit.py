# amaranth: UnusedElaboratable=no
"""Proof of deficit idle count: gaps of 12 octets on average for frames of all lengths, forever."""

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal, signed
from amaranth.lib.wiring import Component, In
from opentep.gateware.mac.deficit import DeficitIdleCount
from opentep.gateware.mac.frame import GAP
from opentep.sim.formal import ProofError, prove

LANES = 8
LONG = 40
"""Octets of a gap from which on its length is no longer counted."""
MOST_OWED = 3


class DeficitContract(Component):
    """Frames end where the solver wants, and begin as soon as they may, or later.

    Gaps are counted in octets on the wire. By how much those between frames that follow each other at once are shorter
    than ``average``, all taken together, is from 0 to 3: so their mean comes to it. A longer gap makes good what is
    owed, and is not saved up for later. Two packets never share a word that would have to hold parts of both.
    """

    def __init__(self, average: int = GAP):
        self.average = average
        super().__init__({"ends": In(1), "count": In(range(LANES + 1)), "offer": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = DeficitIdleCount()
        inside, tail, spills = Signal(), Signal(), Signal()
        late = Signal()  # the last packet began in lane 4
        at_once = Signal()
        gap = Signal(signed(8), init=LONG)
        """Octets from /T/ to lane 0 of this word."""
        owed, debt = Signal(signed(8)), Signal(signed(8))
        begins = ~inside & dut.ready & self.offer
        idles = ~inside & dut.ready & ~self.offer
        m.d.comb += [
            Assume(self.count <= LANES),
            Assume(inside | ~self.ends),
            dut.ends.eq(self.ends),
            dut.count.eq(self.count),
            dut.idles.eq(idles),
            owed.eq(debt + self.average - gap - 4 * dut.late),
        ]
        m.d.sync += [tail.eq(self.ends & (self.count >= 4)), spills.eq((self.ends | tail) & late)]
        with m.If(self.ends):
            # Behind the last octets come four of FCS, then /T/.
            m.d.sync += [inside.eq(0), at_once.eq(1), gap.eq(LANES - self.count - 4 - 4 * late)]
        with m.Elif(~inside & (gap < LONG)):
            m.d.sync += gap.eq(gap + LANES)
        with m.If(idles):
            m.d.sync += at_once.eq(0)
        with m.If(begins):
            m.d.sync += [inside.eq(1), late.eq(dut.late), debt.eq(Mux(owed > 0, owed, 0))]
            m.d.comb += [
                Assert(owed <= MOST_OWED),
                Assert(~at_once | (owed >= 0)),
                Assert(~tail & ~(spills & ~dut.late)),
            ]
        m.d.comb += [Assert((debt >= 0) & (debt <= MOST_OWED)), Assert(gap >= -LANES)]
        with m.If(inside):
            m.d.comb += [Assert(dut.late == late), Assert(dut.deficit == debt)]
        with m.Elif(~at_once):
            m.d.comb += [Assert(dut.deficit == 0), Assert(dut.ready)]
        m.d.comb += [Cover(begins & at_once & (owed == n)) for n in range(MOST_OWED + 1)]
        m.d.comb += Cover(begins & at_once & (debt == MOST_OWED) & ~dut.late & late)
        return m


def test_deficit_idle_count():
    prove(DeficitContract(), depth=12, mode="prove")
    prove(DeficitContract(), depth=12, mode="cover")


@pytest.mark.parametrize("average", [GAP - 1, GAP + 1])
def test_another_average_is_refused(average):
    with pytest.raises(ProofError, match="Assert failed"):
        prove(DeficitContract(average), depth=12)
