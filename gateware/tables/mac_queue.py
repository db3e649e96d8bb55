"""Sources that wait to be learned."""

from amaranth.hdl import Module, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..params import Params
from ..slow_queue import SlowQueue
from .mac_entry import MacLearn

__all__ = ["LearnQueue"]


class LearnQueue(wiring.Component):
    """A :class:`SlowQueue` of sources. ``static`` and ``age`` of the entries are 0 at the output."""

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "input": In(stream.Signature(MacLearn(params))),
                "output": Out(stream.Signature(MacLearn(params))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        # The fields of the entry that learning brings are its highest bits.
        start = MacLearn(self.params)["entry"].offset
        ignored = 3
        given, taken = Value.cast(self.input.payload), Value.cast(self.output.payload)
        m.submodules.queue = queue = SlowQueue(len(given) - ignored)
        m.d.comb += [
            queue.input.payload[:start].eq(given[:start]),
            queue.input.payload[start:].eq(given[start + ignored :]),
            queue.input.valid.eq(self.input.valid),
            self.input.ready.eq(queue.input.ready),
            taken[:start].eq(queue.output.payload[:start]),
            taken[start + ignored :].eq(queue.output.payload[start:]),
            self.output.valid.eq(queue.output.valid),
            queue.output.ready.eq(self.output.ready),
        ]
        return m
