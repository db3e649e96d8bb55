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

    One verdict per two clocks: in the first the queues are asked for room, in the second, if memory takes the
    count, the descriptors go. As nobody else fills the queues, they still have the room. A full queue loses
    its copy, which is counted (``queue_full``), and never delays the other ports. Count and descriptors leave
    together, so that no port can release a frame before its count is set. ``dropped`` and ``queue_full`` come
    one clock later.
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
        asked = Signal()
        fire = Signal()
        room = Signal(params.ports)
        goes = Signal(params.ports)
        m.d.comb += [
            room.eq(Cat(queue.ready for queue in self.enqueue)),
            self.commit.valid.eq(asked),
            self.commit.payload.head.eq(verdict.descriptor.head),
            fire.eq(asked & self.commit.ready),
            self.input.ready.eq(fire),
        ]
        m.d.sync += [
            self.dropped.drop.eq(Mux(fire, verdict.drop, Drop.NONE)),
            self.dropped.port.eq(verdict.port),
            self.queue_full.eq(Mux(fire, verdict.ports & ~goes, 0)),
        ]
        with m.If(fire):
            m.d.sync += asked.eq(0)
        with m.Elif(~asked):
            m.d.sync += [
                asked.eq(self.input.valid),
                goes.eq(verdict.ports & room),
                self.commit.payload.references.eq(
                    sum(verdict.ports[index] & room[index] for index in range(params.ports))
                ),
            ]
        for index, queue in enumerate(self.enqueue):
            m.d.comb += [
                queue.valid.eq(fire & goes[index]),
                queue.payload.eq(verdict.descriptor),
                queue.payload.exclude.eq(verdict.exclude & (verdict.port == index)),
            ]
        return m
