"""The FCS (IEEE 802.3, 3.2.9) of frames that come eight octets at a time and end anywhere."""

from collections.abc import Callable

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out

__all__ = ["INTACT", "FcsRewinder", "WideCrc", "after_zeros"]

_POLYNOMIAL = 0xEDB88320
"""Lowest bit first, as octets travel."""
_INITIAL = 0xFFFFFFFF
INTACT = 0xDEBB20E3
"""The register behind an intact frame with its FCS."""
_WORD_OCTETS = 8
_HALF = 32
_LUT_INPUTS = 4


def after_zeros(register: int, octets: int) -> int:
    """The CRC's register after that many octets of zero; if negative, what it was before them."""
    for _ in range(8 * abs(octets)):
        if octets > 0:
            register = register >> 1 ^ (_POLYNOMIAL if register & 1 else 0)
        elif register >> 31:
            register = (register ^ _POLYNOMIAL) << 1 | 1
        else:
            register <<= 1
    return register


def _linear(m: Module, function: Callable[[int], int], value: Value) -> Value:
    """``function``, which must be linear, of the 32 bits of ``value``.

    Each bit of the result is the sum of some 16 bits. Sums within groups of four, the inputs of a LUT, are shared, as
    many of them are alike.
    """
    images = [function(1 << bit) for bit in range(_HALF)]
    sums: dict[tuple[int, ...], Signal] = {}
    rows = []
    for row in range(_HALF):
        parts = []
        for group in range(0, _HALF, _LUT_INPUTS):
            bits = tuple(bit for bit in range(group, group + _LUT_INPUTS) if images[bit] >> row & 1)
            if bits and bits not in sums:
                sums[bits] = Signal(name="sum_" + "_".join(map(str, bits)))
                m.d.comb += sums[bits].eq(Cat(value[bit] for bit in bits).xor())
            if bits:
                parts.append(sums[bits])
        rows.append(Cat(parts).xor())
    return Cat(rows)


class WideCrc(Component):
    """The CRC's register behind every word of a frame: :attr:`LATENCY` clocks after a word was at ``data``,
    ``register`` has taken it in.

    ``begin``  the next word is the frame's first.
    ``data``   octets, the first lowest. Those behind the frame's last octet must be zero, and so must be the lower half
               of the word behind its last one, and the word with ``begin``. The octets of zero count; who knows how
               many there were can take that into account.

    With two halves ``low`` and ``high`` of a word the register becomes ``A (register + low) + B high``. Kept is not the
    register but its sum with the next word's ``low``, so that all that is known before is one addend, and the loop has
    but one sum of some 17 bits.
    """

    LATENCY = 3

    data: In(64)
    begin: In(1)
    register: Out(32)

    def elaborate(self, platform) -> Module:
        m = Module()
        high = Signal(_HALF)
        known = Signal(_HALF)
        begun = Signal()
        summed = Signal(_HALF)
        following = Signal(_HALF)
        m.d.comb += following.eq(_linear(m, lambda bits: after_zeros(bits, _WORD_OCTETS), summed) ^ known)
        m.d.sync += [
            high.eq(self.data[_HALF:]),
            known.eq(_linear(m, lambda bits: after_zeros(bits, _WORD_OCTETS // 2), high) ^ self.data[:_HALF]),
            begun.eq(self.begin),
            summed.eq(following),
            # In flip-flops of its own: the word with `begin` may be the one behind a frame.
            self.register.eq(following),
        ]
        with m.If(begun):
            # What eight octets of zero make the CRC's initial value of.
            m.d.sync += summed.eq(after_zeros(_INITIAL, -_WORD_OCTETS))
        return m


class FcsRewinder(Component):
    """Takes up to seven octets of zero back out of a CRC's register: one that was computed over whole words becomes
    that of the frame. It is out :attr:`LATENCY` clocks later, one value per clock.

    A zero octet's step of the CRC can be undone, at any time and without the octets before it; so eight ways
    to end a frame need three conditional steps of 4, 2 and 1 octets behind a CRC of one width.
    """

    LATENCY = 3

    register: In(32)
    octets: In(3)
    result: Out(32)

    def elaborate(self, platform) -> Module:
        m = Module()
        register, octets = self.register, self.octets
        for bit in reversed(range(self.LATENCY)):
            stage, left = Signal(32, name=f"rewound{bit}"), Signal(3, name=f"left{bit}")
            rewound = _linear(m, lambda bits, bit=bit: after_zeros(bits, -1 << bit), register)
            m.d.sync += [stage.eq(Mux(octets[bit], rewound, register)), left.eq(octets)]
            register, octets = stage, left
        m.d.comb += self.result.eq(register)
        return m
