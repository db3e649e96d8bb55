"""Proof that the egress queue keeps order, loses nothing and lets nothing wait for long: by induction, so for runs of
any length, also when it is full and when its pointers wrap."""

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In
from opentep.gateware.egress import queue
from opentep.gateware.egress.entry import Entry, admit
from opentep.gateware.egress.queue import Queue
from opentep.gateware.headers import Descriptor
from opentep.gateware.params import Params
from opentep.sim.formal import ProofError, inside, prove
from opentep.sim.watched import WatchedRAM

DEPTH = 16
ROWS = {32: 2, 512: 1}
"""Of an entry, by width of the datapath."""


class QueueContract(Component):
    """Whichever descriptor the solver watches leaves behind all that came before it, as what the port makes of it, and
    once. An entry that may leave is offered within ``patience`` clocks. The queue takes as many as it has places, and
    what it was ready for a clock ago.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, port: int, width: int, patience: int = 5):
        self.monkeypatch = monkeypatch
        self.params = Params(queue_depth=DEPTH, packet_bytes=2048, width=width)
        self.port = port
        self.patience = patience
        super().__init__(
            {
                "offer": In(1),
                "descriptor": In(Descriptor(self.params)),
                "take": In(1),
                "watch": In(1),
                "junk": In(Entry(self.params, port).size),
            }
        )

    def elaborate(self, platform):
        m = Module()
        rams = []

        def watched(shape, depth):
            rams.append(WatchedRAM(shape, depth, rows=ROWS[self.params.width]))
            return rams[0]

        self.monkeypatch.setattr(queue, "BlockRAM", watched)
        dut = Queue(self.params, self.port)
        m.submodules.dut, own = inside(dut)
        ram = rams[0]
        shown = Value.cast(dut.output.payload)
        comes, leaves = Signal(), Signal()
        m.d.comb += [
            dut.enqueue.valid.eq(self.offer),
            dut.enqueue.payload.eq(self.descriptor),
            dut.output.ready.eq(self.take),
            ram.junk.eq(self.junk),
            comes.eq(self.offer & dut.enqueue.ready),
            leaves.eq(dut.output.valid & self.take),
        ]
        # Dispatch asks for room in one clock and fills it in a later one.
        came, could_come, stalled = Signal(), Signal(), Signal()
        m.d.sync += [
            came.eq(comes),
            could_come.eq(dut.enqueue.ready & ~comes),
            stalled.eq(dut.output.valid & ~self.take),
        ]
        m.d.comb += [Assume(~(came & self.offer)), Assert(~could_come | dut.enqueue.ready)]

        held, held_before, held_long_before = (Signal(range(DEPTH + 2), name=f"held{n}") for n in range(3))
        m.d.sync += [held.eq(held + comes - leaves), held_before.eq(held), held_long_before.eq(held_before)]
        full = [each == DEPTH for each in (held, held_before, held_long_before)]
        m.d.comb += [
            Assert(held <= DEPTH),
            Assert(dut.enqueue.ready | came | full[0] | full[1] | full[2]),
            Assert(~dut.output.valid | (held != 0)),
            Assert(~stalled | dut.output.valid),
        ]

        watching, ahead, wanted = Signal(), Signal(range(DEPTH + 1)), Signal(Entry(self.params, self.port))
        entry = Signal(Entry(self.params, self.port))
        admit(m, self.params, self.port, entry, self.descriptor)
        begins = comes & self.watch & ~watching
        m.d.comb += ram.watch.eq(begins)
        with m.If(begins):
            m.d.sync += [watching.eq(1), ahead.eq(held - leaves), wanted.eq(entry)]
        with m.Elif(watching & leaves):
            m.d.sync += [ahead.eq(ahead - 1), watching.eq(ahead != 0)]
        with m.If(watching):
            m.d.comb += Assert(ahead < held)
            with m.If(dut.output.valid & (ahead == 0)):
                m.d.comb += Assert(shown == Value.cast(wanted))

        waits = Signal(range(8))
        with m.If(dut.output.valid | (held == 0)):
            m.d.sync += waits.eq(0)
        with m.Else():
            m.d.sync += waits.eq(Mux(waits == 7, 7, waits + 1))
        m.d.comb += Assert(waits <= self.patience)
        self._is_sound(m, dut, own, ram, held, watching, ahead, wanted)
        m.d.comb += [
            Cover(stalled & watching & (ahead == 2)),
            Cover(full[0] & (own["write_at"] == DEPTH - 1)),
        ]
        return m

    def _is_sound(self, m: Module, dut, own, ram, held, watching, ahead, wanted) -> None:
        """What the queue's registers have to do with what it holds."""
        stored, place = Signal(range(DEPTH + 1)), Signal(range(DEPTH))
        m.d.comb += [
            stored.eq(Mux(own["empty"], 0, (own["write_at"] - own["read_at"] - 1)[:4] + 1)),
            place.eq(ram.at - own["read_at"]),
            Assert(~own["empty"] | (own["write_at"] == own["read_at"])),
            Assert(held == stored + dut.output.valid),
            Assert(held == own["held"] + own["came"] - own["gone"]),
            Assert(own["nearly_full"] == (own["held"] == DEPTH - 1)),
            Assert(~own["settled"].any() | ~own["empty"]),
        ]
        waits_in_ram = watching & ~(dut.output.valid & (ahead == 0))
        with m.If(waits_in_ram):
            m.d.comb += [
                Assert(ram.known & (place < stored)),
                Assert(ahead == place + dut.output.valid),
            ]
            bits = wanted.as_value()
            if ROWS[self.params.width] == 1:
                m.d.comb += Assert(ram.entry == bits)
            else:
                self._rows_are_sound(m, own, ram, bits, newest=ahead == held - 1, oldest=place == 0)

    def _rows_are_sound(self, m: Module, own, ram, bits, newest, oldest) -> None:
        """The second row is written a clock behind the first one, which is read before it and kept."""
        part = len(ram.junk)
        rows = bits[:part], bits[part:]
        m.d.comb += Assert(ram.entry[:part] == rows[0])
        with m.If(own["begun"] & newest):
            m.d.comb += [Assert(own["behind"] == rows[1]), Assert(own["written_at"] == ram.at)]
        with m.Else():
            m.d.comb += Assert(ram.entry[part:] == rows[1])
        with m.If(own["settled"][-1] & oldest):
            m.d.comb += Assert(own["first"] == rows[0])


@pytest.mark.parametrize("port", [pytest.param(0, id="access"), pytest.param(1, id="fabric")])
@pytest.mark.parametrize("width", ROWS)
def test_queue(monkeypatch, port, width):
    prove(QueueContract(monkeypatch, port, width), depth=6, mode="prove")


def test_queue_covers(monkeypatch):
    prove(QueueContract(monkeypatch, 0, 32), depth=34, mode="cover")


def test_a_false_contract_is_refused(monkeypatch):
    with pytest.raises(ProofError, match="Assert failed"):
        prove(QueueContract(monkeypatch, 0, 32, patience=1), depth=11)
