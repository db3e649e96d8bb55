"""Packets that may be answered with an ICMP error, and those that must not."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from opentep.gateware.headers import IPV6_BYTES, NEXT_HEADER_ICMPV6
from opentep.host.checksum import internet_sum

__all__ = ["Packet", "answerable_ipv4", "answerable_ipv6"]

_IPV4_BYTES = 20
_DONT_FRAGMENT = 0x4000
_FRAGMENT_OFFSET = 0x1FFF
_ICMP = 1
_ICMP_ERRORS = (3, 4, 5, 11, 12)
"""Types (RFC 1122, 3.2.2): unreachable, source quench, redirect, time exceeded, parameter problem."""
_ICMPV6_INFORMATIONAL = 128
"""Types below are errors (RFC 4443, 2.1)."""
_ICMPV6_REDIRECT = 137
_FRAGMENT = 44
_OPTIONS_OR_ROUTING = (0, 43, 60)
_QUOTED = 8
"""Octets behind the IPv4 header that an answer has at least (RFC 792)."""


@dataclass(frozen=True)
class Packet:
    """An IP packet whose sender wants to hear of errors."""

    source: bytes
    destination: bytes
    length: int
    """Octets of the whole packet, by its header."""
    octets: bytes
    """The beginning, as much as there is; nothing of what stands behind the packet in its frame."""


def answerable_ipv4(octets: bytes) -> Packet | None:
    """The IPv4 packet that begins with ``octets``; ``None`` if no "fragmentation needed" is due.

    None is due for packets without DF, which a router would fragment (RFC 1191, 3), nor for the cases of RFC 1122,
    3.2.2, nor for what is damaged.
    """
    if len(octets) < _IPV4_BYTES:
        return None
    header = 4 * (octets[0] & 0xF)
    if octets[0] >> 4 != 4 or header < _IPV4_BYTES or internet_sum(octets[:header]) != 0xFFFF:
        return None
    length, fragment = (int.from_bytes(octets[at : at + 2], "big") for at in (2, 6))
    packet = Packet(octets[12:16], octets[16:20], length, octets[:length])
    if not fragment & _DONT_FRAGMENT or fragment & _FRAGMENT_OFFSET:
        return None
    if len(packet.octets) < header + _QUOTED:
        return None
    if octets[9] == _ICMP and octets[header] in _ICMP_ERRORS:
        return None
    return packet if all(map(_is_ipv4_host, (packet.source, packet.destination))) else None


def answerable_ipv6(octets: bytes) -> Packet | None:
    """The IPv6 packet that begins with ``octets``; ``None`` if no "packet too big" is due by RFC 4443, 2.4(e), or if
    it cannot be told, as extension headers go beyond ``octets``.

    Of fragments only the first is answered: the others follow it, and tell receivers of an answer nothing.
    """
    if len(octets) < IPV6_BYTES or octets[0] >> 4 != 6:
        return None
    length = IPV6_BYTES + int.from_bytes(octets[4:6], "big")
    packet = Packet(octets[8:24], octets[24:40], length, octets[:length])
    if not all(map(_is_ipv6_host, (packet.source, packet.destination))):
        return None
    return packet if _wants_errors(packet.octets) else None


def _wants_errors(octets: bytes) -> bool:
    """Whether an IPv6 packet is seen to be neither an ICMPv6 error or redirect nor a fragment other than the first."""
    kind, at = octets[6], IPV6_BYTES
    while kind in (*_OPTIONS_OR_ROUTING, _FRAGMENT):
        header = octets[at : at + 8]
        if len(header) < 8:
            return False
        if kind == _FRAGMENT and int.from_bytes(header[2:4], "big") >> 3:
            return False
        kind, at = header[0], at + (8 if kind == _FRAGMENT else 8 * (header[1] + 1))
    if at >= len(octets):
        return False
    icmp_type = octets[at]
    return kind != NEXT_HEADER_ICMPV6 or (
        icmp_type >= _ICMPV6_INFORMATIONAL and icmp_type != _ICMPV6_REDIRECT
    )


def _is_ipv4_host(octets: bytes) -> bool:
    """Whether an address names a single host. Broadcast of its subnet is not to be told from outside."""
    address = IPv4Address(octets)
    is_other = address.is_multicast or address.is_reserved or address.is_loopback
    return octets[0] != 0 and not is_other


def _is_ipv6_host(octets: bytes) -> bool:
    address = IPv6Address(octets)
    return not (address.is_multicast or address.is_unspecified or address.is_loopback)
