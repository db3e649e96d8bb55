"""Host access to a table."""

from collections.abc import Sequence

from amaranth.hdl import Module, Shape, ShapeLike
from amaranth.lib.wiring import In, Out, PureInterface, Signature, connect

__all__ = ["WORD_BITS", "TableBus", "WordBus", "broadcast"]

WORD_BITS = 32
"""Width of everything that the host reads and writes."""


class TableBus(Signature):
    """One whole entry per transfer, so that a frame never sees half of one.

    The initiator (the register bank) raises ``w_stb`` or ``r_stb`` for one clock with ``index`` (and
    ``w_data``) and keeps both stable until the table raises ``done`` for one clock, in the same clock or any
    later one. ``r_data`` is valid with ``done`` and stays until the next transfer.
    """

    def __init__(self, entry: ShapeLike, depth: int):
        self.entry = entry
        self.depth = depth
        super().__init__(
            {
                "index": Out(range(depth)),
                "w_stb": Out(1),
                "w_data": Out(entry),
                "r_stb": Out(1),
                "r_data": In(entry),
                "done": In(1),
            }
        )


class WordBus(Signature):
    """Like :class:`TableBus` for entries too wide to move at once: one word per transfer, number ``word``, 0 with
    the entry's lowest bits.

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


def broadcast(m: Module, host: PureInterface, copies: Sequence[PureInterface]) -> None:
    """Let the :class:`TableBus` ``host`` write all of ``copies``, which take the same time, and read the first."""
    first, *others = copies
    connect(m, host, first)
    for copy in others:
        m.d.comb += [
            copy.index.eq(host.index),
            copy.w_stb.eq(host.w_stb),
            copy.w_data.eq(host.w_data),
        ]
