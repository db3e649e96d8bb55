"""Checksums of IPv4 and ICMPv6."""

import struct

from opentep.gateware.headers import NEXT_HEADER_ICMPV6

__all__ = ["icmpv6_sum", "internet_sum"]


def internet_sum(octets: bytes) -> int:
    """Ones' complement sum of the 16-bit words of ``octets`` (RFC 1071): all ones if a checksum in them is right, else
    the complement of the one to put there."""
    octets += bytes(len(octets) % 2)
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def icmpv6_sum(addresses: bytes, message: bytes) -> int:
    """The same of ``message`` and its pseudo header (RFC 8200, 8.1), which begins with source and destination
    ``addresses``."""
    return internet_sum(addresses + struct.pack(">II", len(message), NEXT_HEADER_ICMPV6) + message)
