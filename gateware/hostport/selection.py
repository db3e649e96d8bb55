"""Which frames the host gets."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..lookup.verdict import Verdict
from ..params import Params
from .format import Reason
from .sampler import Sampler

__all__ = ["Selection"]


class Selection(wiring.Component):
    """Tells of the verdict on offer whether the frame goes to the host, too. Combinational, with a counter.

    Members
    -------
    verdict
        Stays while it is on offer.
    leaves
        Strobe: ``verdict``, which has been on offer for a clock or more, is being carried out; the next one is there a
        clock later at the earliest.
    interval
        The host gets every ``interval``-th frame that may be a sample, as ``verdict.wish`` says (see
        :class:`.sampler.Sampler`).
    wanted, reason, is_sample
        The outcome. A frame that packet memory could not keep is never wanted.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "verdict": In(Verdict(params)),
                "leaves": In(1),
                "interval": In(16),
                "wanted": Out(1),
                "reason": Out(Reason),
                "is_sample": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        verdict = self.verdict
        always, sampled = verdict.wish.always, verdict.wish.sampled
        candidate = Signal()
        was_candidate = Signal()  # a clock ago, when the same verdict was on offer
        m.submodules.sampler = sampler = Sampler()
        m.d.comb += [
            Value.cast(self.reason).eq(Mux(verdict.discovery, Reason.DISCOVERY, verdict.drop)),
            candidate.eq(sampled & ~always & verdict.stored),
            self.wanted.eq(verdict.stored & (always | (sampled & sampler.due))),
            self.is_sample.eq(~always),
            sampler.interval.eq(self.interval),
            sampler.passes.eq(self.leaves & was_candidate),
        ]
        m.d.sync += was_candidate.eq(candidate)
        return m
