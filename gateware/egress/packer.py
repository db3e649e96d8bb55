"""From pieces of words to words."""

import itertools

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..packet import PacketSignature

__all__ = ["Chunk", "Packer"]

_FIRST_BITS = 1
"""Address bits of the rotator in the first clock, which also has to choose the source of the data."""
_MIDDLE_BITS = 3
_LAST_BITS = 2
"""In the last clock, before the merge."""


class Chunk(data.StructLayout):
    """``count`` octets of ``data``: 1 to ``width // 8``, none beyond the word's end.

    ``place``   where in its word of the output the first of them goes: 0 in a frame's first chunk, else behind
                the chunk before.
    ``rotate``  by how many octets it must move for that (modulo ``width // 8``): ``place`` less its place in
                ``data``.
    ``last``    the frame ends with them.
    """

    def __init__(self, width: int):
        octets = width // 8
        super().__init__(
            {
                "data": width,
                "place": range(octets),
                "rotate": range(octets),
                "count": range(octets + 1),
                "last": 1,
            }
        )


class Packer(wiring.Component):
    """Concatenates chunks into full words.

    Takes one chunk per clock, except that a frame may cost one clock more than it has chunks. A word is out
    :attr:`stages` clocks after the chunk that completes it, behind the merge: a register should follow.
    """

    def __init__(self, width: int):
        self.width = width
        self.octet_bits = ceil_log2(width // 8)
        self.stages = 1 + -(-max(0, self.octet_bits - _FIRST_BITS - _LAST_BITS) // _MIDDLE_BITS)
        """Clocks of the rotator before the merge."""
        super().__init__({"input": In(stream.Signature(Chunk(width))), "output": Out(PacketSignature(width))})

    def elaborate(self, platform):
        m = Module()
        octets = self.width // 8
        chunk = self.input.payload

        advance = Signal()
        m.d.comb += self.input.ready.eq(advance)

        # Rotate; what decides over the merge travels alongside.
        valid = self.input.valid
        rotated: Value = chunk.data
        distance: Value = chunk.rotate
        total: Value = Signal(range(2 * octets))
        m.d.comb += total.eq(chunk.place + chunk.count)
        new: Value = Signal(octets)  # octets of the word that come from this chunk, or from none
        m.d.comb += new.eq(Cat(chunk.place <= index for index in range(octets)))
        last: Value = chunk.last
        bits = iter(range(self.octet_bits))

        def rotate(count: int) -> Value:
            result = rotated
            for bit in itertools.islice(bits, count):
                result = Mux(distance[bit], result.rotate_left(8 << bit), result)
            return result

        for stage in range(self.stages):
            rotated = rotate(_MIDDLE_BITS if stage else _FIRST_BITS)
            registered = []
            for name, value in (
                ("valid", valid),
                ("rotated", rotated),
                ("distance", distance),
                ("total", total),
                ("new", new),
                ("last", last),
            ):
                register = Signal.like(value, name=f"{name}{stage}")
                with m.If(advance):
                    m.d.sync += register.eq(value)
                registered.append(register)
            valid, rotated, distance, total, new, last = registered
        rotated = rotate(_LAST_BITS)

        # Merge with what is left from before.
        output = self.output
        word = output.payload
        kept = Signal(self.width)
        kept_count = Signal(range(octets))
        flush = Signal()  # the frame's last octets did not fit into the word before
        full = Signal()
        over = Signal(range(octets))
        taken = Signal()
        m.d.comb += [
            advance.eq(~valid | (output.ready & ~flush)),
            taken.eq(valid & output.ready & ~flush),
            full.eq(total[self.octet_bits]),
            over.eq(total),
            output.valid.eq(flush | (valid & (full | last))),
            word.last.eq(flush | (last & (~full | (over == 0)))),
            word.count.eq(Mux(flush, kept_count, Mux(full, octets, total))),
        ]
        with m.If(output.ready):
            m.d.sync += flush.eq(valid & ~flush & last & full & (over != 0))
        with m.If(taken):
            m.d.sync += kept_count.eq(over)
        for index in range(octets):
            octet = slice(8 * index, 8 * index + 8)
            m.d.comb += word.data[octet].eq(Mux(new[index] & ~flush, rotated[octet], kept[octet]))
            # Behind a full word all is new; else what came before stays.
            with m.If(taken & (full | new[index])):
                m.d.sync += kept[octet].eq(rotated[octet])
        return m
