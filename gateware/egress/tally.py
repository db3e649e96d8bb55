"""Tells the counters of remote TEPs, or of tenants, what a port sends to them."""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..headers import OUTER_BYTES, TAG_BYTES, Encapsulation
from ..params import Params
from ..traffic import Traffic, is_counted
from .entry import Job
from .program import AccessProgram, Encapsulating

__all__ = ["Tally"]


class Tally(wiring.Component):
    """Lets the jobs of a port through, in the same clock, and tells the frames that they make.

    The answers of the TEP itself are nobody's, nor are parties without counters. A job waits as long as the frame
    before has not been told; which is never, as long as the counters take one within the clocks of a frame.

    Members
    -------
    job, output : In, Out(stream of Job)
    sent : Out(stream of Traffic)
        The frames, a clock after their jobs: by remote TEP on fabric ports, by tenant on access ports; octets are
        those that leave the port.
    """

    def __init__(self, params: Params, port: int):
        self.fabric = params.is_fabric(port)
        self.parties = params.tep_counters if self.fabric else params.tenant_counters
        super().__init__(
            {
                "job": In(stream.Signature(Job(params, port))),
                "output": Out(stream.Signature(Job(params, port))),
                "sent": Out(stream.Signature(Traffic(self.parties))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        job, sent = self.job.payload, self.sent
        m.d.comb += [
            self.output.payload.eq(job),
            self.output.valid.eq(self.job.valid & ~sent.valid),
            self.job.ready.eq(self.output.ready & ~sent.valid),
        ]
        if self.fabric:
            program = data.View(Encapsulating, job.program)
            party, sends = job.tep, program.encapsulates
            overheads = Array(OUTER_BYTES + kind.overhead for kind in Encapsulation)
            added = overheads[program.encapsulation] - Mux(program.tagged, TAG_BYTES, 0)
        else:
            party, sends = job.tenant, job.program != AccessProgram.NOTHING
            added = Mux(job.program == AccessProgram.TAGGED, 0, TAG_BYTES)
        stored = Signal(14)
        more = Signal(range(OUTER_BYTES + max(kind.overhead for kind in Encapsulation) + 1))
        m.d.comb += sent.payload.octets.eq(stored + more)
        with m.If(sent.ready):
            m.d.sync += sent.valid.eq(0)
        with m.If(self.job.valid & self.job.ready):
            m.d.sync += [
                sent.valid.eq(sends & is_counted(party, self.parties)),
                sent.payload.index.eq(party),
                stored.eq(job.end - job.start),
                more.eq(added),
            ]
        return m
