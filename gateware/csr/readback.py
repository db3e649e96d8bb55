"""What the host reads back of registers that the core never changes."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..tables.memory import BlockRAM
from .bus import ADDR_BITS, WORD_BITS
from .memory_map import Resource

__all__ = ["Readback"]


class Readback(wiring.Component):
    """A copy of ``registers`` in one RAM, for reading. The registers are all over the core, beside what they tell; a
    multiplexer of them all and the wires to it would be the largest part of a :class:`~.bank.Bank`.

    ``addr``     of a word.
    ``hits``     a bit for each of ``registers``: set if the word at ``addr`` is its.
    ``data``     that word, 0 if it belongs to none: once ``addr`` has been what it is for three clocks and ``hits`` for
                 two, all of them later than the last one in which ``ready`` was low.
    ``commit``   for a clock: the register that ``hits`` tells takes its words from ``words``, the last one topmost,
                 whose bits beyond the register do not count. ``addr``, that of the last word, and the others stay as
                 they are until ``ready`` is high again.
    ``ready``    low for as many clocks as a register has words after ``commit``. After reset it is low for a clock per
                 word of the address space up to the end of the last register, rounded up to a power of two, while all
                 get their values of then.
    """

    def __init__(self, registers: Sequence[Resource]):
        self.registers = registers
        self.written = [k for k, resource in enumerate(registers) if not resource.element.is_constant]
        self.longest = max((registers[k].element.words for k in self.written), default=1)
        super().__init__(
            {
                "addr": In(ADDR_BITS),
                "hits": In(len(registers)),
                "data": Out(WORD_BITS),
                "commit": In(1),
                "words": In(self.longest * WORD_BITS),
                "ready": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        resets = self._resets()
        m.submodules.ram = ram = BlockRAM(WORD_BITS, len(resets))

        # Facts about the addressed register.
        is_one, last_word, mask = Signal(), Signal(range(self.longest)), Signal(WORD_BITS)
        written = [(self.registers[k].element, self.hits[k]) for k in self.written]
        tops = [((element.width - 1) % WORD_BITS, hit) for element, hit in written]
        m.d.sync += [
            is_one.eq(self.hits.any()),
            last_word.eq(reduce(or_, (Mux(hit, element.words - 1, 0) for element, hit in written), Const(0))),
            mask.eq(Cat(Cat(hit for top, hit in tops if top >= bit).any() for bit in range(WORD_BITS))),
        ]
        m.d.comb += ram.r_addr.eq(self.addr)
        m.d.sync += self.data.eq(Mux(is_one, ram.r_data, 0))

        # After reset ``index`` walks over all words; then ``behind`` walks from a register's last word to its first.
        walk = Signal(range(len(resets) + 1))
        index, is_reset = walk[:-1], walk[-1]
        behind, copying = Signal.like(last_word), Signal()
        words = Array(self.words.word_select(self.longest - 1 - k, WORD_BITS) for k in range(self.longest))
        m.d.comb += self.ready.eq(is_reset & ~copying)
        with m.If(~is_reset):
            m.d.sync += [
                walk.eq(walk + 1),
                ram.w_en.eq(1),
                ram.w_addr.eq(index),
                ram.w_data.eq(Array(resets)[index]),
            ]
        with m.Else():
            m.d.sync += [
                ram.w_en.eq(copying),
                ram.w_addr.eq(self.addr - behind),
                ram.w_data.eq(words[behind] & (mask | (behind != 0).replicate(WORD_BITS))),
            ]
        with m.If(copying):
            m.d.sync += [behind.eq(behind + 1), copying.eq(behind != last_word)]
        with m.Else():
            m.d.sync += [behind.eq(0), copying.eq(self.commit)]
        return m

    def _resets(self) -> list[int]:
        """All words after reset, by address."""
        end = max((resource.end for resource in self.registers), default=0)
        words = [0] * (1 << ceil_log2(max(2, end)))
        for resource in self.registers:
            for k in range(resource.element.words):
                words[resource.start + k] = resource.element.reset >> k * WORD_BITS & (1 << WORD_BITS) - 1
        return words
