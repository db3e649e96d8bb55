"""Frames for a VM that has two VLAN IDs go out with both."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..params import Params
from ..retag import Retag, other_vid
from .entry import Job
from .program import AccessProgram

__all__ = ["Twin"]


class Twin(wiring.Component):
    """Jobs of access port ``port``; one with a VLAN ID of ``retag`` twice, the second time with the other VLAN ID.

    The second one releases what the job does. Without two VLAN IDs in ``retag`` jobs pass combinationally, else a
    clock late. A job is judged by what ``retag`` was when it was first offered.
    """

    def __init__(self, params: Params, port: int):
        if params.is_fabric(port):
            raise ValueError(f"port {port} is a fabric port, which pushes no tags")
        super().__init__(
            {
                "retag": In(Retag),
                "input": In(stream.Signature(Job(params, port))),
                "output": Out(stream.Signature(Job(params, port))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        job = self.input.payload
        vid = job.tag[:12]

        pair = Signal(Retag)  # stays while a job is on offer
        enabled = Signal()  # a VM has two
        with m.If(~self.input.valid | self.input.ready):
            m.d.sync += [pair.eq(self.retag), enabled.eq(self.retag.one != self.retag.other)]
        # What the job needs is there a clock later, in registers.
        waited = Signal()
        paired = Signal()
        other = Signal(12)
        m.d.sync += [
            waited.eq(self.input.valid & ~self.input.ready),
            paired.eq(((vid == pair.one) | (vid == pair.other)) & (job.program != AccessProgram.NOTHING)),
            other.eq(other_vid(pair, vid)),
        ]
        second = Signal()
        first = Signal()  # of two
        settled = Signal()
        m.d.comb += [
            settled.eq(~enabled | waited),
            first.eq(enabled & paired & ~second),
            self.output.valid.eq(self.input.valid & settled),
            self.output.payload.eq(job),
            self.output.payload.release.eq(job.release & ~first),
            self.input.ready.eq(self.output.ready & settled & ~first),
        ]
        with m.If(second):
            m.d.comb += self.output.payload.tag[:12].eq(other)
        with m.If(self.output.valid & self.output.ready):
            m.d.sync += second.eq(first)
        return m
