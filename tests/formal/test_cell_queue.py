"""Proof that a queue of cells keeps order and loses nothing, by induction: for runs of any length, also when it holds
all cells and when its pointers wrap."""

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal
from amaranth.lib import fifo
from amaranth.lib.wiring import Component, In
from opentep.gateware.memory import cell_queue
from opentep.gateware.memory.cell_queue import AHEAD, CellQueue
from opentep.sim.formal import ProofError, inside, prove
from opentep.sim.watched import WatchedMemory, WatchedRAM

CELLS = 8


class CellQueueContract(Component):
    """Whichever index the solver watches leaves behind all that came before it, unchanged and once. One that may leave
    is on offer within ``patience`` clocks. The queue is given as many indices as it has places, and no more.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, patience: int = 3):
        self.monkeypatch = monkeypatch
        self.patience = patience
        super().__init__(
            {
                "comes": In(1),
                "index": In(range(CELLS)),
                "take": In(1),
                "watch": In(1),
                "junk": In(range(CELLS)).array(2),
            }
        )

    def elaborate(self, platform):
        m = Module()
        ring, ahead = WatchedRAM(range(CELLS), CELLS), WatchedMemory(shape=range(CELLS), depth=AHEAD)
        self.monkeypatch.setattr(cell_queue, "BlockRAM", lambda *_: ring)
        self.monkeypatch.setattr(fifo, "Memory", lambda **_: ahead)
        dut = CellQueue(CELLS)
        m.submodules.dut, own = inside(dut)
        held, leaves, stalled = Signal(range(2 * CELLS)), Signal(), Signal()
        m.d.comb += [
            dut.input.valid.eq(self.comes),
            dut.input.payload.eq(self.index),
            dut.output.ready.eq(self.take),
            ring.junk.eq(self.junk[0]),
            ahead.junk.eq(self.junk[1]),
            leaves.eq(dut.output.valid & self.take),
            Assume(~self.comes | (held < CELLS)),
            Assert(~dut.output.valid | (held != 0)),
            Assert(~stalled | dut.output.valid),
        ]
        m.d.sync += [held.eq(held + self.comes - leaves), stalled.eq(dut.output.valid & ~self.take)]

        watching, before, wanted = Signal(), Signal.like(held), Signal.like(self.index)
        begins = self.comes & self.watch & ~watching
        with m.If(begins):
            m.d.sync += [watching.eq(1), before.eq(held - leaves), wanted.eq(self.index)]
        with m.Elif(watching & leaves):
            m.d.sync += [before.eq(before - 1), watching.eq(before != 0)]
        with m.If(watching):
            m.d.comb += Assert(before < held)
            with m.If(dut.output.valid & (before == 0)):
                m.d.comb += Assert(dut.output.payload == wanted)

        waits = Signal(range(8))
        m.d.sync += waits.eq(Mux(dut.output.valid | (held == 0), 0, waits + 1))
        m.d.comb += [
            Assert(waits <= self.patience),
            Cover((held == CELLS) & (own["write_at"] == CELLS - 1) & (before == 2) & watching & stalled),
        ]

        # Where the watched one is: in the ring, on its way from there, or read ahead.
        in_ring, fetching, fetched, is_ahead = (
            Signal(name=name) for name in ("ring", "here", "there", "ahead")
        )
        leaves_ring = in_ring & own["fetch"] & (own["read_at"] == ring.at)
        m.d.comb += [ring.watch.eq(begins), ahead.watch.eq(fetched)]
        m.d.sync += [
            in_ring.eq(begins | (in_ring & ~leaves_ring)),
            fetching.eq(leaves_ring),
            fetched.eq(fetching),
            is_ahead.eq(fetched | (is_ahead & ~(leaves & (before == 0)))),
        ]
        place, place_ahead = Signal(range(CELLS)), Signal(range(AHEAD))
        m.d.comb += [
            place.eq(ring.at - own["read_at"]),
            place_ahead.eq(ahead.at - own["ahead.consume"]),
            Assert(watching == in_ring + fetching + fetched + is_ahead),
            Assert(held == own["level"] + own["fetching"] + own["fetched"] + own["ahead.level"]),
            Assert(own["credits"] + own["fetching"] + own["fetched"] + own["ahead.level"] == AHEAD),
            Assert(own["level"][:-1] == (own["write_at"] - own["read_at"])[: len(place)]),
            Assert(own["level"] <= CELLS),
            Assert(
                own["ahead.level"][:-1] == (own["ahead.produce"] - own["ahead.consume"])[: len(place_ahead)]
            ),
            Assert(own["ahead.level"] <= AHEAD),
        ]
        passed = own["fetching"] + own["fetched"] + own["ahead.level"]
        with m.If(in_ring):
            m.d.comb += [
                Assert(ring.known & (ring.entry == wanted) & (place < own["level"])),
                Assert(before == place + passed),
            ]
        with m.If(fetching):
            m.d.comb += [Assert(own["fetching"]), Assert(before == passed - 1)]
        with m.If(fetched):
            m.d.comb += [
                Assert(own["fetched"] & (ring.r_data == wanted)),
                Assert(before == own["ahead.level"]),
            ]
        with m.If(is_ahead):
            m.d.comb += [
                Assert(ahead.known & (ahead.entry == wanted) & (place_ahead < own["ahead.level"])),
                Assert(before == place_ahead),
            ]
        return m


def test_cell_queue(monkeypatch):
    prove(CellQueueContract(monkeypatch), depth=6, mode="prove")


def test_cell_queue_covers(monkeypatch):
    prove(CellQueueContract(monkeypatch), depth=2 * CELLS + 2, mode="cover")


def test_a_false_contract_is_refused(monkeypatch):
    with pytest.raises(ProofError, match="Assert failed"):
        prove(CellQueueContract(monkeypatch, patience=2), depth=8)
