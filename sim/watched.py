"""Memories of which a proof knows one entry only.

The solver chooses which. What is proved of that entry holds for each of them, and the solver has no whole memory to
reason about.
"""

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Shape, ShapeLike, Signal, Value
from amaranth.utils import exact_log2
from opentep.gateware.tables.memory import BlockRAM

__all__ = ["WatchedMemory", "WatchedRAM"]


class _Port:
    """The members of a write or read port that the blocks use."""

    def __init__(self, shape: ShapeLike, depth: int):
        self.en = Signal()
        self.addr = Signal(range(depth))
        self.data = Signal(shape)


class WatchedMemory(Elaboratable):
    """What a block takes for its ``Memory`` with one write port and one combinational read port; of
    :class:`WatchedRAM`'s kind, with entries of one row."""

    def __init__(self, *, shape: ShapeLike, depth: int, init: object = None):
        self.write = _Port(shape, depth)
        self.read = _Port(shape, depth)
        self.watch = Signal()
        self.junk = Signal(Shape.cast(shape))
        self.known = Signal()
        self.at = Signal(range(depth))
        self.entry = Signal(Shape.cast(shape))

    def write_port(self) -> _Port:
        return self.write

    def read_port(self, *, domain: str) -> _Port:
        if domain != "comb":
            raise ValueError(f"domain must be 'comb', not {domain!r}; see WatchedRAM for others")
        return self.read

    def elaborate(self, platform) -> Module:
        m = Module()
        write, read = self.write, self.read
        m.d.comb += Value.cast(read.data).eq(Mux(self.known & (read.addr == self.at), self.entry, self.junk))
        with m.If(write.en & (self.watch | (write.addr == self.at))):
            m.d.sync += self.entry.eq(Value.cast(write.data))
        with m.If(self.watch):
            m.d.sync += [self.known.eq(1), self.at.eq(write.addr)]
        return m


class WatchedRAM(BlockRAM):
    """A :class:`BlockRAM`, always enabled, with entries of ``rows`` rows, whose reads give ``junk`` but for one entry.

    ``watch``  strobe: the row that is written is the first one of the entry that is known from now on.
    ``junk``   what all other reads give, and those of a row in the clock in which it is written; for the contract to
               drive.
    ``known``, ``at``, ``entry``
               whether there is such an entry, where it stands, and its bits.
    """

    def __init__(self, shape: ShapeLike, depth: int, *, rows: int = 1):
        super().__init__(shape, depth)
        self.row_bits = exact_log2(rows)
        width = Shape.cast(shape).width
        self.watch = Signal()
        self.junk = Signal(width)
        self.known = Signal()
        self.at = Signal(range(depth // rows))
        self.entry = Signal(rows * width)

    def elaborate(self, platform) -> Module:
        m = Module()
        width = len(self.junk)
        writes = self.w_en & (self.watch | (self.known & (self.w_addr[self.row_bits :] == self.at)))
        with m.If(writes):
            m.d.sync += self.entry.word_select(self._row(self.w_addr), width).eq(Value.cast(self.w_data))
        with m.If(self.watch):
            m.d.sync += [self.known.eq(1), self.at.eq(self.w_addr[self.row_bits :])]
        collides = self.w_en & (self.w_addr == self.r_addr)
        hit, word = Signal(), Signal(width)
        m.d.sync += [
            hit.eq(self.known & (self.r_addr[self.row_bits :] == self.at) & ~collides),
            word.eq(self.entry.word_select(self._row(self.r_addr), width)),
            Value.cast(self.r_data).eq(Mux(hit, word, self.junk)),
        ]
        return m

    def _row(self, address: Value) -> Value:
        return Cat(address[: self.row_bits], Const(0, 1))
