"""From queue entries to one job per frame."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..headers import IPV6_BYTES, TAG_BYTES, Encapsulation
from ..params import Params
from ..retag import Retag, other_vid
from ..tables.bus import TableBus, broadcast
from ..tables.lut import LutTable
from .entry import Entry, Job
from .program import Change, Delivering, Encapsulating, program_type
from .tables import ListHead, ListMember, TepMode
from .walk import MemberWalk

__all__ = ["Replicator"]

_ECN_BITS = 2
"""Low bits of the traffic class, which are copied always (RFC 6040, 4.1)."""


class Replicator(wiring.Component):
    """Turns a list entry into one job per member and a last one that only releases; makes one of any other.

    The job of a plain entry is there at once on access ports, a clock later on fabric ports. The first replica of a
    list stands 6 clocks after its entry on access ports and 8 on fabric ports, the next ones 3 or 5 clocks after
    the one before was taken, which is hidden behind the editing of the frames; each a clock later if the host
    accesses the table just then.

    The entry's reference is released by the job for a plain entry, and by a job NOTHING behind all replicas
    of a list. On access ports the member equal to ``exclude_vid``, or to the other VLAN ID that its VM has by
    ``retag``, is left out if the entry says so. On fabric ports the member's entry in ``modes``, which must not
    change while frames for that TEP are under way, completes the program; one whose IPv6 packet would exceed ``mtu``
    octets is left out, and ``too_big`` strobes once for a frame with such members, whose reference the host gets if
    ``keep`` says so when the last of them has passed.
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
            members |= {
                "modes": In(TableBus(TepMode, params.teps)),
                "mtu": In(14),
                "too_big": Out(1),
                "keep": In(1),
            }
        else:
            members["retag"] = In(Retag)
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        entry = self.entry.payload
        job = self.job.payload

        m.submodules.walk = walk = MemberWalk(self.params)
        wiring.connect(m, wiring.flipped(self.heads), walk.heads)
        wiring.connect(m, wiring.flipped(self.members), walk.members)
        member = walk.member.payload

        replicates = Signal()
        target = Signal(12)
        left_out = Signal()  # it would be too long
        m.d.comb += [
            walk.list.eq(entry.target),
            target.eq(Mux(replicates, member.target, entry.target)),
            *(job[name].eq(entry[name]) for name in ("head", "start", "end", "group_octet")),
        ]
        if self.fabric:
            self._send_to_tep(m, replicates, target, left_out, member)
            waits = walk.member.valid & ~walk.member.ready
            waited = Signal()
            settled = Signal()  # all that follows from ``target`` is there, which is still on offer
            m.d.sync += [
                waited.eq(waits),
                settled.eq(
                    Mux(replicates, waits & waited, self.entry.valid & ~self.entry.ready & ~entry.is_list)
                ),
            ]
            entry_offered = member_offered = settled
        else:
            self._send_to_vlan(m, target, walk)
            entry_offered = self.entry.valid & ~entry.is_list
            member_offered = walk.member.valid
        cut = Signal()  # some member was left out
        keep = Signal()

        with m.FSM():
            with m.State("ENTRY"):
                m.d.comb += [
                    job.release.eq(1),
                    self.job.valid.eq(entry_offered),
                    self.entry.ready.eq(self.job.ready & entry_offered),
                    walk.start.eq(self.entry.valid & entry.is_list),
                ]
                m.d.sync += cut.eq(0)
                with m.If(walk.start & walk.ready):
                    m.next = "LIST"
            with m.State("LIST"):
                m.d.comb += [
                    replicates.eq(1),
                    self.job.valid.eq(member_offered & member.present & ~left_out),
                    walk.member.ready.eq(member_offered & (~member.present | left_out | self.job.ready)),
                ]
                with m.If(walk.member.valid & walk.member.ready):
                    m.d.sync += cut.eq(cut | (member.present & left_out))
                    with m.If(member.last):
                        if self.fabric:
                            m.d.sync += keep.eq(self.keep)
                        m.next = "RELEASE"
            with m.State("RELEASE"):
                m.d.comb += [
                    # Fields that do not matter to this job stay as they are while it is on offer.
                    replicates.eq(1),
                    self.job.valid.eq(1),
                    job.program.eq(program_type(self.fabric).NOTHING),
                    job.release.eq(1),
                    self.entry.ready.eq(self.job.ready),
                ]
                if self.fabric:
                    m.d.comb += job.keep.eq(cut & keep)
                with m.If(self.job.ready):
                    if self.fabric:
                        m.d.comb += self.too_big.eq(cut)
                    m.next = "ENTRY"
        return m

    def _send_to_vlan(self, m: Module, target: Signal, walk: MemberWalk) -> None:
        """Jobs of an access port to VLAN ID ``target``, which as a member is excluded if it is the sender's."""
        entry, job = self.entry.payload, self.job.payload
        sender, packet = entry.detail.sender, entry.detail.packet
        change = data.View(Delivering, entry.program).change
        has_packet = (change == Change.IPV4) | (change == Change.IPV6)
        excluded_too = Signal(12)  # long before the first member is there
        m.d.sync += excluded_too.eq(other_vid(self.retag, sender.exclude_vid))
        m.d.comb += [
            walk.excludes.eq(sender.exclude & ~has_packet),
            walk.excluded.eq(sender.exclude_vid),
            walk.excluded_too.eq(excluded_too),
            job.program.eq(entry.program),
            job.tag.eq(Cat(target, entry.pcp_dei)),
            job.octet.eq(packet.octet),
            job.checksum.eq(packet.checksum),
        ]
        if self.params.tenant_counters:
            m.d.comb += job.tenant.eq(entry.tenant)

    def _send_to_tep(
        self, m: Module, replicates: Signal, target: Signal, left_out: Signal, member: data.View
    ) -> None:
        """Jobs of a fabric port to TEP ``target``, a clock late; as a member it is ``left_out`` if the packet would be
        too long."""
        entry, job = self.entry.payload, self.job.payload
        # A copy for each way to name a TEP: which of them it is turns out behind the table.
        m.submodules.modes = modes = LutTable(TepMode, self.params.teps)
        m.submodules.member_modes = member_modes = LutTable(TepMode, self.params.teps)
        broadcast(m, wiring.flipped(self.modes), [modes.bus, member_modes.bus])
        mode = Signal(TepMode)
        mode_of_entry, mode_of_member = Signal(TepMode), Signal(TepMode)
        m.d.comb += [
            modes.index.eq(entry.target),
            member_modes.index.eq(member.target),
            mode.eq(Mux(replicates, mode_of_member, mode_of_entry)),
        ]

        # What the longest packet has left; known long before the first member is.
        stored = Signal(14)
        limit = Signal(signed(16))
        left = Signal(signed(16))
        too_long = Signal(len(Encapsulation))
        program = data.View(Encapsulating, entry.program)
        # The program is whole from a register on, as its plan has to be made of it. Only that of members may rewrite,
        # and not where a network is named, which is the sender's: that frame must stay as it is.
        networks = Const(sum(kind.has_network << kind.value for kind in Encapsulation), len(Encapsulation))
        names_network = mode_of_member.sid_function | networks.bit_select(mode_of_member.encapsulation, 1)
        program_of_entry, program_of_member = Signal(Encapsulating), Signal(Encapsulating)
        m.d.sync += [program_of_entry.eq(program), program_of_member.eq(program)]
        with m.If(program.encapsulates):
            m.d.sync += [
                program_of_entry.encapsulation.eq(modes.entry.encapsulation),
                program_of_member.encapsulation.eq(mode_of_member.encapsulation),
                program_of_member.rewrites.eq(program.rewrites & member.rewrites & ~names_network),
            ]
        m.d.sync += [
            stored.eq(entry.end - entry.start),
            limit.eq(self.mtu - Mux(program.tagged, IPV6_BYTES - TAG_BYTES, IPV6_BYTES)),
            left.eq(limit - stored),
            *(too_long[kind.value].eq(left < kind.overhead) for kind in Encapsulation),
            mode_of_entry.eq(modes.entry),
            mode_of_member.eq(member_modes.entry),
            left_out.eq(too_long.bit_select(mode.encapsulation, 1)),
        ]
        m.d.comb += [
            job.program.eq(Mux(replicates, program_of_member.as_value(), program_of_entry.as_value())),
            job.tep.eq(target),
            job.traffic_class.eq(Mux(mode.dscp_fixed, entry.traffic_class[:_ECN_BITS], entry.traffic_class)),
            job.flow.eq(entry.flow),
            job.network.eq(entry.network),
            job.sid_function.eq(mode.sid_function),
            job.oui.eq(member.oui),
        ]
