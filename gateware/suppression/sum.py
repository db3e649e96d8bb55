"""Internet checksum, one number per clock."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..headers import NEXT_HEADER_ICMPV6

__all__ = ["MessageSum", "is_summed"]


def is_summed(unit):
    """Of the 16-bit units of an untagged IPv6 frame: whether unit number ``unit`` counts for the checksum of an ICMPv6
    message without extension headers. That is the length, both addresses, and the message, which the caller ends."""
    return (unit == 9) | (unit >= 11)


class MessageSum(wiring.Component):
    """One's complement sum (RFC 1071) of the units of an ICMPv6 message and its pseudo header (RFC 8200, 8.1), in which
    the next header stands by itself.

    ``clear``         begins.
    ``add``, ``unit``  a unit that counts (:func:`is_summed`).
    ``total``         right two clocks after the last unit: carries come around a clock late.
    """

    def __init__(self):
        super().__init__({"clear": In(1), "add": In(1), "unit": In(16), "total": Out(16)})

    def elaborate(self, platform):
        m = Module()
        carry = Signal()
        added = self.unit & self.add.replicate(16)
        m.d.sync += Cat(self.total, carry).eq((Cat(carry, self.total) + Cat(carry, added))[1:])
        with m.If(self.clear):
            m.d.sync += [self.total.eq(NEXT_HEADER_ICMPV6), carry.eq(0)]
        return m
