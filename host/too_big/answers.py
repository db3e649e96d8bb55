"""Answers to frames of VMs that are too big, as the VM gets them."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from opentep.gateware.headers import (
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_VLAN,
    IPV6_BYTES,
    NEXT_HEADER_ICMPV6,
    TAG_BYTES,
)
from opentep.host.checksum import icmpv6_sum, internet_sum

from .packets import Packet, answerable_ipv4, answerable_ipv6

__all__ = ["Answer", "answer", "wanted"]

_ADDRESSES = 12
"""Octets of both MAC addresses."""
_ETHERNET_BYTES = 14
_SERVICE_TAG = 0x88A8
_HOP_LIMIT = 64

_IPV4_LEAST = 68
"""Octets that every link takes (RFC 791)."""
_IPV4_LONGEST = 576
"""Octets of an ICMP error (RFC 1812, 4.3.2.3)."""
_IPV6_LEAST = 1280
"""Octets that every link takes (RFC 8200, 5), and those of an ICMPv6 error (RFC 4443, 2.4(c))."""
_IPV4_BYTES, _ICMP_BYTES = 20, 8
_NETWORK_CONTROL = 0xC0
"""Precedence of ICMP errors (RFC 1812, 4.3.2.5)."""
_DONT_FRAGMENT = 0x4000
_ICMP = 1
_UNREACHABLE, _FRAGMENTATION_NEEDED = 3, 4
_PACKET_TOO_BIG = 2


def wanted(room: int) -> int:
    """Octets of a frame that an answer of ``room`` octets depends on."""
    most = _ETHERNET_BYTES + TAG_BYTES + _IPV6_LEAST
    return min(room, most) - _IPV4_BYTES - _ICMP_BYTES


@dataclass(frozen=True)
class Answer:
    """What a VM is told."""

    frame: bytes
    """Without FCS."""
    about: bytes
    """Sender and destination, by MAC and IP address: the same in every answer to one about the other."""


def answer(frame: bytes, largest: int, room: int) -> Answer | None:
    """What tells the sender of ``frame`` how big its packets may be; ``None`` if it must not be told, or would learn
    nothing.

    The answer is from the addresses that the packet was for, MAC and IP, and has the tag of ``frame``.

    ``frame``    as it came in on an access port, at least the beginning.
    ``largest``  octets of the largest frame, without the tag that the TEP removes, that the tunnel takes.
    ``room``     octets that the answer may have.
    """
    start = _payload(frame)
    family = _FAMILIES.get(_type(frame, start - 2))
    if family is None:
        return None
    tag = TAG_BYTES if _type(frame, _ADDRESSES) == ETHERTYPE_VLAN else 0
    mtu = largest - (start - tag)
    packet = family.answerable(frame[start:])
    if packet is None or not family.least_mtu <= mtu < packet.length:
        return None
    link = frame[6:12] + frame[:6] + frame[_ADDRESSES:start]
    reply = family.compose(packet, mtu, min(room - start, family.longest))
    return Answer(link + reply, link + packet.destination + packet.source)


def _payload(frame: bytes) -> int:
    """Where it begins: behind the EtherType that is no tag. A VM may have VLANs of its own behind the TEP's tag."""
    start = _ETHERNET_BYTES
    while _type(frame, start - 2) in (ETHERTYPE_VLAN, _SERVICE_TAG):
        start += TAG_BYTES
    return start


def _type(frame: bytes, offset: int) -> int:
    return int.from_bytes(frame[offset : offset + 2], "big")


def _fragmentation_needed(packet: Packet, mtu: int, room: int) -> bytes:
    """An IPv4 packet of at most ``room`` octets: destination unreachable (RFC 792), with the MTU (RFC 1191, 4)."""
    quoted = packet.octets[: room - _IPV4_BYTES - _ICMP_BYTES]
    message = _with_sum(struct.pack(">BBHHH", _UNREACHABLE, _FRAGMENTATION_NEEDED, 0, 0, mtu) + quoted, 2)
    header = struct.pack(
        ">BBHHHBBH",
        0x45,
        _NETWORK_CONTROL,
        _IPV4_BYTES + len(message),
        0,
        _DONT_FRAGMENT,
        _HOP_LIMIT,
        _ICMP,
        0,
    )
    return _with_sum(header + packet.destination + packet.source, 10) + message


def _with_sum(octets: bytes, offset: int) -> bytes:
    """``octets`` with their checksum at ``offset``, where zeros stand."""
    checksum = 0xFFFF - internet_sum(octets)
    return octets[:offset] + checksum.to_bytes(2, "big") + octets[offset + 2 :]


def _packet_too_big(packet: Packet, mtu: int, room: int) -> bytes:
    """An IPv6 packet of at most ``room`` octets: packet too big (RFC 4443, 3.2)."""
    quoted = packet.octets[: room - IPV6_BYTES - _ICMP_BYTES]
    addresses = packet.destination + packet.source
    message = struct.pack(">BBHI", _PACKET_TOO_BIG, 0, 0, mtu) + quoted
    checksum = 0xFFFF - icmpv6_sum(addresses, message)
    header = struct.pack(">IHBB", 6 << 28, len(message), NEXT_HEADER_ICMPV6, _HOP_LIMIT)
    return header + addresses + message[:2] + checksum.to_bytes(2, "big") + message[4:]


@dataclass(frozen=True)
class _Family:
    """A version of IP."""

    answerable: Callable[[bytes], Packet | None]
    compose: Callable[[Packet, int, int], bytes]
    least_mtu: int
    """Hosts ignore what says less (RFC 8201, 4)."""
    longest: int
    """Octets of an ICMP error."""


_FAMILIES = {
    ETHERTYPE_IPV4: _Family(answerable_ipv4, _fragmentation_needed, _IPV4_LEAST, _IPV4_LONGEST),
    ETHERTYPE_IPV6: _Family(answerable_ipv6, _packet_too_big, _IPV6_LEAST, _IPV6_LEAST),
}
