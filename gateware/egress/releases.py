"""Giving up references to frames that have been sent."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from ..params import Params

__all__ = ["Held", "Releases"]

_DEPTH = 16
"""ECP5's distributed RAM is 16 deep; fewer would cost the same."""


class Held(data.StructLayout):
    """What a job holds: the reference to ``head`` goes with its end if ``release``."""

    def __init__(self, params: Params):
        super().__init__({"head": params.cell_bits, "release": 1})


class Releases(wiring.Component):
    """Remembers what accepted jobs hold until they are done, and then releases it in order.

    ``job``      a job was accepted. ``ready`` stays high until one is.
    ``done``     strobe: the oldest job that is not done is.
    ``release``  one reference to give up.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "job": In(stream.Signature(Held(params))),
                "done": In(1),
                "release": Out(stream.Signature(params.cell_bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.jobs = jobs = SyncFIFO(width=Held(self.params).size, depth=_DEPTH)
        held = data.View(Held(self.params), jobs.r_data)
        due = Signal(range(_DEPTH + 1))  # jobs done but still here
        any_due = Signal()
        m.d.comb += [
            self.job.ready.eq(jobs.w_rdy),
            jobs.w_en.eq(self.job.valid),
            jobs.w_data.eq(self.job.payload),
            self.release.valid.eq(any_due & held.release),
            self.release.payload.eq(held.head),
            jobs.r_en.eq(any_due & (self.release.ready | ~held.release)),
        ]
        with m.If(self.done & ~jobs.r_en):
            m.d.sync += [due.eq(due + 1), any_due.eq(1)]
        with m.Elif(jobs.r_en & ~self.done):
            m.d.sync += [due.eq(due - 1), any_due.eq(due != 1)]
        return m
