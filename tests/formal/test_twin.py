"""Proof that a VM with two VLAN IDs gets each frame once with both, and every other VM once with its own; and that
each job is released exactly once, whenever the host sets the pair and takes it away."""

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In
from opentep.gateware.egress.entry import Job
from opentep.gateware.egress.program import AccessProgram
from opentep.gateware.egress.twin import Twin
from opentep.gateware.params import Params
from opentep.gateware.retag import Retag
from opentep.sim.formal import ProofError, prove

PARAMS = Params(tenants=16, macs=64, teps=16, lists=16, members=16, packet_bytes=2048)
PORT = 0


class TwinContract(Component):
    """``once``: every job is sent once, which is wrong."""

    def __init__(self, once: bool = False):
        self.once = once
        super().__init__({"retag": In(Retag), "offer": In(1), "job": In(Job(PARAMS, PORT)), "take": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = Twin(PARAMS, PORT)
        got = dut.output.payload
        m.d.comb += [
            dut.retag.eq(self.retag),
            dut.input.valid.eq(self.offer),
            dut.input.payload.eq(self.job),
            dut.output.ready.eq(self.take),
        ]
        comes, goes = Signal(), Signal()
        m.d.comb += [comes.eq(self.offer & dut.input.ready), goes.eq(dut.output.valid & self.take)]

        # What is offered stays, on both sides.
        for statement, channel in ((Assume, dut.input), (Assert, dut.output)):
            offered, before = Signal(), Signal.like(channel.payload)
            m.d.sync += [offered.eq(channel.valid & ~channel.ready), before.eq(channel.payload)]
            same = Value.cast(channel.payload) == Value.cast(before)
            m.d.comb += statement(~offered | (channel.valid & same))

        # The pair that counts is that of the clock before the job came.
        new, before, kept, pair = Signal(init=1), Signal(Retag), Signal(Retag), Signal(Retag)
        m.d.sync += [new.eq(comes | ~self.offer), before.eq(self.retag), kept.eq(pair)]
        m.d.comb += Value.cast(pair).eq(Mux(new, Value.cast(before), Value.cast(kept)))
        vid = self.job.tag[:12]
        has_two = (
            (pair.one != pair.other)
            & ((vid == pair.one) | (vid == pair.other))
            & (self.job.program != AccessProgram.NOTHING)
        )
        sent = Signal()
        with m.If(goes):
            m.d.sync += sent.eq(~comes)
        last = ~has_two if self.once else ~has_two | sent
        other = Mux(vid == pair.one, pair.other, pair.one)
        m.d.comb += Assert(comes == (goes & last))
        with m.If(goes):
            m.d.comb += [
                Assert(self.offer),
                Assert(got.tag[:12] == Mux(sent, other, vid)),
                Assert(got.release == (self.job.release & last)),
            ]
            for name in Job(PARAMS, PORT).members:
                if name not in ("tag", "release"):
                    m.d.comb += Assert(Value.cast(got[name]) == Value.cast(self.job[name]))
            m.d.comb += Assert(got.tag[12:] == self.job.tag[12:])
        # Nothing waits for more than the one clock.
        waits = Signal(range(3))
        m.d.sync += waits.eq(Mux(self.offer & ~dut.output.valid, waits + 1, 0))
        m.d.comb += Assert(waits <= 1)
        m.d.comb += [Cover(comes & sent & self.job.release), Cover(comes & ~has_two)]
        return m


def test_twin():
    prove(TwinContract(), depth=12)
    prove(TwinContract(), depth=8, mode="cover")


def test_that_every_job_is_sent_once_is_refused():
    with pytest.raises(ProofError, match="Assert failed"):
        prove(TwinContract(once=True), depth=8)
