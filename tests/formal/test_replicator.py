"""Proof that each member of a replica list is served exactly once, and each entry is released exactly once.

In three parts, each of which takes for granted what the one before has shown: the tables of lists, the walk along a
list, and the replicator.
"""

import pytest
from amaranth.hdl import Assert, Assume, Cat, Const, Cover, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import Component, In
from opentep.gateware.egress import replicator, walk
from opentep.gateware.egress.entry import Entry
from opentep.gateware.egress.lists import ListTable
from opentep.gateware.egress.program import AccessProgram, Change, Delivering, Encapsulating, FabricProgram
from opentep.gateware.egress.replicator import Replicator
from opentep.gateware.egress.tables import ListHead, ListMember, MemberKind, TepMode
from opentep.gateware.egress.walk import Member, MemberWalk
from opentep.gateware.headers import TAG_BYTES, Encapsulation
from opentep.gateware.params import Params
from opentep.gateware.retag import Retag, other_vid
from opentep.gateware.tables.lut import LutTable
from opentep.sim.formal import ProofError, inside, prove

PARAMS = Params(tenants=16, macs=64, teps=16, lists=16, members=16, packet_bytes=2048)
ACCESS, FABRIC = 0, 1
FIRST, NEXT = 6, 3
"""Clocks to the first member of a list, and from one to the next, at the least."""


def since(m: Module, event: Value, limit: int) -> Signal:
    """Clocks since ``event``, ``limit`` if it was so long ago or never."""
    clocks = Signal(range(limit + 1), init=limit)
    m.d.sync += clocks.eq(Mux(event, 1, Mux(clocks == limit, limit, clocks + 1)))
    return clocks


def stays(m: Module, statement, value: Value, where: Value) -> None:
    """Assume or assert that ``value`` is what it was in the clock before if ``where`` was high then."""
    held, before = Signal(), Signal.like(value, init=0)
    m.d.sync += [held.eq(where), before.eq(value)]
    m.d.comb += statement(~held | (value == before))


def offer_stays(m: Module, statement, channel) -> None:
    """The stream rule: what is offered stays until it is taken."""
    now = Cat(channel.valid, Value.cast(channel.payload))
    stays(m, statement, now, channel.valid & ~channel.ready)


def shows_when_gone(m: Module, statement, channel, walking: Value) -> None:
    """The last member of a list still shows when it is gone, until another walk begins."""
    payload, first = Signal.like(channel.payload), Signal(init=1)
    m.d.sync += [payload.eq(channel.payload), first.eq(0)]
    same = Value.cast(channel.payload) == Value.cast(payload)
    m.d.comb += statement(first | same | walking)


class ListTableContract(Component):
    """A lookup in a clock with ``ready`` gives, two clocks later, the entry as it is then or was one clock before.

    Follows one entry of the solver's choice. The host writes it and others at any time, as it may.
    """

    def __init__(self):
        super().__init__(
            {"follow": In(4), "index": In(4), "bus_index": In(4), "value": In(2), "writes": In(1)}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = ListTable(data.StructLayout({"value": 2}), 16, clear=0)
        stays(m, Assume, self.follow, Value.cast(1))
        bus = dut.bus
        under_way = Signal()
        m.d.sync += under_way.eq((under_way | self.writes) & ~bus.done)
        stays(m, Assume, Cat(self.bus_index, self.value), under_way | self.writes)
        m.d.comb += [
            Assume(~(under_way & self.writes)),
            bus.index.eq(self.bus_index),
            bus.w_data.value.eq(self.value),
            bus.w_stb.eq(self.writes),
            dut.index.eq(self.index),
        ]
        known, old, held = Signal(), Signal(2), Signal(2)
        m.d.sync += old.eq(held)
        with m.If(bus.done & (self.bus_index == self.follow)):
            m.d.sync += [known.eq(1), held.eq(self.value)]
        # What the write that ends in this clock has made of it counts already.
        now = Mux(bus.done & (self.bus_index == self.follow), self.value, held)
        asked, shown = Signal(), Signal()
        m.d.sync += [asked.eq(dut.ready & (self.index == self.follow) & known), shown.eq(asked)]
        with m.If(shown):
            m.d.comb += Assert((dut.data.value == now) | (dut.data.value == held) | (dut.data.value == old))
        m.d.comb += Cover(shown & (dut.data.value == 2))
        return m


class AnyTable(ListTable):
    """What the proof of a walk takes for a list table: ``rows`` for lookups of ``at`` and what follows, junk for all
    others.

    ``at_next``   what ``at`` is in the next clock, ``moves`` whether it, or a row, becomes another one then.
    ``accessed``  the host's transfers.
    """

    def __init__(self, entry, depth, *, at_next, moves, rows, accessed, junk):
        self.at_next = at_next
        self.moves = moves
        self.rows = rows
        self.accessed = accessed
        self.junk = junk
        super().__init__(entry, depth, clear=False)

    def elaborate(self, platform):
        m = Module()
        place, asked, known = Signal.like(self.index), Signal.like(self.index), Signal.like(self.index)
        heard, kept = Signal(), Signal()
        was_accessed = Signal()
        m.d.comb += place.eq(self.index - self.at_next)
        m.d.sync += [
            asked.eq(place),
            known.eq(asked),
            heard.eq(self.ready),
            kept.eq(heard & ~self.moves),
            was_accessed.eq(self.accessed),
        ]
        m.d.comb += [
            self.ready.eq(~self.accessed),
            Assume(~(self.accessed & was_accessed)),  # a transfer takes the host some clocks
            Value.cast(self.data).eq(self.junk),
        ]
        for number, row in enumerate(self.rows):
            with m.If(kept & (known == number)):
                m.d.comb += Value.cast(self.data).eq(Value.cast(row))
        return m


class WalkContract(Component):
    """The members are the targets in the table from the list's base to the first ``last``, or to the table's end, in
    order, each once; an empty list has one that is not present, and the excluded one is not. Those behind an OUI have
    it. They come as early and as late as promised.

    An OUI is two rows in front of a target. One for whose target the table is too short ends its list with a member
    that is not present. ``delays`` is how many clocks each lookup waits for the host at most.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, delays: int = 1):
        self.monkeypatch = monkeypatch
        self.delays = delays
        super().__init__(
            {
                "start": In(1),
                "list": In(4),
                "excludes": In(1),
                "excluded": In(12),
                "excluded_too": In(12),
                "take": In(1),
                "head": In(ListHead(PARAMS)),
                "row": In(ListMember),
                "has_oui": In(1),
                "oui": In(24),
                "accessed": In(2),
                "junk": In(16),
            }
        )

    def elaborate(self, platform):
        m = Module()
        walking, at, at_next, moves, rows_of_it = Signal(), Signal(4), Signal(4), Signal(), Signal(2)
        high, low = Signal(ListMember), Signal(ListMember)
        m.d.comb += [
            rows_of_it.eq(Mux(self.has_oui, 3, 1)),
            high.target.eq(self.oui[12:]),
            high.kind.eq(MemberKind.OUI_HIGH),
            low.target.eq(self.oui[:12]),
            low.kind.eq(MemberKind.OUI_LOW),
        ]
        rows = [Mux(self.has_oui, Value.cast(high), Value.cast(self.row)), low, self.row]
        heads = AnyTable(
            ListHead(PARAMS),
            16,
            at_next=self.list,
            moves=Signal(),
            rows=[self.head],
            accessed=self.accessed[0],
            junk=self.junk,
        )
        members = AnyTable(
            ListMember, 16, at_next=at_next, moves=moves, rows=rows, accessed=self.accessed[1], junk=self.junk
        )
        self.monkeypatch.setattr(walk, "ListTable", lambda *_, clear: heads if clear else members)
        dut = MemberWalk(PARAMS)
        m.submodules.dut, own = inside(dut)
        member = dut.member.payload
        begins, goes = Signal(), Signal()
        m.d.comb += [
            dut.list.eq(self.list),
            dut.start.eq(self.start),
            dut.excludes.eq(self.excludes),
            dut.excluded.eq(self.excluded),
            dut.excluded_too.eq(self.excluded_too),
            dut.member.ready.eq(self.take),
            begins.eq(self.start & dut.ready),
            goes.eq(dut.member.valid & self.take),
            moves.eq(begins | goes),
            at_next.eq(Mux(begins, self.head.base, Mux(goes, at + rows_of_it, at))),
            # Only between lists, and until it is heard.
            Assume(~(self.start & walking)),
            Assume(self.row.kind == MemberKind.TARGET),
        ]
        stays(m, Assume, Cat(self.start, self.list), self.start & ~dut.ready)
        fixed = Cat(self.list, Value.cast(self.head), self.excludes, self.excluded, self.excluded_too)
        stays(m, Assume, fixed, begins | walking)
        stays(m, Assume, Cat(Value.cast(self.row), self.has_oui, self.oui), walking & ~goes)
        offer_stays(m, Assert, dut.member)
        shows_when_gone(m, Assert, dut.member, walking)
        m.d.sync += [at.eq(at_next), walking.eq(begins | (walking & ~(goes & member.last)))]

        had_oui, oui_before = Signal(), Signal(24)
        has_oui, oui = Signal(), Signal(24)
        m.d.comb += [has_oui.eq(had_oui | self.has_oui), oui.eq(Mux(self.has_oui, self.oui, oui_before))]
        with m.If(begins):
            m.d.sync += had_oui.eq(0)
        with m.Elif(goes):
            m.d.sync += [had_oui.eq(has_oui), oui_before.eq(oui)]

        last_row, too_short = Signal(5), Signal()
        m.d.comb += [
            last_row.eq(at + rows_of_it - 1),
            too_short.eq(last_row >= PARAMS.members),
            Assert(walking | dut.ready | self.accessed[0]),
        ]
        is_sender = (self.row.target == self.excluded) | (self.row.target == self.excluded_too)
        left_out = self.excludes & is_sender
        with m.If(dut.member.valid):
            m.d.comb += [
                Assert(walking),
                Assert(member.present == (self.head.valid & ~left_out & ~too_short)),
            ]
            with m.If(self.head.valid & ~too_short):
                m.d.comb += [
                    Assert(member.target == self.row.target),
                    Assert(member.last == (self.row.last | (last_row == PARAMS.members - 1))),
                    Assert(member.rewrites == has_oui),
                    Assert(~has_oui | (member.oui == oui)),
                ]
            with m.Else():
                m.d.comb += Assert(member.last)

        # Rows of an OUI that are read before the member.
        before = Signal(2)
        with m.If(self.head.valid & self.has_oui):
            m.d.comb += before.eq(Mux(too_short, PARAMS.members - 1 - at, 2))
        clock = Signal(5)
        """Since the start; a member that goes puts it back to where the first one could have been read."""
        with m.If(begins):
            m.d.sync += clock.eq(1)
        with m.Elif(goes):
            m.d.sync += clock.eq(FIRST - NEXT + 1)
        with m.Elif(clock != 31):
            m.d.sync += clock.eq(clock + 1)
        soonest = FIRST + NEXT * before
        latest = soonest + self.delays * (before + 1)
        m.d.comb += [
            Assert(~dut.member.valid | (clock >= soonest)),
            Assert(~walking | dut.member.valid | (clock < latest)),
        ]
        self._is_sound(
            m, dut, own, members.index, walking, at, rows_of_it, clock, had_oui, oui_before, has_oui, oui
        )

        served = Signal(range(4))
        with m.If(goes):
            m.d.sync += served.eq(Mux(member.last, 0, served + 1))
        m.d.comb += [
            Cover(goes & (served == 2) & self.row.last),
            Cover(goes & (served == 2) & member.last & ~self.row.last),
            Cover(goes & (served == 1) & had_oui & self.has_oui),
            Cover(goes & ~member.present & self.head.valid),
            Cover(goes & too_short & (before == 1)),
        ]
        return m

    def _is_sound(
        self, m, dut, own, index, walking, at, rows_of_it, clock, had_oui, oui_before, has_oui, oui
    ) -> None:
        """What the walk's registers have to do with where it is."""
        state, shown = own["fsm_state"], dut.member.valid
        head_read, head_ram, head, read, ram, member = range(6)  # in the order of the FSM
        row, reached = Signal(4), Signal(5)
        m.d.comb += [
            row.eq(index - at - (state == member)),
            reached.eq(at + row),
            Assert(state <= member),
            Assert((state == head_read) == (~walking | (shown & dut.member.payload.last))),
            Assert(~shown | (state == head_read) | (state == read)),
        ]
        with m.If((state == head_ram) | (state == head)):
            m.d.comb += [
                Assert(clock == state),
                Assert(at == self.head.base),
                Assert(~had_oui & ~own["rewrites"]),
            ]
        with m.If((state == read) | (state == ram) | (state == member)):
            m.d.comb += [
                Assert(own["empty"] == ~self.head.valid),
                Assert(reached < PARAMS.members),
                Assert(row <= Mux(shown, rows_of_it, rows_of_it - 1)),
                Assert(~shown | (row == rows_of_it)),
                Assert(own["rewrites"] == Mux(row >= 2, has_oui, Mux(shown, has_oui, had_oui))),
            ]
            whole = shown | (row == 2)
            with m.If(own["rewrites"]):
                m.d.comb += Assert(own["oui"][:12] == Mux(whole, oui, oui_before)[:12])
                m.d.comb += Assert(own["oui"][12:] == Mux(whole | (row == 1), oui, oui_before)[12:])
            with m.Elif(~shown & (row == 1)):
                m.d.comb += Assert(own["oui"][12:] == oui[12:])
            with m.If(~shown):
                soonest = state + NEXT * row
                m.d.comb += [Assert(clock >= soonest), Assert(clock <= soonest + self.delays * (row + 1))]
            with m.If(self.head.valid == 0):
                m.d.comb += Assert(row == 0)
        with m.If(state == member):
            m.d.comb += Assert(own["final"] == (reached == PARAMS.members - 1))


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


def test_list_table():
    prove(ListTableContract(), depth=12)
    prove(ListTableContract(), depth=12, mode="cover")


def test_walk(monkeypatch):
    prove(WalkContract(monkeypatch), depth=5, mode="prove")


def test_walk_covers(monkeypatch):
    prove(WalkContract(monkeypatch), depth=26, mode="cover")


def test_an_impatient_walk_is_refused(monkeypatch):
    with pytest.raises(ProofError, match="Assert failed"):
        prove(WalkContract(monkeypatch, delays=0), depth=12)


@pytest.mark.parametrize("port", [pytest.param(ACCESS, id="access"), pytest.param(FABRIC, id="fabric")])
def test_replicator(port, monkeypatch):
    prove(ReplicatorContract(port, monkeypatch), depth=16)
    prove(ReplicatorContract(port, monkeypatch), depth=20, mode="cover")


def test_a_false_contract_is_refused(monkeypatch):
    with pytest.raises(ProofError, match="Assert failed"):
        prove(ReplicatorContract(FABRIC, monkeypatch, all_served=True), depth=14)
