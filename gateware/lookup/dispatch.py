"""From a verdict to the egress queues."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..headers import Descriptor, Drop
from ..memory.ports import Commit
from ..params import Params
from ..traffic import Traffic, is_counted
from .verdict import Verdict

__all__ = ["Dispatch", "Dropped", "Offer"]


class Dropped(data.StructLayout):
    """Event: a frame that came in on ``port`` was dropped for ``drop`` (NONE: no event)."""

    def __init__(self, params: Params):
        super().__init__({"port": range(max(2, params.ports)), "drop": Drop})


def Offer(params: Params) -> wiring.Signature:
    """Every verdict, to one that may want the frame on top of what the verdict says.

    ``verdict``          on offer for two clocks or more, up to the one with ``leaves``.
    ``wanted``, ``ready``  whether the frame goes there, too, if there is room; what ``ready`` tells in the first clock
                         of an offer still holds in the last.
    ``goes``             with ``leaves``: a reference to the frame goes there.
    """
    return wiring.Signature(
        {"verdict": Out(Verdict(params)), "wanted": In(1), "ready": In(1), "leaves": Out(1), "goes": Out(1)}
    )


class Dispatch(wiring.Component):
    """Puts one descriptor into each egress queue that a verdict names, one reference to the host if it wants the
    frame, dropped or not, and sets the frame's reference count.

    One verdict per two clocks: in the first the queues are asked for room, in the second, if memory takes the
    count, the descriptors go. As nobody else fills the queues, they still have the room. A full queue, or a port
    that fills its ``share`` of packet memory, loses its copy, which is counted (``queue_full``), and never delays the
    other ports. Count and descriptors leave
    together, so that no port can release a frame before its count is set. ``dropped`` comes
    one clock later, ``queue_full`` two.

    Frames that were taken are told to the counters, by the remote TEP they came from (``from_teps``) or by the tenant
    of the VM (``from_tenants``), if the core has any. The next verdict waits for the counters to take it.
    """

    def __init__(self, params: Params):
        self.params = params
        members = {
            "input": In(stream.Signature(Verdict(params))),
            "commit": Out(stream.Signature(Commit(params))),
            "enqueue": Out(stream.Signature(Descriptor(params))).array(params.ports),
            "share": In(params.ports),
            "host": Out(Offer(params)),
            "dropped": Out(Dropped(params)),
            "queue_full": Out(params.readers),
        }
        if params.tep_counters:
            members["from_teps"] = Out(stream.Signature(Traffic(params.tep_counters)))
        if params.tenant_counters:
            members["from_tenants"] = Out(stream.Signature(Traffic(params.tenant_counters)))
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        params = self.params
        verdict = self.input.payload
        asked = Signal()
        fire = Signal()
        wanted = Signal(params.readers)
        room = Signal(params.readers)
        goes = Signal(params.readers)
        lost = Signal(params.readers)
        fired = Signal()
        uncounted = Signal()  # the frame before still waits for its counters
        m.d.comb += [
            wanted.eq(Cat(verdict.ports, self.host.wanted)),
            room.eq(Cat(Cat(queue.ready for queue in self.enqueue) & self.share, self.host.ready)),
            self.host.verdict.eq(verdict),
            self.host.leaves.eq(fire),
            self.host.goes.eq(goes[-1]),
            self.commit.payload.head.eq(verdict.descriptor.head),
            self.commit.valid.eq(asked & ~uncounted),
            fire.eq(self.commit.valid & self.commit.ready),
            self.input.ready.eq(fire),
        ]
        m.d.sync += [
            self.dropped.drop.eq(Mux(fire, verdict.drop, Drop.NONE)),
            self.dropped.port.eq(verdict.port),
            fired.eq(fire),
            self.queue_full.eq(Mux(fired, lost, 0)),
        ]
        with m.If(fire):
            m.d.sync += asked.eq(0)
        with m.Elif(~asked):
            m.d.sync += [
                asked.eq(self.input.valid),
                goes.eq(wanted & room),
                lost.eq(wanted & ~room),
                self.commit.payload.references.eq(
                    sum(wanted[index] & room[index] for index in range(params.readers))
                ),
            ]
        untold = []
        if params.tep_counters:
            taken = fire & verdict.from_tep
            untold.append(self._tell(m, self.from_teps, taken, verdict.tep, verdict.length))
        if params.tenant_counters:
            taken = fire & verdict.from_vm
            untold.append(self._tell(m, self.from_tenants, taken, verdict.tenant, verdict.length))
        m.d.comb += uncounted.eq(Cat(untold).any())
        for index, queue in enumerate(self.enqueue):
            m.d.comb += [
                queue.valid.eq(fire & goes[index]),
                queue.payload.eq(verdict.descriptor),
                queue.payload.port.eq(verdict.port),
                queue.payload.exclude.eq(verdict.exclude & (verdict.port == index)),
            ]
        return m

    @staticmethod
    def _tell(m: Module, counters, taken: Value, index: Value, length: Value) -> Value:
        """Tell the ``counters`` of a frame of ``length`` octets that was ``taken`` from ``index``; whether they have
        not heard of the one before."""
        traffic = counters.payload
        with m.If(counters.ready):
            m.d.sync += counters.valid.eq(0)
        with m.If(taken):
            m.d.sync += [
                counters.valid.eq(is_counted(index, traffic.shape().parties)),
                traffic.index.eq(index),
                traffic.octets.eq(length),
            ]
        return counters.valid
