"""Event counters that never lose an event and never read torn."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from .tables.bus import TableBus
from .tables.memory import BLOCK_RAM_LATENCY, BlockRAM

__all__ = ["COUNTER_BITS", "CounterBank"]

COUNTER_BITS = 64
_LOW_BITS = 32
"""The addition is cut in two here."""
_GROUP = 8
"""Counters whose pending values share one register on their way to the adder."""
_ANY_INPUTS = 16
"""Bits of increments of which one clock tells whether there are any."""


class CounterBank(wiring.Component):
    """64-bit counters in block RAM, each of which may be incremented by any value in every clock.

    A scanner visits one counter per clock, in rotation. A visit takes what is pending for the counter and
    adds it to the word in RAM, in a pipeline. Increments between two visits gather in a small accumulator
    per counter.

    Nothing is lost: a rotation takes :attr:`rotation` clocks ``R`` for every counter, with no exception,
    from the first clock after reset on. A visit takes the accumulator and leaves in it the increment of that
    very clock. So an accumulator never holds the increments of more than ``R`` clocks, and is as wide as
    ``R * (2**bits - 1)`` needs. The pipeline is shorter than ``R`` clocks (which is what ``R`` is at least),
    so a visit reads what the one before has written.

    After reset all counters are zero: the first rotation takes the words in RAM for zero.

    Parameters
    ----------
    increments
        Name and width of the increment of each counter, up to 20 bits.

    Attributes
    ----------
    names
        Names of the counters; a counter's place is its index at ``bus``.
    rotation
        Clocks from one visit of a counter to the next.

    Members
    -------
    increment
        Struct with a field per counter, added in every clock.
    bus
        A read gives one consistent value with all increments that are older than one rotation. ``done``
        after at most ``rotation + 8`` clocks. Writes change nothing; an index without a counter reads as
        zero.
    busy
        Some increment may not be in RAM yet (from two clocks behind it on, up to ``rotation + 8``), the bank is being
        cleared, or a read is under way.
    """

    _PIPELINE = BLOCK_RAM_LATENCY + 4
    """Clocks from a visit to the first clock in which its result can be read from RAM."""

    def __init__(self, increments: Sequence[tuple[str, int]]):
        increments = tuple(increments)
        if not increments:
            raise ValueError("a counter bank needs at least one counter")
        for name, bits in increments:
            if not isinstance(bits, int) or not 1 <= bits <= 20:
                raise ValueError(f"the increment of {name!r} must have 1 to 20 bits, not {bits!r}")
        self.names = tuple(name for name, _ in increments)
        if len(set(self.names)) != len(self.names):
            raise ValueError("counter names must differ")
        self.rotation = max(len(increments), self._PIPELINE)
        self._bits = tuple(bits_for(self.rotation * ((1 << bits) - 1)) for _, bits in increments)
        if max(self._bits) > _LOW_BITS:
            raise ValueError(
                f"{len(increments)} counters with increments this wide gather too much in a rotation"
            )
        super().__init__(
            {
                "increment": In(data.StructLayout(dict(increments))),
                "bus": In(TableBus(unsigned(COUNTER_BITS), len(increments))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.ram = ram = BlockRAM(unsigned(COUNTER_BITS), self.rotation)

        # The scanner, binary and one-hot. `clearing` until it has been everywhere once.
        scan = Signal(range(self.rotation))
        visit = Signal(self.rotation, init=1)
        clearing = Signal(init=1)
        m.d.sync += [scan.eq(scan + 1), visit.eq(visit.rotate_left(1))]
        with m.If(visit[-1]):
            m.d.sync += [scan.eq(0), clearing.eq(0)]
        m.d.comb += ram.r_addr.eq(scan)

        taken = self._gather(m, visit)

        def delayed(signal: Signal, clocks: int) -> Signal:
            for _ in range(clocks):
                later = Signal.like(signal, init=0)
                m.d.sync += later.eq(signal)
                signal = later
            return signal

        # The RAM's word comes together with what was taken; a further rank has the time to clear it.
        was_clearing = delayed(clearing, BLOCK_RAM_LATENCY)
        old = Signal(COUNTER_BITS)
        added = Signal.like(taken)
        m.d.sync += [old.eq(ram.r_data), added.eq(taken)]
        with m.If(was_clearing):
            m.d.sync += old.eq(0)
        low = Signal(_LOW_BITS + 1)
        high = Signal(COUNTER_BITS - _LOW_BITS)
        m.d.sync += [low.eq(old[:_LOW_BITS] + added), high.eq(old[_LOW_BITS:])]
        new = Signal(COUNTER_BITS)
        m.d.sync += [new[:_LOW_BITS].eq(low[:_LOW_BITS]), new[_LOW_BITS:].eq(high + low[_LOW_BITS])]
        written = Signal()
        m.d.sync += written.eq(1)
        place = delayed(scan, self._PIPELINE - 1)
        valid = delayed(written, self._PIPELINE - 2)
        m.d.comb += [ram.w_addr.eq(place), ram.w_data.eq(new), ram.w_en.eq(valid)]

        reading = self._answer(m, place, new, valid)

        # Idle once nothing has come for as long as a visit can take to come around and through.
        longest = self.rotation + self._PIPELINE + 1
        countdown = Signal(range(longest + 1), init=longest)
        increments = self.increment.as_value()
        groups = range(0, len(increments), _ANY_INPUTS)
        some = Signal(len(groups))
        m.d.sync += some.eq(Cat(increments[start : start + _ANY_INPUTS].any() for start in groups))
        with m.If(some.any()):
            m.d.sync += countdown.eq(longest)
        with m.Elif(countdown != 0):
            m.d.sync += countdown.eq(countdown - 1)
        m.d.sync += self.busy.eq(some.any() | (countdown != 0) | reading | self.bus.r_stb | self.bus.w_stb)
        return m

    def _gather(self, m: Module, visit: Signal) -> Signal:
        """Accumulate increments; returns what a visit took, BLOCK_RAM_LATENCY clocks later."""
        groups = []
        for start in range(0, len(self.names), _GROUP):
            members = range(start, min(start + _GROUP, len(self.names)))
            chosen = 0
            for index in members:
                bits = self._bits[index]
                pending = Signal(bits, name=f"pending_{index}")
                m.d.sync += pending.eq(Mux(visit[index], 0, pending) + self.increment[self.names[index]])
                chosen |= Mux(visit[index], pending, 0)
            group = Signal(max(self._bits[index] for index in members), name=f"group_{start}")
            m.d.sync += group.eq(chosen)
            groups.append(group)
        taken = Signal(max(self._bits))
        united = 0
        for group in groups:
            united |= group
        m.d.sync += taken.eq(united)
        return taken

    def _answer(self, m: Module, place: Signal, new: Signal, valid: Signal) -> Signal:
        """Answer the bus with what a visit writes; returns whether a read is under way."""
        bus = self.bus
        reading = Signal()
        m.d.sync += bus.done.eq(0)
        with m.If(reading & valid & (place == bus.index)):
            m.d.sync += [bus.r_data.eq(new), bus.done.eq(1), reading.eq(0)]
        with m.If(bus.w_stb):
            m.d.sync += bus.done.eq(1)
        with m.If(bus.r_stb):
            with m.If(bus.index < len(self.names)):
                m.d.sync += reading.eq(1)
            with m.Else():
                m.d.sync += [bus.r_data.eq(0), bus.done.eq(1)]
        return reading
