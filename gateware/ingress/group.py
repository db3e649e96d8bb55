"""What the IP destination of a group frame says about its MAC destination."""

from amaranth.hdl import Cat, Const, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..headers import GroupAddress

__all__ = ["IPV4_GROUP", "GroupMatch"]

IPV4_GROUP = 0xE
"""First four bits of an IPv4 group (RFC 1112, 4)."""

_IPV4_PREFIX, _IPV6_PREFIX = 0x01005E, 0x3333
"""Of the MAC address that an IP group makes (RFC 1112, 6.4; RFC 2464, 7)."""
_LOW = 24
"""Bits of a tenant's group address behind its OUI: the last ones of the IP group, all ones for broadcast."""


class GroupMatch(wiring.Component):
    """Whether the destination of a frame is what its packet's IP destination makes: the MAC address of the group or
    broadcast, or, with ``restores``, a tenant's address of it (SPEC §5). Combinational.

    Members
    -------
    dst
        Destination MAC.
    is_ipv4, is_ipv6
        The packet is for an IP group.
    ip
        The last 32 bits of its destination.
    kind
        NONE if it is not.
    octet
        What takes the place of an octet of ``dst``: the fourth one of a tenant's group address; with ``restores`` the
        fourth one of an IPv4 group's, or the third one of an IPv6 group's address.
    """

    def __init__(self, *, restores: bool):
        self.restores = restores
        super().__init__(
            {
                "dst": In(48),
                "is_ipv4": In(1),
                "is_ipv6": In(1),
                "ip": In(32),
                "kind": Out(GroupAddress),
                "octet": Out(8),
            }
        )

    def elaborate(self, platform):
        m = Module()
        dst, ip = self.dst, self.ip
        if self.restores:
            low = dst[:_LOW] == ip[:_LOW]
            is_group, is_broadcast = (low, low), dst[:_LOW].all()
            m.d.comb += self.octet.eq(Mux(self.is_ipv4, ip[16:23], ip[24:]))
        else:
            of_ipv4 = dst == Cat(ip[:23], Const(_IPV4_PREFIX << 1, 25))
            of_ipv6 = dst == Cat(ip, Const(_IPV6_PREFIX, 16))
            is_group, is_broadcast = (of_ipv4, of_ipv6), dst.all()
            m.d.comb += self.octet.eq(Mux(self.is_ipv4 | self.is_ipv6, ip[16:24], 0xFF))
        with m.If(self.is_ipv4):
            m.d.comb += self.kind.eq(Mux(is_group[0], GroupAddress.IPV4, GroupAddress.NONE))
        with m.Elif(self.is_ipv6):
            m.d.comb += self.kind.eq(Mux(is_group[1], GroupAddress.IPV6, GroupAddress.NONE))
        with m.Else():
            m.d.comb += self.kind.eq(Mux(is_broadcast, GroupAddress.BROADCAST, GroupAddress.NONE))
        return m
