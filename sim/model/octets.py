"""Octet helpers that every header needs."""

__all__ = ["checksum", "from_octets", "is_group", "mac_octets", "oui"]


def from_octets(octets: bytes) -> int:
    """Unsigned integer whose most significant octet is the first on the wire."""
    return int.from_bytes(octets, "big")


def mac_octets(mac: int) -> bytes:
    """A MAC address as on the wire."""
    return mac.to_bytes(6, "big")


def is_group(mac: int) -> bool:
    """Whether the I/G bit is set: the lowest bit of the first octet (IEEE 802, 8.2)."""
    return bool(mac >> 40 & 1)


def oui(mac: int) -> int:
    """The first three octets: the tenant's identity."""
    return mac >> 24


def checksum(octets: bytes) -> int:
    """Internet checksum (RFC 1071) of ``octets``; an odd last octet is padded with zero."""
    total = sum(from_octets(octets[k : k + 2].ljust(2, b"\0")) for k in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
