"""Where frames that go to many meet their tenant's limit."""

from amaranth.hdl import Module, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out, connect, flipped

from ..headers import Drop
from ..hostport.format import Reason
from ..hostport.interest import Interest, Wish, at_port, wish
from ..lookup.verdict import Verdict
from ..params import Params
from ..tables.bus import TableBus
from ..traffic import is_counted
from .buckets import Buckets
from .limit import StormLimit, StormTicks

__all__ = ["StormControl"]

_UNDER_WAY = 4
"""Verdicts whose outcome is awaited."""


class StormControl(wiring.Component):
    """Between join and dispatch: a verdict that sends a frame of a VM to a list needs a token of the VM's tenant, and
    becomes a drop without one. The frame is whole and found good by then; one that is not costs no token.

    One verdict per two clocks, in order; latency 4 clocks, and more if its tenant's bucket is closed.

    Members
    -------
    input, output
        Verdicts.
    interest
        See :class:`.Interest`.
    limits, ticks
        Of :class:`Buckets`, by tenant index. Tenants with higher indices have no limit.
    busy
        A verdict or a sweep is inside.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "input": In(stream.Signature(Verdict(params))),
                "output": Out(stream.Signature(Verdict(params))),
                "interest": In(Interest(params)),
                "limits": In(TableBus(StormLimit, params.limited_tenants)),
                "ticks": In(StormTicks()),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        verdict, output = self.input.payload, self.output
        m.submodules.buckets = buckets = Buckets(params.limited_tenants)
        m.submodules.verdicts = verdicts = SyncFIFO(width=verdict.shape().size, depth=_UNDER_WAY)
        m.submodules.denials = denials = SyncFIFO(width=1, depth=_UNDER_WAY)
        connect(m, flipped(self.limits), buckets.limits)
        connect(m, flipped(self.ticks), buckets.ticks)

        m.d.comb += [
            buckets.take.valid.eq(self.input.valid & verdicts.w_rdy),
            buckets.take.payload.index.eq(verdict.tenant),
            buckets.take.payload.metered.eq(
                verdict.floods & is_counted(verdict.tenant, params.limited_tenants)
            ),
            verdicts.w_en.eq(self.input.valid & buckets.take.ready),
            verdicts.w_data.eq(verdict),
            self.input.ready.eq(verdicts.w_rdy & buckets.take.ready),
            denials.w_en.eq(buckets.outcome.valid),
            denials.w_data.eq(buckets.outcome.denied),
        ]
        with m.If(~output.valid | output.ready):
            m.d.comb += [verdicts.r_en.eq(denials.r_rdy), denials.r_en.eq(1)]
            m.d.sync += [output.valid.eq(denials.r_rdy), output.payload.eq(verdicts.r_data)]
            with m.If(denials.r_data):
                port = data.View(verdict.shape(), verdicts.r_data).port
                wished = data.View(Wish, wish(self.interest, Reason.STORM))
                m.d.sync += [
                    output.payload.drop.eq(Drop.STORM),
                    output.payload.ports.eq(0),
                    Value.cast(output.payload.wish).eq(at_port(self.interest, wished, port)),
                ]
                if params.tenant_counters:
                    m.d.sync += output.payload.from_vm.eq(0)
        m.d.comb += self.busy.eq(verdicts.r_rdy | output.valid | buckets.busy)
        return m
