"""Proof that a queue of reports has a place for each report that it let a port reserve, by induction: for runs of any
length, also when it is full and when its pointers wrap."""

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Signal, Value
from amaranth.lib import fifo
from amaranth.lib.wiring import Component, In
from opentep.gateware.headers import Stored
from opentep.gateware.memory.stored_queue import StoredQueue
from opentep.gateware.params import Params
from opentep.sim.formal import ProofError, inside, prove
from opentep.sim.watched import WatchedMemory

PARAMS = Params(packet_bytes=2048)
DEPTH = 8


class StoredQueueContract(Component):
    """Whichever report the solver watches leaves behind all that came before it, unchanged and once; none is refused.
    There is room while ``spare`` places are left.

    A port reserves a place if there was room in the clock before, and reports at any time from then on.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, spare: int = 2):
        self.monkeypatch = monkeypatch
        self.spare = spare
        super().__init__(
            {
                "enable": In(1),
                "reserve": In(1),
                "reports": In(1),
                "report": In(Stored(PARAMS)),
                "take": In(1),
                "watch": In(1),
                "junk": In(Stored(PARAMS).size),
            }
        )

    def elaborate(self, platform):
        m = Module()
        memory = WatchedMemory(shape=Stored(PARAMS).size, depth=DEPTH)
        self.monkeypatch.setattr(fifo, "Memory", lambda **_: memory)
        dut = StoredQueue(PARAMS, depth=DEPTH)
        m.submodules.dut, own = inside(dut)
        reserved, held = Signal(range(2 * DEPTH)), Signal(range(2 * DEPTH))
        had_room, enabled, leaves, stalled = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            dut.enable.eq(self.enable),
            dut.reserve.eq(self.reserve),
            dut.input.valid.eq(self.reports),
            dut.input.payload.eq(self.report),
            dut.output.ready.eq(self.take),
            memory.junk.eq(self.junk),
            leaves.eq(dut.output.valid & self.take),
            Assume(~self.reserve | had_room),
            Assume(~self.reports | (reserved != 0)),
        ]
        m.d.sync += [
            had_room.eq(dut.room),
            enabled.eq(self.enable),
            reserved.eq(reserved + self.reserve - self.reports),
            held.eq(held + self.reports - leaves),
            stalled.eq(dut.output.valid & ~self.take),
        ]

        watching, ahead, wanted = Signal(), Signal.like(held), Signal(Stored(PARAMS))
        begins = self.reports & self.watch & ~watching
        m.d.comb += memory.watch.eq(begins)
        with m.If(begins):
            m.d.sync += [watching.eq(1), ahead.eq(held - leaves), wanted.eq(self.report)]
        with m.Elif(watching & leaves):
            m.d.sync += [ahead.eq(ahead - 1), watching.eq(ahead != 0)]
        left = Signal(range(2 * DEPTH))
        m.d.comb += [
            left.eq(DEPTH - held - reserved),
            Assert(held + reserved <= DEPTH),
            Assert(dut.output.valid == (held != 0)),
            Assert(~stalled | dut.output.valid),
            Assert(dut.room == (enabled & (left >= self.spare))),
            Cover((held == DEPTH) & watching & (ahead == DEPTH - 1) & (own["queue.produce"] == 3)),
        ]
        with m.If(watching):
            m.d.comb += Assert(ahead < held)
            with m.If(dut.output.valid & (ahead == 0)):
                m.d.comb += Assert(Value.cast(dut.output.payload) == Value.cast(wanted))

        # What the queue's registers have to do with what it holds.
        place = Signal(range(DEPTH))
        m.d.comb += [
            place.eq(memory.at - own["queue.consume"]),
            Assert(own["places"] == left),
            Assert(own["queue.level"] == held),
            Assert(held[:-1] == (own["queue.produce"] - own["queue.consume"])[: len(place)]),
        ]
        with m.If(watching):
            m.d.comb += [Assert(memory.known & (memory.entry == Value.cast(wanted))), Assert(place == ahead)]
        return m


def test_stored_queue(monkeypatch):
    prove(StoredQueueContract(monkeypatch), depth=4, mode="prove")


def test_stored_queue_covers(monkeypatch):
    prove(StoredQueueContract(monkeypatch), depth=16, mode="cover")


def test_a_false_contract_is_refused(monkeypatch):
    with pytest.raises(ProofError, match="Assert failed"):
        prove(StoredQueueContract(monkeypatch, spare=1), depth=12)
