"""What the host is to hear of learned addresses, and has not been told yet."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..params import Params
from ..slow_queue import SlowQueue
from ..tables.mac_entry import MacChange, MacEvent, MacKind
from .format import CHANGES, Time

__all__ = ["EventQueue", "QueuedEvent"]


class QueuedEvent(data.StructLayout):
    """A :class:`MacEvent` without what means nothing, and when it was."""

    def __init__(self, params: Params):
        super().__init__(
            {
                "change": MacChange,
                "tenant": params.tenant_bits,
                "mac": 48,
                "kind": MacKind,
                "port": 4,
                "id": 12,
                "time": Time,
            }
        )


class EventQueue(wiring.Component):
    """15 events in LUT RAM. An event is at the output two clocks after it happened.

    Learning takes longer than telling: it fills only while the ring has no room, or frames are being copied.

    Members
    -------
    event
        Of the MAC table, which never waits.
    changes
        One bit per :class:`MacChange`: the host wants to hear of it. That of ``NONE`` means nothing.
    time
        The present.
    output
        Stream of :class:`QueuedEvent`.
    lost
        Strobe: an event that the host wants to hear of found the queue full.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "event": In(MacEvent(params)),
                "changes": In(CHANGES),
                "time": In(Time),
                "output": Out(stream.Signature(QueuedEvent(params))),
                "lost": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        event = self.event
        m.submodules.queue = queue = SlowQueue(QueuedEvent(self.params))
        entry = queue.input.payload
        wanted = Signal()
        m.d.comb += [
            wanted.eq((event.change != MacChange.NONE) & self.changes.bit_select(event.change, 1)),
            *(entry[name].eq(event[name]) for name in ("change", "tenant", "mac")),
            *(entry[name].eq(event.entry[name]) for name in ("kind", "port", "id")),
            entry.time.eq(self.time),
            queue.input.valid.eq(wanted),
            self.lost.eq(wanted & ~queue.input.ready),
        ]
        connect(m, queue.output, flipped(self.output))
        return m
