"""Proof that each job gives up what it holds exactly once, in order and not before it is done, by induction: for runs
of any length, also when no place is left and when the places wrap."""

import pytest
from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Signal
from amaranth.lib.wiring import Component, In
from opentep.gateware.egress import releases
from opentep.gateware.egress.releases import Held, Released, Releases
from opentep.gateware.params import Params
from opentep.sim.formal import ProofError, inside, prove
from opentep.sim.watched import WatchedMemory

PARAMS = Params(packet_bytes=2048)
FEW = 4
"""Rows of a memory that is soon full."""


class ReleasesContract(Component):
    """Whichever job with a reference the solver watches releases it once, when it is done, and behind those that came
    before it. Without a stall, that begins a clock after ``done`` and takes a clock for each job before it that has not
    gone. All ``rows`` of the memory but one are places for jobs; each is free again two clocks after its job has gone.
    Jobs are done only if there are any.

    ``early`` claims that a place is free a clock after, which is wrong.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rows: int, early: bool = False):
        self.monkeypatch = monkeypatch
        self.rows = rows
        self.early = early
        super().__init__(
            {
                "offer": In(1),
                "job": In(Held(PARAMS)),
                "done": In(1),
                "take": In(1),
                "watch": In(1),
                "junk": In(Released(PARAMS)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        memory = WatchedMemory(shape=Held(PARAMS), depth=self.rows)
        self.monkeypatch.setattr(releases, "Memory", lambda **_: memory)
        self.monkeypatch.setattr(releases, "_DEPTH", self.rows)
        dut = Releases(PARAMS)
        m.submodules.dut, own = inside(dut)
        write_at, read_at = memory.write.addr, memory.read.addr
        # Whether there is a reference is known of all rows, to count those before the watched one.
        holds = Signal(self.rows)
        with m.If(memory.write.en):
            m.d.sync += holds.bit_select(write_at, 1).eq(memory.write.data.release)
        comes, leaves, stalled = Signal(), Signal(), Signal()
        m.d.comb += [
            dut.job.valid.eq(self.offer),
            dut.job.payload.eq(self.job),
            dut.done.eq(self.done),
            dut.release.ready.eq(self.take),
            memory.junk.eq(Cat(self.junk, holds.bit_select(read_at, 1))),
            comes.eq(self.offer & dut.job.ready),
            leaves.eq(dut.release.valid & self.take),
        ]

        undone, owed = Signal(range(2 * self.rows)), Signal(range(2 * self.rows))
        was_stalled, shown = Signal(), Signal.like(dut.release.payload)
        m.d.sync += [
            undone.eq(undone + comes - self.done),
            owed.eq(owed + (comes & self.job.release) - leaves),
            was_stalled.eq(stalled),
            shown.eq(dut.release.payload),
        ]
        m.d.comb += [
            stalled.eq(dut.release.valid & ~self.take),
            Assume(~self.done | (undone != 0)),
            Assert(~dut.release.valid | (owed != 0)),
            Assert(~was_stalled | (dut.release.valid & (dut.release.payload == shown))),
        ]

        watching, is_done, wanted = Signal(), Signal(), Signal(Released(PARAMS))
        undone_before, before = Signal.like(undone), Signal.like(owed)
        begins = comes & self.job.release & self.watch & ~watching
        m.d.comb += memory.watch.eq(begins)
        with m.If(begins):
            m.d.sync += [
                watching.eq(1),
                is_done.eq(0),
                wanted.eq(self.job.reference),
                undone_before.eq(undone - self.done),
                before.eq(owed - leaves),
            ]
        with m.Elif(watching):
            with m.If(self.done & ~is_done):
                m.d.sync += [undone_before.eq(undone_before - 1), is_done.eq(undone_before == 0)]
            with m.If(leaves):
                m.d.sync += [before.eq(before - 1), watching.eq(before != 0)]
        with m.If(watching & dut.release.valid & (before == 0)):
            m.d.comb += [Assert(is_done), Assert(dut.release.payload == wanted)]

        # What the registers have to do with it: from ``read_at`` on stand jobs that are done, from ``own["undone"]`` on
        # others, to ``write_at``.
        stored, finished, place = (
            Signal(range(self.rows), name=name) for name in ("stored", "finished", "place")
        )
        m.d.comb += [
            stored.eq(write_at - read_at),
            finished.eq(own["undone"] - read_at),
            place.eq(memory.at - read_at),
            Assert(~memory.known | (memory.entry[-1] == holds.bit_select(memory.at, 1))),
            Assert(finished <= stored),
            Assert(undone == stored - finished),
            Assert(own["any_done"] == (finished != 0)),
            Assert(owed == self._references(m, holds, read_at, stored) + dut.release.valid),
            Assert(own["room"] + stored + own["took"] == self.rows - 1),
        ]
        in_memory = Signal()
        taken = own["take"] & (read_at == memory.at)
        m.d.sync += in_memory.eq(begins | (in_memory & ~taken))
        with m.If(in_memory):
            m.d.comb += [
                Assert(watching & memory.known & (place < stored)),
                Assert(memory.entry == Cat(wanted, 1)),
                Assert(is_done == (place < finished)),
                Assert(is_done | (undone_before == place - finished)),
                Assert(before == self._references(m, holds, read_at, place) + dut.release.valid),
                Assert(~is_done | stalled | own["take"]),
            ]
        with m.Elif(watching):
            m.d.comb += Assert(is_done & dut.release.valid & (before == 0) & (dut.release.payload == wanted))

        # A place is taken until a clock after its job has gone.
        came, was_full, started = Signal(), Signal(), Signal()
        occupied = stored + (0 if self.early else own["took"])
        m.d.sync += [came.eq(comes), was_full.eq(occupied == self.rows - 1), started.eq(1)]
        m.d.comb += [
            Assert(~started | (dut.job.ready == ~(came | was_full))),
            Cover(was_full & watching & (before == 1) & (write_at == 1)),
        ]
        return m

    def _references(self, m: Module, holds, first, count):
        """How many of ``count`` rows from ``first`` on hold a reference."""
        turned = Signal(self.rows)
        m.d.comb += turned.eq(Cat(holds, holds) >> first)
        return sum(turned[row] & (count > row) for row in range(self.rows))


@pytest.mark.parametrize("rows", [8, pytest.param(16, marks=pytest.mark.long)])
def test_releases(monkeypatch, rows):
    prove(ReleasesContract(monkeypatch, rows), depth=2, mode="prove")


def test_releases_covers(monkeypatch):
    prove(ReleasesContract(monkeypatch, rows=FEW), depth=14, mode="cover")


def test_a_false_contract_is_refused(monkeypatch):
    with pytest.raises(ProofError, match="Assert failed"):
        prove(ReleasesContract(monkeypatch, rows=FEW, early=True), depth=12)
