"""Proof of the round-robin choice and of the stream arbiter."""

import pytest
from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal
from amaranth.lib.wiring import Component, In
from opentep.gateware.arbiter import RoundRobin, StreamArbiter
from opentep.sim.formal import ProofError, prove


class RoundRobinContract(Component):
    """Grants are one-hot and only to requesters; one that keeps asking is served within ``count`` grants."""

    def __init__(self, count, patience=None):
        self.count = count
        self.patience = count - 1 if patience is None else patience
        super().__init__({"requests": In(count), "accept": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = RoundRobin(self.count)
        requests, accept = self.requests, self.accept
        m.d.comb += [dut.requests.eq(requests), dut.accept.eq(accept)]
        m.d.comb += [
            Assert((dut.grant & (dut.grant - 1)) == 0),
            Assert((dut.grant & ~requests) == 0),
            Assert(dut.valid == requests.any()),
            Assert(dut.valid == dut.grant.any()),
            Assert(~dut.valid | (dut.grant == (1 << dut.index))),
        ]
        for number in range(self.count):
            passed_over = Signal(range(self.count + 2), name=f"passed_over{number}")
            with m.If(~requests[number]):
                m.d.sync += passed_over.eq(0)
            with m.Elif(accept):
                m.d.sync += passed_over.eq(Mux(dut.grant[number], 0, passed_over + 1))
            m.d.comb += Assert(passed_over <= self.patience)
            m.d.comb += Cover(dut.grant[number] & (passed_over == self.count - 1))
        return m


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_round_robin(count):
    prove(RoundRobinContract(count), depth=count + 3)


def test_round_robin_covers():
    prove(RoundRobinContract(4), depth=7, mode="cover")


def test_a_false_contract_is_refused():
    with pytest.raises(ProofError, match="Assert failed"):
        prove(RoundRobinContract(3, patience=1), depth=5)


@pytest.mark.parametrize("arguments", [{"depth": 0}, {"depth": 3, "mode": "guess"}])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="must be"):
        prove(None, **arguments)


class StreamContract(Component):
    """The output obeys the stream rules, and everything that enters leaves, once and unchanged.

    Follows one input of the solver's choice: its transfers carry a running number, everybody else's anything.
    """

    def __init__(self, count, registered):
        self.count = count
        self.registered = registered
        super().__init__(
            {
                "valid": In(1).array(count),
                "payload": In(2).array(count),
                "ready": In(1),
                "follow": In(range(count)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = StreamArbiter(2, self.count, registered=self.registered)
        started = Signal()
        m.d.sync += started.eq(1)
        taken = Signal(4)
        left = Signal(4)
        follow = self.follow
        followed = Signal.like(follow)
        m.d.sync += followed.eq(follow)
        m.d.comb += [Assume(~started | (follow == followed)), Assume(follow < self.count)]
        for number, channel in enumerate(dut.inputs):
            valid, payload = self.valid[number], self.payload[number]
            m.d.comb += [channel.valid.eq(valid), channel.payload.eq(payload)]
            was = Signal(3, name=f"was{number}")
            m.d.sync += was.eq(Cat(valid & ~channel.ready, payload))
            with m.If(started & was[0]):
                m.d.comb += Assume(valid & (payload == was[1:]))
            with m.If(follow == number):
                m.d.comb += Assume(payload == taken[:2])
                m.d.sync += taken.eq(taken + (valid & channel.ready))
        ready = self.ready
        m.d.comb += dut.output.ready.eq(ready)
        out = dut.output
        stalled = Signal(1 + len(out.payload.as_value()))
        m.d.sync += stalled.eq(Cat(out.valid & ~ready, out.payload.as_value()))
        with m.If(started & stalled[0]):
            m.d.comb += Assert(out.valid & (out.payload.as_value() == stalled[1:]))
        with m.If(out.valid & (out.payload.source == follow)):
            m.d.comb += Assert(out.payload.data == left[:2])
            m.d.sync += left.eq(left + ready)
        m.d.comb += Cover((left == 3) & stalled[0])
        in_flight = Signal(4)
        m.d.comb += [in_flight.eq(taken - left), Assert(in_flight <= self.registered)]
        return m


@pytest.mark.parametrize("registered", [False, True])
def test_stream_arbiter(registered):
    prove(StreamContract(2, registered), depth=8)
    prove(StreamContract(2, registered), depth=8, mode="cover")
