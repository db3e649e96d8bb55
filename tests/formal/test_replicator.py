"""Proof that each member of a replica list is served exactly once, and each entry is released exactly once.

Takes for granted what is shown of the walk along a list (``test_walk.py``).
"""

import pytest
from amaranth.hdl import Assert, Assume, Cat, Const, Cover, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import Component, In
from opentep.gateware.egress import replicator
from opentep.gateware.egress.entry import Entry
from opentep.gateware.egress.program import AccessProgram, Change, Delivering, Encapsulating, FabricProgram
from opentep.gateware.egress.replicator import Replicator
from opentep.gateware.egress.tables import TepMode
from opentep.gateware.egress.walk import Member, MemberWalk
from opentep.gateware.headers import TAG_BYTES, Encapsulation
from opentep.gateware.retag import Retag, other_vid
from opentep.gateware.tables.lut import LutTable
from opentep.sim.formal import ProofError, prove

from .replica_lists import FIRST, PARAMS, offer_stays, shows_when_gone, since, stays

ACCESS, FABRIC = 0, 1


class AnyWalk(MemberWalk):
    """What the proof of the replicator takes for a walk; the contract drives its outputs."""

    def elaborate(self, platform):
        return Module()


class AnyModes(LutTable):
    """A mode table, whose answer the contract drives."""

    def __init__(self, answer: Value):
        super().__init__(TepMode, PARAMS.teps)
        self.answer = answer

    def elaborate(self, platform):
        return Module()


class ReplicatorContract(Component):
    """Each member becomes one job, but for those that are to be left out, and behind them one that releases. A plain
    entry makes one job, which releases. The entry goes with the release.

    All of it for lists, modes, entries and back-pressure of the solver's choice. ``all_served`` claims that no member
    is left out, which is wrong.
    """

    def __init__(self, port: int, monkeypatch: pytest.MonkeyPatch, all_served: bool = False):
        self.port = port
        self.monkeypatch = monkeypatch
        self.all_served = all_served
        members = {
            "offer": In(1),
            "entry": In(Entry(PARAMS, port)),
            "take": In(1),
            "walk_ready": In(1),
            "member_valid": In(1),
            "member": In(Member),
        }
        if port == FABRIC:
            members |= {"mode": In(TepMode), "mode_of_member": In(TepMode), "mtu": In(14), "keep": In(1)}
        else:
            members["retag"] = In(Retag)
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        members = AnyWalk(PARAMS)
        self.monkeypatch.setattr(replicator, "MemberWalk", lambda _: members)
        if self.port == FABRIC:
            tables = [AnyModes(self.mode), AnyModes(self.mode_of_member)]
            left = iter(tables)
            self.monkeypatch.setattr(replicator, "LutTable", lambda *_: next(left))
        m.submodules.dut = dut = Replicator(PARAMS, self.port)
        entry, job = dut.entry.payload, dut.job.payload
        m.d.comb += [dut.entry.valid.eq(self.offer), entry.eq(self.entry), dut.job.ready.eq(self.take)]
        m.d.comb += [members.ready.eq(self.walk_ready), members.member.valid.eq(self.member_valid)]
        m.d.comb += members.member.payload.eq(self.member)
        if self.port == FABRIC:
            m.d.comb += [dut.mtu.eq(self.mtu), dut.keep.eq(self.keep)]
            stays(m, Assume, self.mtu, Value.cast(1))
            for modes in tables:
                m.d.comb += modes.entry.eq(modes.answer)
                self._table_stays(m, modes)
        else:
            m.d.comb += dut.retag.eq(self.retag)
            stays(m, Assume, Value.cast(self.retag), Value.cast(1))
        for statement, channel in ((Assume, dut.entry), (Assume, members.member), (Assert, dut.job)):
            offer_stays(m, statement, channel)
        m.d.comb += Assume(self._is_sound(entry))

        goes, passes, begins, leaves = Signal(), Signal(), Signal(), Signal()
        walking, begun, cut = Signal(), Signal(), Signal()
        shows_when_gone(m, Assume, members.member, walking)
        m.d.comb += [
            goes.eq(dut.job.valid & self.take),
            passes.eq(self.member_valid & members.member.ready),
            begins.eq(members.start & self.walk_ready),
            leaves.eq(self.offer & dut.entry.ready),
        ]
        is_sender = (self.member.target == members.excluded) | (self.member.target == members.excluded_too)
        excluded = members.excludes & is_sender
        # The walk, as it was proved: one list per start, from the start to the last member.
        clocks = since(m, begins, FIRST)
        m.d.comb += [
            Assume(~self.member_valid | (walking & (clocks == FIRST))),
            Assume(~(self.walk_ready & walking)),
            # One that is not present is that of an empty list, or excluded.
            Assume(self.member.present | self.member.last | excluded),
            Assume(~(self.member.present & excluded)),
            Assert(~members.start | (self.offer & entry.is_list & ~begun & ~walking)),
            Assert(~(members.start | walking) | (members.list == entry.target[:4])),
        ]
        left_out = Signal()
        m.d.comb += left_out.eq(0 if self.all_served else self._left_out(entry))
        m.d.sync += [
            walking.eq(begins | (walking & ~(passes & self.member.last))),
            begun.eq((begun | begins) & ~leaves),
            cut.eq((cut | (passes & self.member.present & left_out)) & ~leaves),
        ]

        # Every member that passes and is not left out is a job, and there are no others but the last one.
        serves = goes & ~job.release
        m.d.comb += [
            Assert(serves == (passes & self.member.present & ~left_out)),
            Assert(leaves == (goes & job.release)),
            Assert(~goes | self.offer),
        ]
        with m.If(serves):
            m.d.comb += Assert(self._is_copy(entry, job, self.member.target))
        with m.Elif(goes & entry.is_list):
            nothing = (FabricProgram if self.port == FABRIC else AccessProgram).NOTHING
            m.d.comb += [
                Assert(begun & ~walking),
                Assert(job.program == nothing),
                Assert(job.head == entry.head),
            ]
        with m.Elif(goes):
            m.d.comb += [Assert(self._is_copy(entry, job, entry.target)), Assert(~begun)]
        if self.port == FABRIC:
            kept = Signal()
            with m.If(passes & self.member.last):
                m.d.sync += kept.eq(self.keep)
            m.d.comb += [
                Assert(dut.too_big == (leaves & cut)),
                Assert(~goes | (job.keep == (leaves & cut & kept))),
            ]
        self._never_waits(m, dut, passes)

        if self.port == ACCESS:
            m.d.comb += Assert(~(serves & self._is_sender(entry)))

        served, lists = Signal(range(4)), Signal(range(4))
        with m.If(goes & entry.is_list):
            m.d.sync += [served.eq(Mux(job.release, 0, served + 1)), lists.eq(lists + job.release)]
        m.d.comb += [
            Cover(leaves & (served == 2)),
            Cover(leaves & ~entry.is_list & (lists == 1)),
        ]
        if self.port == FABRIC:
            m.d.comb += Cover(leaves & (served == 1) & cut)
        return m

    def _table_stays(self, m: Module, modes: LutTable) -> None:
        """Asked for the same TEP, the table gives the same answer."""
        tep, mode, first = Signal(4), Signal(TepMode), Signal(init=1)
        m.d.sync += [tep.eq(modes.index), mode.eq(modes.answer), first.eq(0)]
        m.d.comb += Assume(first | (modes.index != tep) | (modes.answer.as_value() == mode.as_value()))

    def _is_sound(self, entry):
        """What a queue holds: a whole frame, a program of this port; lists are encapsulated by fabric ports."""
        sound = entry.end >= entry.start + 60
        if self.port == ACCESS:
            known = Cat(entry.program == program for program in AccessProgram).any()
            return sound & known & (entry.program != AccessProgram.NOTHING)
        answers = (entry.program.as_value() > 0) & (entry.program.as_value() < 4)
        view = data.View(Encapsulating, entry.program)
        return sound & ((view.encapsulates & (entry.is_list | ~view.rewrites)) | (answers & ~entry.is_list))

    def _is_sender(self, entry):
        """The member on offer is where the frame came from."""
        sender = entry.detail.sender
        change = data.View(Delivering, entry.program).change
        has_packet = (change == Change.IPV4) | (change == Change.IPV6)
        vids = sender.exclude_vid, other_vid(self.retag, sender.exclude_vid)
        return ~has_packet & sender.exclude & Cat(self.member.target == vid for vid in vids).any()

    def _left_out(self, entry):
        """The member on offer is to get no copy: the MTU is too small for the frame in its encapsulation."""
        if self.port == ACCESS:
            return Const(0)
        kind_of_member = Value.cast(self.mode_of_member.encapsulation)
        overhead = sum(Mux(kind_of_member == kind.value, kind.overhead, 0) for kind in Encapsulation)
        inner = entry.end - entry.start - Mux(data.View(Encapsulating, entry.program).tagged, TAG_BYTES, 0)
        return 40 + overhead + inner > self.mtu

    def _is_copy(self, entry, job, target):
        """The job sends the frame to ``target``."""
        same = (job.head == entry.head) & (job.start == entry.start) & (job.end == entry.end)
        if self.port == ACCESS:
            return same & (job.program == entry.program) & (job.tag == Cat(target, entry.pcp_dei))
        wanted, got = (data.View(Encapsulating, which.program) for which in (entry, job))
        kind = Mux(
            entry.is_list,
            Value.cast(self.mode_of_member.encapsulation),
            Value.cast(self.mode.encapsulation),
        )
        mode = Mux(wanted.encapsulates, kind, Value.cast(wanted.encapsulation))
        return (
            same
            & (Cat(wanted.tagged, wanted.encapsulates) == Cat(got.tagged, got.encapsulates))
            & (Value.cast(got.encapsulation) == mode)
            & (got.rewrites == (wanted.rewrites & self.member.rewrites & ~self._names_network()))
            & (job.tep == target[:4])
        )

    def _names_network(self):
        kinds = [kind.value for kind in Encapsulation if kind.has_network]
        mode = self.mode_of_member  # only members have rewritten copies
        return mode.sid_function | Cat(Value.cast(mode.encapsulation) == kind for kind in kinds).any()

    def _never_waits(self, m: Module, dut: Replicator, passes: Value) -> None:
        """What is there is on offer, or left out, a clock later at the latest, members of fabric ports two."""
        waits = Signal(range(4))
        plain = self.offer & ~dut.entry.payload.is_list
        with m.If((plain | self.member_valid) & ~dut.job.valid & ~passes):
            m.d.sync += waits.eq(waits + 1)
        with m.Else():
            m.d.sync += waits.eq(0)
        m.d.comb += Assert(waits <= Mux(plain, 1, 2 if self.port == FABRIC else 1))


@pytest.mark.parametrize("port", [pytest.param(ACCESS, id="access"), pytest.param(FABRIC, id="fabric")])
def test_replicator(port, monkeypatch):
    prove(ReplicatorContract(port, monkeypatch), depth=16)
    prove(ReplicatorContract(port, monkeypatch), depth=20, mode="cover")


def test_a_false_contract_is_refused(monkeypatch):
    with pytest.raises(ProofError, match="Assert failed"):
        prove(ReplicatorContract(FABRIC, monkeypatch, all_served=True), depth=14)
