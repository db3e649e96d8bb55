"""Group addresses of tenants (SPEC §5, the ``ingress`` method): the OUI says for which tenant a copy is."""

from opentep.gateware.headers import ETHERTYPE_IPV4, ETHERTYPE_IPV6

from .octets import from_octets, mac_octets
from .packet import EthernetHeader

__all__ = ["restorable", "restore", "rewrite"]

_LOW = 0xFFFFFF
_HEADERS = {ETHERTYPE_IPV4: 34, ETHERTYPE_IPV6: 54}
"""Octets of Ethernet and IP header."""


def restorable(inner: bytes) -> bool:
    """Whether :func:`restore` can tell the destination: it is broadcast, or what the packet's IP group makes."""
    made = _destination(inner)
    return made is not None and EthernetHeader.parse(inner).dst == made[0]


def rewrite(inner: bytes, group_oui: int) -> bytes:
    """``inner``, which is restorable, with the group address that begins with ``group_oui`` as destination."""
    made = _destination(inner)
    assert made is not None
    return mac_octets(group_oui << 24 | made[1]) + inner[6:]


def restore(inner: bytes) -> bytes | None:
    """``inner`` with the destination that a stack gives it, instead of a tenant's group address.

    ``None`` if that address is not the packet's.
    """
    made = _destination(inner)
    if made is None or EthernetHeader.parse(inner).dst & _LOW != made[1]:
        return None
    return mac_octets(made[0]) + inner[6:]


def _destination(inner: bytes) -> tuple[int, int] | None:
    """MAC address that the packet's IP destination makes (RFC 1112, 6.4; RFC 2464, 7), or broadcast if that is no group
    address, and the last 24 bits of the tenant's address for it; ``None`` if the IP header is cut short."""
    kind = EthernetHeader.parse(inner).ethertype
    if len(inner) < _HEADERS.get(kind, 0):
        return None
    if kind == ETHERTYPE_IPV4 and inner[30] >> 4 == 0xE:
        group = from_octets(inner[30:34])
        return 0x01005E << 24 | group & 0x7FFFFF, group & _LOW
    if kind == ETHERTYPE_IPV6 and inner[38] == 0xFF:
        group = from_octets(inner[50:54])
        return 0x3333 << 32 | group, group & _LOW
    return 0xFFFFFFFFFFFF, _LOW
