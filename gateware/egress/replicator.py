"""From queue entries to one job per frame."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..headers import IPV6_BYTES, TAG_BYTES, Encapsulation
from ..params import Params
from ..tables.bus import TableBus
from .entry import Entry, Job
from .lists import ListTable
from .modes import ModeTable
from .program import AccessProgram, Encapsulating, program_type
from .tables import ListHead, ListMember, TepMode

__all__ = ["Replicator"]

_ECN_BITS = 2
"""Low bits of the traffic class, which are copied always (RFC 6040, 4.1)."""


class Replicator(wiring.Component):
    """Turns a list entry into one job per member and a last one that only releases; passes others through.

    Passing through is combinational. The first replica of a list stands 7 clocks after its entry, the next ones 4
    clocks after the one before was taken, which is hidden behind the editing of the frames; each a clock later
    if the host accesses the table just then.

    The entry's reference is released by the job for a plain entry, and by a job NOTHING behind all replicas
    of a list. On access ports the member equal to ``exclude_vid`` is left out if the entry says so. On
    fabric ports the member's entry in ``modes`` completes the program; one whose IPv6 packet would exceed ``mtu``
    octets is left out, and ``too_big`` strobes once for a frame with such members.

    A list without ``last`` ends at the end of the members table.
    """

    def __init__(self, params: Params, port: int):
        self.params = params
        self.port = port
        self.fabric = params.is_fabric(port)
        members = {
            "entry": In(stream.Signature(Entry(params, port))),
            "job": Out(stream.Signature(Job(params, port))),
            "heads": In(TableBus(ListHead(params), params.lists)),
            "members": In(TableBus(ListMember, params.members)),
        }
        if self.fabric:
            members |= {"modes": In(TableBus(TepMode, params.teps)), "mtu": In(14), "too_big": Out(1)}
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        params = self.params
        entry = self.entry.payload
        job = self.job.payload
        nothing = program_type(self.fabric).NOTHING

        m.submodules.heads = heads = ListTable(ListHead(params), params.lists, clear=True)
        m.submodules.members = members = ListTable(ListMember, params.members, clear=False)
        wiring.connect(m, wiring.flipped(self.heads), heads.bus)
        wiring.connect(m, wiring.flipped(self.members), members.bus)

        target = Signal(12)
        replica = Signal()
        last = Signal()
        index = Signal(range(params.members))
        m.d.comb += [
            heads.index.eq(entry.target),
            members.index.eq(index),
            *(job[name].eq(entry[name]) for name in ("head", "start", "end", "program")),
        ]
        wanted = Signal(12)
        left_out = Signal()
        m.d.comb += wanted.eq(Mux(replica, target, entry.target))
        if self.fabric:
            self._send_to_tep(m, wanted, left_out)
        else:
            self._send_to_vlan(m, wanted, target, left_out)
        cut = Signal()  # some member was left out
        member = members.data

        with m.FSM():
            with m.State("ENTRY"):
                m.d.comb += job.release.eq(1)
                with m.If(self.entry.valid & entry.is_list):
                    with m.If(heads.ready):
                        m.next = "HEAD-RAM"
                with m.Elif(self.entry.valid):
                    m.d.comb += [self.job.valid.eq(1), self.entry.ready.eq(self.job.ready)]
            with m.State("HEAD-RAM"):
                m.next = "HEAD"
            with m.State("HEAD"):
                m.d.sync += index.eq(heads.data.base)
                m.d.sync += cut.eq(0)
                with m.If(heads.data.valid):
                    m.next = "READ"
                with m.Else():
                    m.next = "RELEASE"
            with m.State("READ"):
                with m.If(members.ready):
                    m.next = "MEMBER-RAM"
            with m.State("MEMBER-RAM"):
                m.next = "MEMBER"
            with m.State("MEMBER"):
                m.d.sync += [
                    target.eq(member.target),
                    last.eq(member.last | (index == params.members - 1)),
                    index.eq(index + 1),
                ]
                m.next = "REPLICA"
            with m.State("REPLICA"):
                m.d.comb += [replica.eq(1), self.job.valid.eq(~left_out)]
                with m.If(left_out):
                    m.d.sync += cut.eq(1)
                with m.If(left_out | self.job.ready):
                    with m.If(last):
                        m.next = "RELEASE"
                    with m.Else():
                        m.next = "READ"
            with m.State("RELEASE"):
                m.d.comb += [self.job.valid.eq(1), job.program.eq(nothing), job.release.eq(1)]
                with m.If(self.job.ready):
                    m.d.comb += self.entry.ready.eq(1)
                    if self.fabric:
                        m.d.comb += self.too_big.eq(cut)
                    m.next = "ENTRY"
        return m

    def _send_to_vlan(self, m: Module, target: Signal, member: Signal, left_out: Signal) -> None:
        """Jobs of an access port to VLAN ID ``target``; ``left_out`` if the sender is ``member``."""
        entry, job = self.entry.payload, self.job.payload
        sender, packet = entry.detail.sender, entry.detail.packet
        has_packet = (entry.program == AccessProgram.IPV4) | (entry.program == AccessProgram.IPV6)
        m.d.comb += [
            left_out.eq(sender.exclude & (member == sender.exclude_vid) & ~has_packet),
            job.tag.eq(Cat(target, entry.pcp_dei)),
            job.octet.eq(packet.octet),
            job.checksum.eq(packet.checksum),
        ]

    def _send_to_tep(self, m: Module, target: Signal, left_out: Signal) -> None:
        """Jobs of a fabric port to TEP ``target``; ``left_out`` if the packet would be too long."""
        entry, job = self.entry.payload, self.job.payload
        m.submodules.modes = modes = ModeTable(self.params)
        wiring.connect(m, wiring.flipped(self.modes), modes.bus)
        mode = modes.mode

        # What the longest packet has left; known long before the first member.
        stored = Signal(14)
        limit = Signal(signed(16))
        left = Signal(signed(16))
        too_long = Signal(len(Encapsulation))
        program = data.View(Encapsulating, entry.program)
        m.d.sync += [
            stored.eq(entry.end - entry.start),
            limit.eq(self.mtu - Mux(program.tagged, IPV6_BYTES - TAG_BYTES, IPV6_BYTES)),
            left.eq(limit - stored),
            *(too_long[kind.value].eq(left < kind.overhead) for kind in Encapsulation),
        ]
        completed = data.View(Encapsulating, job.program)
        with m.If(program.encapsulates):
            m.d.comb += completed.encapsulation.eq(mode.encapsulation)
        m.d.comb += [
            modes.tep.eq(target),
            left_out.eq(too_long.bit_select(mode.encapsulation, 1)),
            job.tep.eq(target),
            job.traffic_class.eq(Mux(mode.dscp_fixed, entry.traffic_class[:_ECN_BITS], entry.traffic_class)),
            job.flow.eq(entry.flow),
            job.network.eq(entry.network),
            job.sid_function.eq(mode.sid_function),
        ]
