"""From a verdict to the egress queues."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..headers import Descriptor, Drop
from ..memory.ports import Commit
from ..params import Params
from .verdict import Verdict

__all__ = ["Dispatch", "Dropped"]


class Dropped(data.StructLayout):
    """Event: a frame that came in on ``port`` was dropped for ``drop`` (NONE: no event)."""

    def __init__(self, params: Params):
        super().__init__({"port": range(max(2, params.ports)), "drop": Drop})


class Dispatch(wiring.Component):
    """Puts one descriptor into each egress queue that a verdict names, and sets the frame's reference count.

    One verdict per two clocks, latency 0. A full queue loses its copy, which is counted (``queue_full``), and
    never delays the other ports. Which queues have room is known from the clock before: as nobody else fills
    them, they still have it. Count and descriptors leave together, so that no port can release a frame before
    its count is set. ``dropped`` and ``queue_full`` come one clock later.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "input": In(stream.Signature(Verdict(params))),
                "commit": Out(stream.Signature(Commit(params))),
                "enqueue": Out(stream.Signature(Descriptor(params))).array(params.ports),
                "dropped": Out(Dropped(params)),
                "queue_full": Out(params.ports),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        verdict = self.input.payload
        room = Signal(params.ports)
        fresh = Signal()  # ``room`` was sampled after the last descriptor
        offered = Signal()
        fire = Signal()
        m.d.comb += [
            offered.eq(self.input.valid & fresh),
            fire.eq(offered & self.commit.ready),
            self.input.ready.eq(fresh & self.commit.ready),
            self.commit.valid.eq(offered),
            self.commit.payload.head.eq(verdict.descriptor.head),
            self.commit.payload.references.eq(sum(verdict.ports[i] & room[i] for i in range(params.ports))),
        ]
        m.d.sync += [
            fresh.eq(~fire),
            self.dropped.drop.eq(Mux(fire, verdict.drop, Drop.NONE)),
            self.dropped.port.eq(verdict.port),
            self.queue_full.eq(Mux(fire, verdict.ports & ~room, 0)),
        ]
        with m.If(~offered | self.commit.ready):  # the count on offer must not change
            m.d.sync += room.eq(Cat(queue.ready for queue in self.enqueue))
        for index, queue in enumerate(self.enqueue):
            m.d.comb += [
                queue.valid.eq(fire & verdict.ports[index] & room[index]),
                queue.payload.eq(verdict.descriptor),
                queue.payload.exclude.eq(verdict.exclude & (verdict.port == index)),
            ]
        return m
