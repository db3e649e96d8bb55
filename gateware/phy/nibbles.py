"""Between nibbles, one per clock, and octets: what MII, and RGMII and GMII below 1 Gb/s, carry."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .gmii import GmiiReceive

__all__ = ["NibbleAssembler", "NibbleSignature"]

_PREAMBLE = 0x5
_DELIMITER = 0xD
"""Second nibble of the start frame delimiter (IEEE 802.3, 22.2.3.2.2)."""


class NibbleSignature(wiring.Signature):
    """One nibble per clock. ``valid`` is RX_DV or TX_EN, ``error`` RX_ER or TX_ER."""

    def __init__(self):
        super().__init__({"valid": Out(1), "error": Out(1), "data": Out(4)})


class NibbleAssembler(wiring.Component):
    """Octets of nibbles, the first of which is the lower half.

    Octets begin anew where ``valid`` rises, and once more at the start frame delimiter, since a PHY may lose any number
    of preamble nibbles. A nibble without a second one at the end is dropped, as IEEE 802.3, 4.2.4.2.1 wants. The end of
    a packet shows at once: however short a gap is, two packets never become one. An error counts for both nibbles.

    ``output`` is two clocks per octet, but for what the above makes shorter; its members are registers, one clock
    behind ``input``.
    """

    def __init__(self):
        super().__init__({"input": In(NibbleSignature()), "output": Out(GmiiReceive())})

    def elaborate(self, platform) -> Module:
        m = Module()
        nibble, output = self.input, self.output
        was_valid = Signal()
        lower = Signal(4)
        lower_error = Signal()
        half = Signal()
        """``lower`` is the first half of an octet."""
        aligned = Signal()
        """The start frame delimiter of this packet has passed."""
        begins = nibble.valid & ~was_valid
        ends = ~nibble.valid & was_valid
        delimiter = nibble.valid & ~aligned & was_valid & (lower == _PREAMBLE) & (nibble.data == _DELIMITER)
        second = half & ~begins & ~ends
        emit = Signal()
        m.d.comb += emit.eq(second | delimiter | ends)
        m.d.sync += [
            was_valid.eq(nibble.valid),
            lower.eq(nibble.data),
            lower_error.eq(nibble.error),
            half.eq(~emit),
            aligned.eq(nibble.valid & (aligned | delimiter)),
            output.enable.eq(emit),
            output.valid.eq(nibble.valid),
            output.error.eq(nibble.error | (lower_error & second)),
            output.data.eq(Cat(lower, nibble.data)),
        ]
        return m
