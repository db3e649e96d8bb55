"""Everything of the host's port."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out, connect, flipped

from ..arbiter import StreamArbiter
from ..egress.excess import ExcessFrame
from ..lookup.dispatch import Offer
from ..memory.ports import ReadPort
from ..packet import PacketSignature
from ..params import Params
from ..tables.bus import TableBus
from ..tables.mac_entry import MacEvent
from .copier import Copier, Punted
from .event_queue import EventQueue
from .format import CHANGES, InjectCommand, Reason, RingPointer, Time
from .injector import Injector
from .mailbox import Mailbox
from .selection import Selection

__all__ = ["HostPort"]

_WAITING = 2
"""Frames between verdict and copier. They take up packet memory that other frames may need, so there are few."""


class HostPort(wiring.Component):
    """Egress of punted frames and events, and ingress of injected frames, at the pace of a slow host that nobody waits
    for.

    The frame is not edited, so that all an egress port is made of would be waste: a word at a time is copied to a
    ring of its own, after which packet memory has it back. An injected frame goes straight to its port's output.

    Members
    -------
    offer
        From dispatch: every verdict, and whether it is wanted here.
    excess
        From the fabric ports: frames that were too big for some receivers.
    read, release
        As an egress port has them.
    inject
        Frames of the host, per port.
    mailbox
        The host's access to frames.
    interval
        See :class:`.selection.Selection`.
    event, changes, event_lost
        See :class:`.event_queue.EventQueue`.
    snap, consumed, produced
        See :class:`.copier.Copier`.
    command, done
        See :class:`.injector.Injector`.
    second
        Strobe once per second.
    time
        The present.
    punted, lost
        Strobes: a frame is in the ring; or the ring was full.
    busy
        An injected frame or an event is on its way. (Punted frames occupy packet memory.)
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "offer": In(Offer(params)),
                "excess": In(stream.Signature(ExcessFrame(params))).array(params.fabric_ports),
                "read": Out(ReadPort(params)),
                "release": Out(stream.Signature(params.cell_bits)),
                "inject": Out(PacketSignature(params.width)).array(params.ports),
                "mailbox": In(TableBus(unsigned(params.width), params.mailbox_rows)),
                "interval": In(16),
                "event": In(MacEvent(params)),
                "changes": In(CHANGES),
                "event_lost": Out(1),
                "snap": In(14),
                "consumed": In(RingPointer(params)),
                "produced": Out(RingPointer(params)),
                "command": In(InjectCommand),
                "done": Out(8),
                "second": In(1),
                "time": Out(Time),
                "punted": Out(1),
                "lost": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        offer = self.offer
        layout = Punted(params)
        m.submodules.selection = selection = Selection(params)
        m.submodules.waiting = waiting = SyncFIFO(width=layout.size, depth=_WAITING)
        m.submodules.events = events = EventQueue(params)
        m.submodules.copier = copier = Copier(params)
        m.submodules.mailbox = mailbox = Mailbox(params)
        m.submodules.injector = injector = Injector(params)

        entry = Signal(layout)
        goes = offer.leaves & offer.goes
        m.submodules.excess = excess = StreamArbiter(
            ExcessFrame(params), params.fabric_ports, registered=params.fabric_ports > 1
        )
        for mine, merged in zip(self.excess, excess.inputs, strict=True):
            connect(m, flipped(mine), merged)
        m.d.comb += [
            selection.verdict.eq(offer.verdict),
            selection.leaves.eq(offer.leaves),
            offer.wanted.eq(selection.wanted),
            offer.ready.eq(waiting.w_rdy),
            entry.head.eq(offer.verdict.descriptor.head),
            entry.length.eq(offer.verdict.length),
            entry.port.eq(offer.verdict.port),
            entry.reason.eq(selection.reason),
            entry.is_sample.eq(selection.is_sample),
            entry.time.eq(self.time),
            # Behind nobody: a verdict that was told of room still finds it.
            excess.output.ready.eq(~goes & (waiting.w_level == 0)),
            waiting.w_data.eq(entry),
            waiting.w_en.eq(goes | (excess.output.valid & excess.output.ready)),
            copier.frames.payload.eq(data.View(layout, waiting.r_data)),
            copier.frames.valid.eq(waiting.r_rdy),
            waiting.r_en.eq(copier.frames.ready),
            selection.interval.eq(self.interval),
            events.event.eq(self.event),
            events.changes.eq(self.changes),
            events.time.eq(self.time),
            self.event_lost.eq(events.lost),
            copier.snap.eq(self.snap),
            copier.listening.eq(self.changes.any()),
            copier.consumed.eq(self.consumed),
            self.produced.eq(copier.produced),
            injector.command.eq(self.command),
            self.done.eq(injector.done),
            self.punted.eq(copier.punted),
            self.lost.eq(copier.lost),
            self.busy.eq(injector.busy | copier.busy),
        ]
        excess_frame = excess.output.payload.data
        with m.If(~goes):
            m.d.comb += [
                *(entry[name].eq(excess_frame[name]) for name in excess_frame.shape().members),
                entry.reason.eq(Reason.TOO_BIG),
            ]
        connect(m, events.output, copier.events)
        connect(m, copier.read, flipped(self.read))
        connect(m, copier.release, flipped(self.release))
        connect(m, copier.write, mailbox.write)
        connect(m, injector.read, mailbox.read)
        connect(m, flipped(self.mailbox), mailbox.bus)
        for mine, output in zip(self.inject, injector.output, strict=True):
            connect(m, output, flipped(mine))

        m.d.sync += self.time.clocks.eq(self.time.clocks + 1)
        with m.If(self.second):
            m.d.sync += [self.time.clocks.eq(0), self.time.seconds.eq(self.time.seconds + 1)]
        return m
