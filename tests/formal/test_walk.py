"""Proof that the walk along a replica list offers each of its members once: the tables of lists, and the walk, which
takes for granted what is shown of them."""

import pytest
from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import Component, In
from opentep.gateware.egress import walk
from opentep.gateware.egress.lists import ListTable
from opentep.gateware.egress.tables import ListHead, ListMember, MemberKind
from opentep.gateware.egress.walk import MemberWalk
from opentep.sim.formal import ProofError, inside, prove

from .replica_lists import FIRST, NEXT, PARAMS, offer_stays, shows_when_gone, stays


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
