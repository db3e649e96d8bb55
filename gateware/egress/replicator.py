"""From queue entries to one job per frame."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..headers import IPV6_BYTES, TAG_BYTES
from ..params import Params
from ..tables.bus import TableBus
from .entry import Entry, Job
from .lists import ListTable
from .program import AccessProgram, FabricProgram, program_type
from .tables import ListHead, ListMember

__all__ = ["Replicator"]


class Replicator(wiring.Component):
    """Turns a list entry into one job per member and a last one that only releases; passes others through.

    Passing through is combinational. The first replica of a list stands 7 clocks after its entry, the next ones 4
    clocks after the one before was taken, which is hidden behind the editing of the frames; each a clock later
    if the host accesses the table just then.

    The entry's reference is released by the job for a plain entry, and by a job NOTHING behind all replicas
    of a list. On access ports the member equal to ``exclude_vid`` is left out if the entry says so. On
    fabric ports a frame that would exceed ``mtu`` octets with its IPv6 header has no replicas; ``too_big``
    strobes for it if the list has members.

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
            members |= {"mtu": In(14), "too_big": Out(1)}
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
        m.d.comb += wanted.eq(Mux(replica, target, entry.target))
        self._fill_in(m, wanted)

        dropped = self._too_long(m) if self.fabric else Const(0)
        member = members.data
        left_out = Signal()

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
                if self.fabric:
                    m.d.comb += self.too_big.eq(heads.data.valid & dropped)
                with m.If(heads.data.valid & ~dropped):
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
                if not self.fabric:
                    sender = entry.detail.sender
                    detailed = (entry.program == AccessProgram.IPV4) | (entry.program == AccessProgram.IPV6)
                    m.d.sync += left_out.eq(
                        sender.exclude & (member.target == sender.exclude_vid) & ~detailed
                    )
                m.next = "REPLICA"
            with m.State("REPLICA"):
                m.d.comb += [replica.eq(1), self.job.valid.eq(~left_out)]
                with m.If(left_out | self.job.ready):
                    with m.If(last):
                        m.next = "RELEASE"
                    with m.Else():
                        m.next = "READ"
            with m.State("RELEASE"):
                m.d.comb += [self.job.valid.eq(1), job.program.eq(nothing), job.release.eq(1)]
                with m.If(self.job.ready):
                    m.d.comb += self.entry.ready.eq(1)
                    m.next = "ENTRY"
        return m

    def _fill_in(self, m: Module, target):
        """What differs from port to port."""
        entry = self.entry.payload
        job = self.job.payload
        if self.fabric:
            m.d.comb += [
                job.tep.eq(target),
                job.traffic_class.eq(entry.traffic_class),
                job.flow.eq(entry.flow),
            ]
        else:
            m.d.comb += [
                job.tag.eq(Cat(target, entry.pcp_dei)),
                job.octet.eq(entry.detail.packet.octet),
                job.checksum.eq(entry.detail.packet.checksum),
            ]

    def _too_long(self, m: Module) -> Signal:
        """Whether the entry's frame exceeds the MTU when encapsulated; known when the list's head is."""
        entry = self.entry.payload
        result = Signal()
        stored = Signal(14)
        limit = Signal(signed(16))
        tagged = entry.program == FabricProgram.ENCAP_TAGGED
        m.d.sync += [
            stored.eq(entry.end - entry.start),
            limit.eq(self.mtu - Mux(tagged, IPV6_BYTES - TAG_BYTES, IPV6_BYTES)),
            result.eq(stored > limit),
        ]
        return result
