"""Proof, on tiny configurations, that no cell is in two hands and that each frame ends exactly once."""

from amaranth.hdl import Array, Assert, Assume, Cover, Module, Signal
from amaranth.lib.wiring import Component, In
from opentep.gateware.memory.free_list import FreeList
from opentep.gateware.memory.references import References
from opentep.sim.formal import prove

CELLS = 4
PORTS = 2


class FreeListContract(Component):
    """A cell is handed out only while nobody has it, and never the null cell.

    The surroundings give back any cell that they have, at any time.
    """

    def __init__(self):
        super().__init__({"take": In(1), "give": In(1), "cell": In(range(CELLS))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = FreeList(CELLS)
        held = Array(Signal(name=f"held{cell}") for cell in range(CELLS))
        returns = Signal(2)
        m.d.comb += [
            dut.output.ready.eq(self.take),
            dut.freed.valid.eq(self.give),
            dut.freed.payload.eq(self.cell),
            Assume(~self.give | held[self.cell]),
        ]
        with m.If(dut.output.valid):
            m.d.comb += [Assert(~held[dut.output.payload]), Assert(dut.output.payload != 0)]
            with m.If(self.take):
                m.d.sync += held[dut.output.payload].eq(1)
        with m.If(self.give):
            m.d.sync += [held[self.cell].eq(0), returns.eq(returns | 1 << returns[0])]
        m.d.comb += Cover((returns == 3) & held[1] & held[2] & held[3])
        return m


def test_free_list():
    prove(FreeListContract(), depth=12)
    prove(FreeListContract(), depth=13, mode="cover")


class ReferencesContract(Component):
    """A frame is reported done exactly once, after as many releases as its commit said, and not before.

    Follows one frame of the solver's choice among all the others; commits wait for four clocks at most.
    """

    def __init__(self):
        super().__init__(
            {
                "commits": In(1),
                "head": In(range(CELLS)),
                "references": In(range(PORTS + 1)),
                "releases": In(PORTS),
                "heads": In(range(CELLS)).array(PORTS),
                "follow": In(range(CELLS)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = References(CELLS, PORTS)
        started = Signal()
        follow = Signal(range(CELLS))
        m.d.sync += [started.eq(1), follow.eq(self.follow)]
        m.d.comb += [Assume(self.follow != 0), Assume(~started | (follow == self.follow))]

        # What the surroundings know of each frame: alive, and references not yet offered for release.
        alive = Array(Signal(name=f"alive{head}") for head in range(CELLS))
        left = Array(Signal(range(PORTS + 1), name=f"left{head}") for head in range(CELLS))
        m.d.comb += [
            dut.commit.valid.eq(self.commits),
            dut.commit.payload.head.eq(self.head),
            dut.commit.payload.references.eq(self.references),
            Assume(self.references <= PORTS),
            Assume(~self.commits | (self.head != 0)),
            Assume(~self.commits | ~alive[self.head]),
        ]
        committed = Signal()
        m.d.comb += committed.eq(dut.commit.valid & dut.commit.ready)
        stalled = Signal()
        waits = Signal(range(8))
        held = Signal.like(dut.commit.payload)
        m.d.sync += [stalled.eq(dut.commit.valid & ~dut.commit.ready), held.eq(dut.commit.payload)]
        m.d.comb += [
            Assume(~stalled | (self.commits & (dut.commit.payload.as_value() == held.as_value()))),
            Assert(waits <= 4),
        ]
        with m.If(dut.commit.valid & ~dut.commit.ready):
            m.d.sync += waits.eq(waits + 1)
        with m.Else():
            m.d.sync += waits.eq(0)
        with m.If(committed):
            m.d.sync += [alive[self.head].eq(1), left[self.head].eq(self.references)]

        hits = Array(Signal(name=f"hit{head}") for head in range(CELLS))
        for port, release in enumerate(dut.release):
            other = dut.release[1 - port]
            offered = Signal(1, name=f"offered{port}")
            was = Signal(range(CELLS), name=f"was{port}")
            m.d.sync += [offered.eq(release.valid & ~release.ready), was.eq(release.payload)]
            m.d.comb += [
                release.valid.eq(self.releases[port]),
                release.payload.eq(self.heads[port]),
                Assume(~offered | (self.releases[port] & (self.heads[port] == was))),
                # Never more offers than references.
                Assume(
                    ~release.valid
                    | (left[release.payload] > (other.valid & (other.payload == release.payload)))
                ),
            ]
            with m.If(release.valid & release.ready):
                m.d.comb += hits[release.payload].eq(1)
        for head in range(CELLS):
            with m.If(hits[head]):
                m.d.sync += left[head].eq(left[head] - 1)

        zero = Signal()
        m.d.comb += zero.eq(committed & (self.head == self.follow) & (self.references == 0))
        ended = Signal()
        with m.If(zero | (hits[self.follow] & (left[self.follow] == 1))):
            m.d.sync += ended.eq(1)
        with m.If(dut.done.valid):
            m.d.comb += Assert(dut.done.payload != 0)
            m.d.sync += alive[dut.done.payload].eq(0)
            with m.If(dut.done.payload == self.follow):
                m.d.comb += Assert(ended)
                m.d.sync += ended.eq(0)
        # The way from the last release to the report takes four clocks, and those in which a commit waits.
        late = Signal(range(8))
        with m.If(~ended | (dut.done.valid & (dut.done.payload == self.follow))):
            m.d.sync += late.eq(0)
        with m.Elif(~stalled & (dut.commit.ready | ~dut.commit.valid)):
            m.d.sync += late.eq(late + 1)
        m.d.comb += [Assert(late <= 4), Cover(dut.done.valid & (dut.done.payload == 3) & waits.any())]
        return m


def test_references():
    prove(ReferencesContract(), depth=12)
    prove(ReferencesContract(), depth=11, mode="cover")
