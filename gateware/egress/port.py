"""Everything of one egress port."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..buffer import Buffer
from ..headers import Descriptor
from ..hostport.interest import Interest
from ..memory.ports import ReadPort
from ..packet import PacketSignature, Word
from ..params import Params
from ..retag import Retag
from ..tables.bus import TableBus, WordBus
from ..traffic import Traffic
from .editor import Editor
from .excess import Excess, ExcessFrame
from .merge import Merge
from .queue import Queue
from .replicator import Replicator
from .share import Share
from .tables import ListHead, ListMember, OuterHeader, TepMode
from .tally import Tally
from .twin import Twin

__all__ = ["SENT_BITS", "EgressPort", "Sent"]

SENT_BITS = 15
"""For the octets of a frame: an IPv6 packet as long as ``mtu`` can say, behind an Ethernet header."""


def Sent() -> wiring.Signature:
    """Strobe per frame sent, with its octets (without FCS and wire padding)."""
    return wiring.Signature({"valid": Out(1), "octets": Out(SENT_BITS)})


class EgressPort(wiring.Component):
    """Descriptors in, edited frames out, references released.

    ``port`` is the number of the port; its role follows from ``params``. Only the edits of the role are
    built: RETAG and DECAP on access ports, ENCAP, ECHO_REPLY and ADVERT on fabric ports. A descriptor that
    is a list always means one of its members' targets: a tag to push on access ports, a TEP to send to on
    fabric ports.

    The first word of a frame is out 8 clocks after its descriptor was accepted by an idle access port and 9 after one
    of a fabric port with a 32- or 64-bit datapath (one more with wider ones), if memory grants reads at once. A frame
    takes as many clocks as it has words, and at most 3 more, 5 if its destination is restored; answers, which are rare
    and put together from small pieces, about 12 more.

    Members
    -------
    enqueue : In(stream of Descriptor)
        ``ready`` low means full.
    free, room : In(cells), Out(1)
        Free cells of packet memory, and whether the port may fill more of them (see :class:`.share.Share`).
    read : Out(ReadPort)
    release : Out(stream of cell index)
        Exactly one per descriptor, after the response to its last read, unless the host gets its reference.
    inject : In(PacketSignature)
        Frames to send as they are, between the others.
    output : Out(PacketSignature)
        Edited and injected frames, never ``error``.
    sent : Out(Sent())
    sent_to : Out(stream of Traffic), if the core has such counters
        The frames sent to remote TEPs (fabric ports) or to tenants (access ports), when they begin.
    heads, members : In(TableBus)
        Replica lists of this port (see :mod:`.tables`).
    outer : In(WordBus(OuterHeader)), fabric ports only
        Outer header per remote TEP.
    modes : In(TableBus), fabric ports only
        How frames are sent to each remote TEP.
    retag : In(Retag), access ports only
        The VM that has two VLAN IDs.
    mac, mtu, address : In, fabric ports only
        The port's own MAC and IPv6 address, and the largest IPv6 packet in octets.
    too_big : Out(1), fabric ports only
        Strobe: a frame to a list exceeds ``mtu`` with the encapsulation of some members, and was not sent to them.
    interest, interval, excess, excess_lost
        Such frames for the host, as ``frame`` and ``lost`` (see :class:`.excess.Excess`), fabric ports only.
    """

    def __init__(self, params: Params, port: int):
        if not 0 <= port < params.ports:
            raise ValueError(f"port must be from 0 to {params.ports - 1}, not {port}")
        self.params = params
        self.port = port
        self.fabric = params.is_fabric(port)
        self.counts = params.tep_counters if self.fabric else params.tenant_counters
        members = {
            "enqueue": In(stream.Signature(Descriptor(params))),
            "read": Out(ReadPort(params)),
            "release": Out(stream.Signature(params.cell_bits)),
            "free": In(range(params.cells + 1)),
            "room": Out(1),
            "inject": In(PacketSignature(params.width)),
            "output": Out(PacketSignature(params.width)),
            "sent": Out(Sent()),
            "heads": In(TableBus(ListHead(params), params.lists)),
            "members": In(TableBus(ListMember, params.members)),
        }
        if self.fabric:
            members |= {
                "outer": In(WordBus(OuterHeader, params.teps)),
                "modes": In(TableBus(TepMode, params.teps)),
                "mac": In(48),
                "address": In(128),
                "mtu": In(14),
                "too_big": Out(1),
                "interest": In(Interest(params)),
                "interval": In(16),
                "excess": Out(stream.Signature(ExcessFrame(params))),
                "excess_lost": Out(1),
            }
        else:
            members["retag"] = In(Retag)
        if self.counts:
            members["sent_to"] = Out(stream.Signature(Traffic(self.counts)))
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = Queue(self.params, self.port)
        m.submodules.replicator = replicator = Replicator(self.params, self.port)
        m.submodules.editor = editor = Editor(self.params, self.port)
        m.submodules.share = share = Share(self.params)
        m.submodules.merge = merge = Merge(self.params.width)
        m.submodules.buffer = buffer = Buffer(Word(self.params.width))
        wiring.connect(m, wiring.flipped(self.enqueue), queue.enqueue)
        wiring.connect(m, queue.output, replicator.entry)
        jobs = replicator.job
        if not self.fabric:
            m.submodules.twin = twin = Twin(self.params, self.port)
            m.d.comb += [replicator.retag.eq(self.retag), twin.retag.eq(self.retag)]
            wiring.connect(m, jobs, twin.input)
            jobs = twin.output
        if self.counts:
            m.submodules.tally = tally = Tally(self.params, self.port)
            wiring.connect(m, jobs, tally.job)
            wiring.connect(m, tally.sent, wiring.flipped(self.sent_to))
            jobs = tally.output
        wiring.connect(m, jobs, editor.job)
        wiring.connect(m, editor.read, wiring.flipped(self.read))
        wiring.connect(m, editor.output, merge.main)
        wiring.connect(m, wiring.flipped(self.inject), merge.inject)
        wiring.connect(m, merge.output, buffer.input)
        wiring.connect(m, buffer.output, wiring.flipped(self.output))
        wiring.connect(m, wiring.flipped(self.heads), replicator.heads)
        wiring.connect(m, wiring.flipped(self.members), replicator.members)
        m.d.comb += [
            share.comes.eq(self.enqueue.valid & self.enqueue.ready),
            share.comes_end.eq(self.enqueue.payload.end),
            share.goes.eq(queue.output.valid & queue.output.ready),
            share.goes_end.eq(queue.output.payload.end),
            share.free.eq(self.free),
            self.room.eq(share.room),
        ]
        if self.fabric:
            wiring.connect(m, wiring.flipped(self.outer), editor.outer)
            wiring.connect(m, wiring.flipped(self.modes), replicator.modes)
            m.d.comb += [
                editor.mac.eq(self.mac),
                editor.address.eq(self.address),
                replicator.mtu.eq(self.mtu),
                self.too_big.eq(replicator.too_big),
            ]
            self._offer_excess(m, replicator, editor)
        else:
            m.d.comb += [
                self.release.valid.eq(editor.release.valid),
                self.release.payload.eq(editor.release.payload.head),
                editor.release.ready.eq(self.release.ready),
            ]

        octets = Signal(SENT_BITS)
        word = self.output.payload
        m.d.sync += self.sent.valid.eq(0)
        with m.If(self.output.valid & self.output.ready):
            m.d.sync += [
                octets.eq(octets + self.params.word_bytes),
                self.sent.octets.eq(octets + word.count),
            ]
            with m.If(word.last):
                m.d.sync += [octets.eq(0), self.sent.valid.eq(1)]
        return m

    def _offer_excess(self, m: Module, replicator: Replicator, editor: Editor) -> None:
        """The way of references that the editor gives up past those that the host wants."""
        m.submodules.excess = excess = Excess(self.params)
        entry = replicator.entry.payload
        wiring.connect(m, editor.release, excess.released)
        wiring.connect(m, excess.release, wiring.flipped(self.release))
        wiring.connect(m, excess.frame, wiring.flipped(self.excess))
        m.d.comb += [
            excess.too_big.eq(replicator.too_big),
            excess.kept.eq(replicator.job.payload.keep),
            excess.length.eq(entry.end),
            excess.port.eq(entry.port),
            replicator.keep.eq(excess.keep),
            excess.interest.eq(self.interest),
            excess.interval.eq(self.interval),
            self.excess_lost.eq(excess.lost),
        ]
