"""Proof that the egress queue keeps order, loses nothing and lets nothing wait for long."""

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal
from amaranth.lib.wiring import Component, In
from opentep.gateware.egress.queue import Queue
from opentep.gateware.headers import Edit
from opentep.gateware.params import Params
from opentep.sim.formal import ProofError, prove

PARAMS = Params(queue_depth=16, packet_bytes=2048)
DEPTH = 11


class QueueContract(Component):
    """Descriptors leave in the order in which they came, each once. An entry that may leave is offered within
    ``patience`` clocks.
    """

    def __init__(self, port: int, patience: int = 5):
        self.port = port
        self.patience = patience
        super().__init__({"offer": In(1), "take": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = Queue(PARAMS, self.port)
        bits = len(dut.output.payload.head)
        came, left = Signal(bits), Signal(bits)
        m.d.comb += [
            # A running number in a field that travels unchanged.
            dut.enqueue.valid.eq(self.offer),
            dut.enqueue.payload.head.eq(came),
            dut.enqueue.payload.edit.eq(Edit.ENCAP if self.port else Edit.RETAG),
            dut.output.ready.eq(self.take),
        ]
        # Dispatch asks for room in one clock and fills it in the next.
        filled = Signal()
        m.d.sync += filled.eq(self.offer)
        m.d.comb += Assume(~(filled & self.offer))
        m.d.sync += [
            came.eq(came + (self.offer & dut.enqueue.ready)),
            left.eq(left + (dut.output.valid & self.take)),
        ]
        waits = Signal(range(8))
        with m.If(dut.output.valid | (came == left)):
            m.d.sync += waits.eq(0)
        with m.Else():
            m.d.sync += waits.eq(Mux(waits == 7, 7, waits + 1))
        stalled = Signal()
        m.d.sync += stalled.eq(dut.output.valid & ~self.take)
        m.d.comb += [
            Assert(~dut.output.valid | (came != left)),
            Assert(~dut.output.valid | (dut.output.payload.head == left)),
            Assert(~stalled | dut.output.valid),
            Assert(dut.enqueue.ready),  # 16 and one find room
            Assert(waits <= self.patience),
            Cover((left == 3) & stalled),
        ]
        return m


@pytest.mark.parametrize(
    "port", [pytest.param(0, id="access"), pytest.param(1, id="fabric", marks=pytest.mark.long)]
)
def test_queue(port):
    prove(QueueContract(port), depth=DEPTH)
    prove(QueueContract(port), depth=DEPTH, mode="cover")


def test_a_false_contract_is_refused():
    with pytest.raises(ProofError, match="Assert failed"):
        prove(QueueContract(0, patience=1), depth=DEPTH)
