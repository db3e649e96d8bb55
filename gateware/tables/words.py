"""Host access to a table whose entries are too wide to move at once."""

from amaranth.hdl import Cat, Const, Module, Shape, ShapeLike, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, Signature

from .bus import TableBus

__all__ = ["WORD_BITS", "ByWord", "WordBus"]

WORD_BITS = 32


class WordBus(Signature):
    """Like :class:`~.bus.TableBus`, but one word per transfer: number ``word``, 0 with the entry's lowest bits.

    The words of an entry are written one after the other from word 0 on, with no other transfer between them;
    the write of the last one makes all of them the entry ``index`` at once. Reads are of any word.
    """

    def __init__(self, entry: ShapeLike, depth: int):
        self.entry = entry
        self.depth = depth
        self.words = -(-Shape.cast(entry).width // WORD_BITS)
        super().__init__(
            {
                "index": Out(range(depth)),
                "word": Out(range(self.words)),
                "w_stb": Out(1),
                "w_data": Out(WORD_BITS),
                "r_stb": Out(1),
                "r_data": In(WORD_BITS),
                "done": In(1),
            }
        )


class ByWord(wiring.Component):
    """From a :class:`~.bus.TableBus` (``entries``) to a :class:`WordBus` (``words``): a transfer of a whole entry
    becomes one of each of its words."""

    def __init__(self, entry: ShapeLike, depth: int):
        self.count = -(-Shape.cast(entry).width // WORD_BITS)
        super().__init__({"entries": In(TableBus(entry, depth)), "words": Out(WordBus(entry, depth))})

    def elaborate(self, platform):
        m = Module()
        entries, words = self.entries, self.words
        width = Shape.cast(entries.w_data.shape()).width
        written = Signal(self.count * WORD_BITS)
        read = Signal(self.count * WORD_BITS)
        writing = Signal()
        here = Signal(self.count, init=1)  # the word in turn, one bit each
        chosen = Const(0, WORD_BITS)
        for number in range(self.count):
            chosen |= written.word_select(number, WORD_BITS) & here[number].replicate(WORD_BITS)
        m.d.comb += [
            words.index.eq(entries.index),
            written.eq(Value.cast(entries.w_data)),
            words.w_data.eq(chosen),
            Value.cast(entries.r_data).eq(read[:width]),
        ]
        m.d.sync += [words.w_stb.eq(entries.w_stb), words.r_stb.eq(entries.r_stb), entries.done.eq(0)]
        with m.If(entries.w_stb | entries.r_stb):
            m.d.sync += [words.word.eq(0), here.eq(1), writing.eq(entries.w_stb)]
        with m.If(words.done):
            m.d.sync += read.eq(Cat(read[WORD_BITS:], words.r_data))
            with m.If(words.word == self.count - 1):
                m.d.sync += entries.done.eq(1)
            with m.Else():
                m.d.sync += [
                    words.word.eq(words.word + 1),
                    here.eq(here << 1),
                    words.w_stb.eq(writing),
                    words.r_stb.eq(~writing),
                ]
        return m
