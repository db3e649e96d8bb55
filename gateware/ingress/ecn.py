"""Explicit congestion notification at the end of a tunnel."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..headers import Congestion

__all__ = ["Decongestion"]

_NOT_ECT, _ECT_1, _ECT_0, _CE = 0b00, 0b01, 0b10, 0b11


class Decongestion(wiring.Component):
    """Carries the ECN field of an outer header over to the inner packet (RFC 6040, 4.2). Combinational.

    Members
    -------
    outer
        ECN field of the outer header.
    is_ipv4, is_ipv6
        What the inner packet is. Whatever is neither stays the same.
    octet, checksum
        The inner packet's second octet and its header checksum (IPv4).
    lost
        The packet must be dropped: it cannot tell that it experienced congestion.
    congestion
        How it changes.
    new_octet
        What its second octet becomes.
    new_sum
        Ones' complement of its new header checksum, in 17 bits: the carry is still to be added (RFC 1624, equation 3).
    """

    def __init__(self):
        super().__init__(
            {
                "outer": In(2),
                "is_ipv4": In(1),
                "is_ipv6": In(1),
                "octet": In(8),
                "checksum": In(16),
                "lost": Out(1),
                "congestion": Out(Congestion),
                "new_octet": Out(8),
                "new_sum": Out(17),
            }
        )

    def elaborate(self, platform):
        m = Module()
        inner = Signal(2)
        new = Signal(2)
        changes = Signal()
        m.d.comb += inner.eq(Mux(self.is_ipv4, self.octet[:2], self.octet[4:6]))
        m.d.comb += [
            self.lost.eq((self.is_ipv4 | self.is_ipv6) & (inner == _NOT_ECT) & (self.outer == _CE)),
            new.eq(self.outer),  # if anything changes
            changes.eq(
                ((self.outer == _CE) & ((inner == _ECT_0) | (inner == _ECT_1)))
                | ((self.outer == _ECT_1) & (inner == _ECT_0))
            ),
        ]
        with m.If(changes & self.is_ipv4):
            m.d.comb += self.congestion.eq(Congestion.IPV4)
        with m.Elif(changes & self.is_ipv6):
            m.d.comb += self.congestion.eq(Congestion.IPV6)
        m.d.comb += [
            self.new_octet.eq(
                Mux(
                    self.is_ipv4,
                    Cat(new, self.octet[2:]),
                    Cat(self.octet[:4], new, self.octet[6:]),
                )
            ),
            # By what the octet grows: 3 - 2, 3 - 1 or, in ones' complement, 1 - 2.
            self.new_sum.eq(~self.checksum + Mux(self.outer == _ECT_1, 0xFFFE, Mux(inner == _ECT_0, 1, 2))),
        ]
        return m
