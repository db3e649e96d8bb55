"""Token buckets in block RAM, one per party."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from ..tables.bus import TableBus
from ..tables.memory import BlockRAM, TableMemory
from .limit import StormLimit, StormTicks
from .repayment import Debt
from .sweep import GROUP, Sweep

__all__ = ["Buckets", "Take"]


class Take(data.StructLayout):
    """A frame, and whose bucket it needs a token of, if it is ``metered``."""

    def __init__(self, parties: int):
        super().__init__({"index": ceil_log2(parties), "metered": 1})


class Buckets(wiring.Component):
    """A frame takes a token out of its party's bucket, or is denied if there is none; ticks give tokens back.

    What is kept of a bucket is its :class:`Debt`: what is missing in it. A frame reads it, and writes what becomes of
    it three clocks later; a frame of the same party that is too early to read that gets it handed on. The
    :class:`Sweep` closes the buckets that it works on to frames. So each outcome, and what a tick gives back, is that
    of some order of frames and ticks, one after the other.

    Parameters
    ----------
    parties
        How many, a power of two from 16 on.

    Members
    -------
    take
        One frame per two clocks. One whose bucket is closed waits, and those behind it, for some 40 clocks at most.
        After reset not ready until all buckets are full.
    outcome
        ``valid`` for each frame, in order, 2 clocks after it was taken or later; ``denied`` if there was no token. A
        frame that is not metered, or whose party has no limit, takes none and is never denied.
    limits
        By party. A frame, and a tick, sees an entry before or after it is written. None after reset.
    ticks
        :func:`StormTicks`; at least :data:`.limit.CLOCKS_PER_TICK` clocks per party apart.
    busy
        A frame or a sweep is under way.
    """

    def __init__(self, parties: int):
        if parties < 2 * GROUP or parties & (parties - 1):
            raise ValueError(f"parties must be a power of two from {2 * GROUP} on, not {parties}")
        self.parties = parties
        super().__init__(
            {
                "take": In(stream.Signature(Take(parties))),
                "outcome": Out(wiring.Signature({"valid": Out(1), "denied": Out(1)})),
                "limits": In(TableBus(StormLimit, parties)),
                "ticks": In(StormTicks()),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.debts = debts = BlockRAM(Debt, self.parties)
        m.submodules.limits = limits = TableMemory(StormLimit, self.parties, clear=StormLimit.as_shape().size)
        m.submodules.sweep = sweep = Sweep(self.parties)
        connect(m, flipped(self.limits), limits.bus)
        connect(m, flipped(self.ticks), sweep.ticks)

        # A frame is read for at once, and again as long as its bucket is found closed.
        frame = Signal(Take(self.parties))
        reads, again, passes, idle = Signal(), Signal(), Signal(), Signal()
        with m.FSM():
            with m.State("CLEARING"):
                with m.If(sweep.cleared):
                    m.next = "READY"
            with m.State("READY"):
                m.d.comb += [idle.eq(1), self.take.ready.eq(1), reads.eq(self.take.valid)]
                m.d.sync += frame.eq(self.take.payload)
                with m.If(self.take.valid):
                    m.next = "CHECK"
            with m.State("CHECK"):
                closed = sweep.closed & (frame.index[ceil_log2(GROUP) :] == sweep.group)
                m.d.comb += passes.eq(~(frame.metered & closed))
                m.next = "READY"
                with m.If(~passes):
                    m.next = "AGAIN"
            with m.State("AGAIN"):
                m.d.comb += [reads.eq(1), again.eq(1)]
                m.next = "CHECK"

        # One that passed meets what was read. What the last one has left is written in the next clock, and read from
        # the one after that on; until then it is handed on.
        valid, metered, handed_on = Signal(), Signal(), Signal()
        last = Signal.like(frame.index)
        recent = Signal(3)  # by clocks since: a metered frame passed
        m.d.sync += [
            valid.eq(passes),
            metered.eq(frame.metered),
            handed_on.eq((frame.index == last) & recent[1:].any()),
            recent.eq(Cat(passes & frame.metered, recent)),
        ]
        with m.If(passes & frame.metered):
            m.d.sync += last.eq(frame.index)
        limit = limits.lookup.data
        debt, owed = Signal(Debt), Signal(Debt)
        limited, spent, counts, counted = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            debt.eq(Mux(handed_on, owed, debts.r_data)),
            limited.eq(metered & (limit.burst != 0)),
            spent.eq(debt.frames >= limit.burst),
            counts.eq(valid & limited & ~spent),
            self.outcome.valid.eq(valid),
            self.outcome.denied.eq(limited & spent),
        ]
        m.d.sync += counted.eq(counts)
        with m.If(valid & metered):
            m.d.sync += [owed.paid.eq(debt.paid), owed.frames.eq(debt.frames + counts)]

        # Frames come first; they read and write in one of two clocks at most.
        row = Mux(again, frame.index, Mux(reads, self.take.payload.index, sweep.visit.payload))
        m.d.comb += [
            sweep.counted.eq(counts),
            sweep.visit.ready.eq(~reads),
            sweep.debt.eq(debts.r_data),
            sweep.limit.eq(limit),
            sweep.write.ready.eq(~counted),
            debts.r_addr.eq(row),
            limits.lookup.index.eq(row),
            limits.lookup.enable.eq(reads | sweep.visit.valid),
            debts.w_en.eq(counted | sweep.write.valid),
            debts.w_addr.eq(Mux(counted, last, sweep.write.payload.index)),
            debts.w_data.eq(Mux(counted, owed, sweep.write.payload.debt)),
            self.busy.eq(~idle | valid | counted | sweep.busy),
        ]
        return m
