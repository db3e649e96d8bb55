"""A small fully parallel exact-match table in registers: the stash of a cuckoo table."""

from amaranth.hdl import Array, Module, ShapeLike, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .bus import TableBus
from .match import Candidate, Matcher

__all__ = ["Cam"]


class Cam(wiring.Component):
    """``depth`` entries (:class:`Candidate`), all compared with ``key`` in each clock.

    ``hit`` and ``value`` belong to the key of two clocks earlier; ``value`` is 0 without
    a hit, and ``hit`` is 0 for a key given without ``enable``. The host writes one whole
    entry per clock through ``bus``; it must not leave two valid entries with the same key
    and different values. All entries are invalid after reset.
    """

    LATENCY = Matcher.LATENCY

    def __init__(self, key_bits: int, value: ShapeLike, depth: int):
        self.depth = depth
        self.entry = Candidate(key_bits, value)
        self._matcher = Matcher(key_bits, value, depth)
        super().__init__(
            {
                "enable": In(1),
                "key": In(key_bits),
                "hit": Out(1),
                "value": Out(value),
                "bus": In(TableBus(self.entry, depth)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.matcher = matcher = self._matcher
        entries = [Signal(self.entry, name=f"entry{index}") for index in range(self.depth)]
        m.d.comb += [
            matcher.enable.eq(self.enable),
            matcher.key.eq(self.key),
            self.hit.eq(matcher.hit),
            Value.cast(self.value).eq(Value.cast(matcher.value)),
        ]
        for index, entry in enumerate(entries):
            m.d.comb += Value.cast(matcher.candidates[index]).eq(Value.cast(entry))
            with m.If(self.bus.w_stb & (self.bus.index == index)):
                m.d.sync += Value.cast(entry).eq(Value.cast(self.bus.w_data))
        # The host reads a copy in LUT RAM, a quarter of what a multiplexer takes. Reset clears only what is valid.
        m.submodules.copy = copy = Memory(shape=self.entry, depth=self.depth, init=[])
        write, read = copy.write_port(), copy.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(self.bus.w_stb),
            write.addr.eq(self.bus.index),
            write.data.eq(self.bus.w_data),
            read.addr.eq(self.bus.index),
        ]
        m.d.sync += self.bus.done.eq(self.bus.w_stb | self.bus.r_stb)
        with m.If(self.bus.r_stb):
            m.d.sync += [
                self.bus.r_data.eq(read.data),
                self.bus.r_data.valid.eq(Array(entry.valid for entry in entries)[self.bus.index]),
            ]
        return m
