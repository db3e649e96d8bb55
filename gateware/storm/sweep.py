"""Who is paid back to, and when."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..tables.memory import BLOCK_RAM_LATENCY
from .limit import StormLimit, StormTicks
from .repayment import Debt, Repayment

__all__ = ["GROUP", "Sweep", "Written"]

GROUP = 8
"""Buckets that are closed at a time."""


class Written(data.StructLayout):
    """What is left of a debt."""

    def __init__(self, parties: int):
        super().__init__({"index": ceil_log2(parties), "debt": Debt})


class Sweep(wiring.Component):
    """Leads through all buckets once per tick, :data:`GROUP` at a time: closes them, waits until frames that found them
    open have written, visits them, and opens them when that is written. A visit is a read of debt and limit, and, when
    the rest has been worked out, a write of the debt.

    Nothing happens at a tick while no bucket has a debt. A tick during a sweep is remembered. The first sweep comes
    with reset and clears all debts.

    Members
    -------
    ticks
        :func:`StormTicks`.
    counted
        Strobe: a frame is about to take a token.
    closed, group
        The buckets of this number, ``GROUP`` in a row, are closed.
    cleared
        All debts have been cleared.
    visit
        Stream of the index to read; at most every other clock.
    debt, limit
        What was read, two clocks after it was taken.
    write
        Stream of :class:`Written`; must wait no longer than a clock.
    busy
        A sweep is under way or to come.
    """

    _CLOSING = 2
    """Clocks from the first one in which frames find the buckets closed to the first visit: what a frame that was
    checked in the clock before writes is to be read."""

    def __init__(self, parties: int):
        self.parties = parties
        super().__init__(
            {
                "ticks": In(StormTicks()),
                "counted": In(1),
                "closed": Out(1),
                "group": Out(range(parties // GROUP)),
                "cleared": Out(1),
                "visit": Out(stream.Signature(ceil_log2(parties))),
                "debt": In(Debt),
                "limit": In(StormLimit),
                "write": Out(stream.Signature(Written(parties))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        ticks, visit, write = self.ticks, self.visit, self.write
        m.submodules.repayment = repayment = Repayment()

        ticked, exponent, owes, more = Signal(), Signal.like(ticks.exponent), Signal(), Signal()
        waited = Signal(range(self._CLOSING))
        member = Signal(ceil_log2(GROUP))
        pause = Signal()  # after a visit
        # Visits whose result is not on offer yet, by the clocks since.
        latency = BLOCK_RAM_LATENCY + Repayment.LATENCY
        under_way = Signal(latency)
        ends = Signal()
        with m.If(ticks.tick):
            m.d.sync += [ticked.eq(1), exponent.eq(ticks.exponent)]
        m.d.comb += [self.closed.eq(1), self.busy.eq(1), visit.payload.eq(Cat(member, self.group))]
        with m.FSM(init="CLOSE"):
            with m.State("IDLE"):
                m.d.comb += [self.closed.eq(0), self.busy.eq(ticked)]
                m.d.sync += repayment.exponent.eq(exponent)
                with m.If(ticked):
                    m.d.sync += ticked.eq(ticks.tick)
                    with m.If(owes):
                        m.next = "CLOSE"
            with m.State("CLOSE"):
                m.d.sync += waited.eq(waited + 1)
                with m.If(waited == self._CLOSING - 1):
                    m.d.sync += waited.eq(0)
                    m.next = "VISIT"
            with m.State("VISIT"):
                m.d.comb += visit.valid.eq(~pause)
                with m.If(visit.valid & visit.ready):
                    m.d.sync += member.eq(member + 1)
                    with m.If(member == GROUP - 1):
                        m.next = "SETTLE"
            with m.State("SETTLE"):
                with m.If(~(under_way.any() | write.valid)):
                    m.d.sync += self.group.eq(self.group + 1)
                    m.next = "CLOSE"
                    with m.If(self.group == self.parties // GROUP - 1):
                        m.d.comb += ends.eq(1)
                        m.d.sync += self.cleared.eq(1)
                        m.next = "IDLE"
        went = visit.valid & visit.ready
        m.d.sync += [pause.eq(went), under_way.eq(Cat(went, under_way))]

        indices = [visit.payload]
        for clock in range(latency):
            indices.append(Signal.like(visit.payload, name=f"index_{clock}"))
            m.d.sync += indices[-1].eq(indices[-2])
        m.d.comb += [repayment.debt.eq(self.debt), repayment.limit.eq(self.limit)]
        with m.If(write.ready):
            m.d.sync += write.valid.eq(0)
        with m.If(under_way[-1]):
            m.d.sync += [
                write.valid.eq(1),
                write.payload.index.eq(indices[-1]),
                write.payload.debt.eq(Mux(self.cleared, repayment.left.as_value(), 0)),
            ]

        # What is owed when a sweep ends is what it has left, and what was taken meanwhile.
        m.d.comb += ticks.pending.eq(owes)
        with m.If(write.valid & (write.payload.debt.frames != 0)):
            m.d.sync += more.eq(1)
        with m.If(ends):
            m.d.sync += [owes.eq(more), more.eq(0)]
        with m.If(self.counted):
            m.d.sync += [owes.eq(1), more.eq(1)]
        return m
