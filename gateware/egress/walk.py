"""The members of a replica list, one after the other."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..params import Params
from ..tables.bus import TableBus
from .lists import ListTable
from .tables import ListHead, ListMember, MemberKind

__all__ = ["Member", "MemberWalk"]

Member = data.StructLayout({"target": 12, "present": 1, "last": 1, "rewrites": 1, "oui": 24})
"""A member of a list. The only one of an empty list is not ``present``, nor is one that is excluded. With ``rewrites``
its copy is for the tenant of ``oui``, which has the I/G bit."""


class MemberWalk(wiring.Component):
    """Reads lists.

    The first member is out 6 clocks after ``start``, the next one with the third clock after the one before at the
    earliest; each 6 clocks later if an OUI stands before it, and one if the host accesses the table just then. A list
    without ``last`` ends at the end of the members table.

    Members
    -------
    list, start
        Index of a list, and a strobe that begins to read it; only between lists. ``list`` stays until the first member
        is out.
    excludes, excluded, excluded_too
        Whether, and to which two targets, a member is not to be sent; stay as long as ``list``'s members come.
    ready
        ``start`` is heard.
    member : Out(stream of Member)
    heads, members : In(TableBus)
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "list": In(range(params.lists)),
                "start": In(1),
                "excludes": In(1),
                "excluded": In(12),
                "excluded_too": In(12),
                "ready": Out(1),
                "member": Out(stream.Signature(Member)),
                "heads": In(TableBus(ListHead(params), params.lists)),
                "members": In(TableBus(ListMember, params.members)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.heads = heads = ListTable(ListHead(params), params.lists, clear=1)
        m.submodules.members = members = ListTable(ListMember, params.members, clear=0)
        wiring.connect(m, wiring.flipped(self.heads), heads.bus)
        wiring.connect(m, wiring.flipped(self.members), members.bus)

        index = Signal(range(params.members))
        final = Signal()  # ``index`` is behind the last member that the table can hold
        empty = Signal()
        last = Signal()
        free = Signal()  # the member before is gone
        rewrites = Signal()
        oui = Signal(24)
        entry = members.data
        m.d.comb += [
            heads.index.eq(self.list),
            members.index.eq(index),
            last.eq(entry.last | final | empty),
            free.eq(~self.member.valid | self.member.ready),
        ]
        with m.If(self.member.ready):
            m.d.sync += self.member.valid.eq(0)
        with m.FSM():
            with m.State("HEAD-READ"):
                m.d.comb += self.ready.eq(heads.ready)
                m.d.sync += rewrites.eq(0)
                with m.If(self.start & heads.ready):
                    m.next = "HEAD-RAM"
            with m.State("HEAD-RAM"):
                m.next = "HEAD"
            with m.State("HEAD"):
                m.d.sync += [index.eq(heads.data.base), empty.eq(~heads.data.valid)]
                m.next = "READ"
            with m.State("READ"):
                with m.If(members.ready & free):
                    m.next = "RAM"
            with m.State("RAM"):
                m.d.sync += [index.eq(index + 1), final.eq(index == params.members - 1)]
                m.next = "MEMBER"
            with m.State("MEMBER"):
                with m.Switch(entry.kind):
                    with m.Case(MemberKind.OUI_HIGH):
                        m.d.sync += oui[12:].eq(entry.target)
                    with m.Case(MemberKind.OUI_LOW):
                        m.d.sync += [oui[:12].eq(entry.target), rewrites.eq(1)]
                is_member = entry.kind == MemberKind.TARGET
                is_sender = (entry.target == self.excluded) | (entry.target == self.excluded_too)
                excluded = self.excludes & is_sender
                m.d.sync += [
                    self.member.valid.eq(is_member | last),
                    self.member.payload.target.eq(entry.target),
                    self.member.payload.present.eq(is_member & ~empty & ~excluded),
                    self.member.payload.last.eq(last),
                    self.member.payload.rewrites.eq(rewrites),
                    self.member.payload.oui.eq(oui),
                ]
                with m.If(last):
                    m.next = "HEAD-READ"
                with m.Else():
                    m.next = "READ"
        return m
