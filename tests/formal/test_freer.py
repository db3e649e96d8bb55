"""Proof that each cell of each discarded frame is freed exactly once, and no other, by induction: for runs of any
length."""

import pytest
from amaranth.hdl import Array, Assert, Assume, Const, Cover, Module, Mux, Signal
from amaranth.lib.wiring import Component, In
from opentep.gateware.memory import freer
from opentep.gateware.memory.cell_queue import CellQueue
from opentep.gateware.memory.freer import Freer
from opentep.gateware.memory.ports import NULL_CELL
from opentep.sim.formal import ProofError, inside, prove

CELLS = 8
USED = 5
"""The highest cell that is in a frame; the solver takes minutes with more."""


class AnyQueue(CellQueue):
    """What the proof takes for the queue of heads, as it was proved; the contract drives its output."""

    def elaborate(self, platform):
        return Module()


class FreerContract(Component):
    """A cell is freed only while it is ``due``: from the clock in which the head of its frame came. Each of them is in
    exactly one hand, that of the queue or that of one of three walks, and leaves it by being freed. A walk frees a cell
    every third clock, and a head waits only for a clock in which another frame's cell is freed.

    Frames are any chains that share no cell with one that is due. Links go to higher cells, so that they end; they are
    fixed while their cell is due, and otherwise change at any time. ``single`` claims that frames have one cell, which
    is wrong.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, single: bool = False):
        self.monkeypatch = monkeypatch
        self.single = single
        super().__init__(
            {
                "comes": In(1),
                "head": In(range(CELLS)),
                "offers": In(1),
                "offered": In(range(CELLS)),
                "links": In(range(CELLS)).array(CELLS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        heads = AnyQueue(CELLS)
        self.monkeypatch.setattr(freer, "CellQueue", lambda _: heads)
        dut = Freer(CELLS)
        m.submodules.dut, own = inside(dut)
        link_of = Array(self.links)
        chain_of = Array(self._chains(m))
        read, arrived = Signal(range(CELLS)), Signal(range(CELLS))
        m.d.comb += [
            dut.frames.valid.eq(self.comes),
            dut.frames.payload.eq(self.head),
            heads.output.valid.eq(self.offers),
            heads.output.payload.eq(self.offered),
            dut.links.next_cell.eq(arrived),
        ]
        m.d.sync += [read.eq(link_of[dut.links.cell]), arrived.eq(read)]

        due, freed, begun = Signal(CELLS), Signal(CELLS), Signal(CELLS)
        queued, taken = Signal(CELLS), Signal(CELLS)
        m.d.comb += [
            freed.eq(Mux(dut.freed.valid, 1 << dut.freed.payload, 0)),
            begun.eq(Mux(self.comes, chain_of[self.head], 0)),
            taken.eq(Mux(self.offers & heads.output.ready, 1 << self.offered, 0)),
            Assume(~self.comes | ((self.head != NULL_CELL) & (self.head <= USED))),
            Assume((begun & due) == 0),
            # The queue offers, in whatever order, what came and was not taken.
            Assume(~self.offers | queued.bit_select(self.offered, 1)),
            Assert(heads.input.valid == self.comes),
            Assert(heads.input.payload == self.head),
            Assert((freed & ~due) == 0),
            Assert(~queued[NULL_CELL]),
        ]
        m.d.sync += [
            due.eq((due & ~freed) | begun),
            queued.eq((queued & ~taken) | Mux(self.comes, 1 << self.head, 0)),
        ]
        for cell, link in enumerate(self.links):
            before = Signal.like(link, name=f"before{cell}")
            m.d.sync += before.eq(link)
            m.d.comb += Assume(~due[cell] | (link == before))
            m.d.comb += Assume((link == NULL_CELL) | ((link > cell) & (link <= USED)))
        waits, waiting = Signal(), Signal.like(self.offered)
        m.d.sync += [waits.eq(self.offers & ~heads.output.ready), waiting.eq(self.offered)]
        m.d.comb += Assume(~waits | (self.offers & (self.offered == waiting)))

        self._is_in_one_hand(
            m,
            due,
            [
                *(Mux(queued[head], chain_of[head], 0) for head in range(CELLS)),
                Mux(own["more"], chain_of[own["cell"]], 0),
                freed,
                Mux(own["reading"], chain_of[read], 0),
                Mux(own["arrived"], chain_of[arrived], 0),
            ],
        )

        # Promptness.
        had_offer = Signal()
        m.d.sync += had_offer.eq(self.offers)
        m.d.comb += Assert(~had_offer | dut.freed.valid)
        successors = [Mux(dut.freed.valid, NULL_CELL if self.single else read, NULL_CELL)]
        for clock in range(3):
            later = Signal(range(CELLS), name=f"successor{clock}")
            m.d.sync += later.eq(successors[-1])
            successors.append(later)
        m.d.comb += [
            Assert((successors[3] == NULL_CELL) | (dut.freed.valid & (dut.freed.payload == successors[3]))),
            # Which is where the walk has it in the clocks between.
            Assert(successors[1] == Mux(own["arrived"], arrived, NULL_CELL)),
            Assert(successors[2] == Mux(own["more"], own["cell"], NULL_CELL)),
            Assert(dut.freed.valid == own["reading"]),
            Assert(~own["reading"] | (read == link_of[dut.freed.payload])),
            Assert(~own["more"] | (own["cell"] != NULL_CELL)),
        ]
        if self.single:
            m.d.comb += Assert(~own["more"])

        walked = Signal(CELLS)
        m.d.sync += walked.eq(Mux(due == 0, 0, walked | freed))
        m.d.comb += [
            Cover((due == 0) & (walked == (1 << USED + 1) - 2)),
            Cover(own["more"] & own["reading"] & own["arrived"] & (arrived != NULL_CELL) & self.offers),
        ]
        return m

    def _chains(self, m: Module) -> list[Signal]:
        """The cells from each cell to the end of its frame, as sets."""
        chains = [Signal(CELLS, name=f"chain{cell}") for cell in range(CELLS)]
        for cell in range(1, CELLS):
            rest = Array(chains[:1] * (cell + 1) + chains[cell + 1 :])[self.links[cell]]
            m.d.comb += chains[cell].eq(1 << cell | rest)
        return chains

    @staticmethod
    def _is_in_one_hand(m: Module, due, hands) -> None:
        """The sets ``hands`` are disjoint, and together make ``due``."""
        together = Const(0, CELLS)
        for hand in hands:
            m.d.comb += Assert((hand & together) == 0)
            together |= hand
        m.d.comb += Assert(together == due)


def test_freer(monkeypatch):
    prove(FreerContract(monkeypatch), depth=1, mode="prove")


def test_freer_covers(monkeypatch):
    prove(FreerContract(monkeypatch), depth=16, mode="cover")


def test_a_false_contract_is_refused(monkeypatch):
    with pytest.raises(ProofError, match="Assert failed"):
        prove(FreerContract(monkeypatch, single=True), depth=8)
