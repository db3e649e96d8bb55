"""Words of a frame made wider and narrower, without a gap."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..packet import PacketSignature

__all__ = ["Narrower", "Widener"]


def _octet_bits(narrow: int, wide: int) -> int:
    """Bits that count the octets of a narrow word."""
    for width in (narrow, wide):
        if not isinstance(width, int) or width < 8 or width & (width - 1):
            raise ValueError(f"width must be 8 or a power of two above, not {width!r}")
    if narrow >= wide:
        raise ValueError(f"the narrow width must be less than the wide one, not {narrow} and {wide}")
    return ceil_log2(narrow // 8)


class Widener(wiring.Component):
    """Collects words of ``narrow`` bits into words of ``wide`` bits. Takes one in every clock, and never waits; unless
    it ``waits`` for its output, whose ``ready`` is then the input's, but for a gate.

    A word is out one clock after the narrow one that completes it or ends the frame; ``output`` is registered. Without
    ``waits`` its payload holds for the clock of ``valid`` only.
    """

    def __init__(self, narrow: int, wide: int, *, waits: bool = False):
        self._octet_bits = _octet_bits(narrow, wide)
        self.narrow = narrow
        self.wide = wide
        self.waits = waits
        super().__init__(
            {
                "input": In(PacketSignature(narrow, always_ready=not waits)),
                "output": Out(PacketSignature(wide, always_ready=not waits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        word, output = self.input.payload, self.output
        parts = self.wide // self.narrow
        position = Signal(range(parts))
        advance = ~self.output.valid | self.output.ready
        if self.waits:
            m.d.comb += self.input.ready.eq(advance)
        with m.If(advance):
            m.d.sync += output.valid.eq(self.input.valid & (word.last | (position == parts - 1)))
        with m.If(advance & self.input.valid):
            m.d.sync += [
                position.eq(Mux(word.last, 0, position + 1)),
                output.payload.data.word_select(position, self.narrow).eq(word.data),
                output.payload.count.eq((position << self._octet_bits) + word.count),
                output.payload.last.eq(word.last),
                output.payload.error.eq(word.error),
            ]
        return m


class Narrower(wiring.Component):
    """Hands out words of ``wide`` bits in words of ``narrow`` bits. Latency 0, one word per clock.

    The wide word must stay at the input until its last part is taken, as it does in a stream.
    """

    def __init__(self, wide: int, narrow: int):
        self._octet_bits = _octet_bits(narrow, wide)
        self.wide = wide
        self.narrow = narrow
        super().__init__({"input": In(PacketSignature(wide)), "output": Out(PacketSignature(narrow))})

    def elaborate(self, platform):
        m = Module()
        word, output = self.input.payload, self.output
        position = Signal(range(self.wide // self.narrow))
        final = Signal()
        m.d.comb += [
            final.eq(position == (word.count - 1)[: len(word.count)] >> self._octet_bits),
            output.valid.eq(self.input.valid),
            output.payload.data.eq(word.data.word_select(position, self.narrow)),
            output.payload.count.eq(
                Mux(final, word.count - (position << self._octet_bits), self.narrow // 8)
            ),
            output.payload.last.eq(word.last & final),
            output.payload.error.eq(word.error),
            self.input.ready.eq(output.ready & final),
        ]
        with m.If(self.input.valid & output.ready):
            m.d.sync += position.eq(Mux(final, 0, position + 1))
        return m
