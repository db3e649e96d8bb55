"""The way around the outputs that requests take."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from ..lookup.verdict import Verdict
from ..params import Params

__all__ = ["Detour"]

_WAITING = 4
"""Requests on the detour, the one in work included. They take up packet memory that other frames may need."""


class Detour(wiring.Component):
    """Passes verdicts on, one clock later, one per clock. Those on requests that may be answered take the way through
    the responder, if there is room: then other frames of their sender overtake them. If there is none they go on like
    all others, and will be flooded.

    Members
    -------
    input, output
        Streams of verdicts.
    request, outcome
        To the responder, and back.
    overrun
        Strobe: no room.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "input": In(stream.Signature(Verdict(params))),
                "output": Out(stream.Signature(Verdict(params))),
                "request": Out(stream.Signature(Verdict(params))),
                "outcome": In(stream.Signature(Verdict(params))),
                "overrun": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layout = Verdict(self.params)
        verdict = self.input.payload
        m.submodules.waiting = waiting = SyncFIFO(width=layout.size, depth=_WAITING)
        turns_off = Signal()
        free = Signal()
        m.d.comb += [
            turns_off.eq(verdict.asks & waiting.w_rdy),
            free.eq(~self.output.valid | self.output.ready),
            # What comes back is rare, and goes first.
            self.outcome.ready.eq(free),
            self.input.ready.eq(turns_off | (free & ~self.outcome.valid)),
            waiting.w_data.eq(verdict),
            waiting.w_en.eq(self.input.valid & turns_off),
            self.request.payload.eq(data.View(layout, waiting.r_data)),
            self.request.valid.eq(waiting.r_rdy),
            waiting.r_en.eq(self.request.ready),
            self.overrun.eq(self.input.valid & self.input.ready & verdict.asks & ~turns_off),
        ]
        with m.If(free):
            m.d.sync += [
                self.output.valid.eq(self.outcome.valid | (self.input.valid & ~turns_off)),
                self.output.payload.eq(Mux(self.outcome.valid, self.outcome.payload, verdict)),
            ]
        return m
