"""What a TEP takes out of an IPv6 packet: the tunnelled frame, whatever wraps it (SPEC §3)."""

from dataclasses import dataclass

from .octets import from_octets
from .packet import Ipv6Header

__all__ = ["Tunnelled", "find_tunnel"]

_ETHERNET, _ETHERIP, _GRE, _UDP = 143, 97, 47, 17
_ROUTING, _DESTINATION_OPTIONS = 43, 60
_MOST_OPTIONS = 56
"""Octets of extension headers that a TEP looks behind."""
_ETHERIP_VERSION = 0x3000
_GRE_WITH_KEY, _TRANSPARENT_BRIDGING = 0x2000, 0x6558
_VXLAN_PORT = 4789
_VXLAN_VALID = 0x08
_ETHERNET_HEADER = 14


@dataclass(frozen=True)
class Tunnelled:
    """A frame that came through a tunnel.

    ``inner`` is None if the packet contradicts itself. ``network`` is the virtual network that its header names
    (VNI of VXLAN, VSID of NVGRE); None if the frame's own addresses tell the tenant.
    """

    inner: bytes | None
    network: int | None = None


def _next_header(packet: Ipv6Header) -> tuple[int, int] | None:
    """The header behind the extension headers, and its offset in the payload; None if there is none.

    A routing header with segments left is for somebody else (RFC 8200, 4.4).
    """
    header, offset = packet.next_header, 0
    there = min(packet.payload_length, len(packet.rest))
    while header in (_ROUTING, _DESTINATION_OPTIONS):
        if offset + 8 > there:
            return None
        if header == _ROUTING and packet.rest[offset + 3] != 0:
            return None
        header, offset = packet.rest[offset], offset + 8 * (packet.rest[offset + 1] + 1)
        if offset > min(there, _MOST_OPTIONS):
            return None
    return header, offset


def find_tunnel(packet: Ipv6Header) -> Tunnelled | None:
    """The tunnelled frame of ``packet``; None if it is no tunnel that a TEP takes."""
    found = _next_header(packet)
    if found is None:
        return None
    header, offset = found
    rest = packet.rest[offset:]
    there = min(packet.payload_length - offset, len(rest))
    payload = None if packet.payload is None else packet.payload[offset:]
    if header == _ETHERNET:
        return Tunnelled(_frame(payload, 0))
    if header == _ETHERIP:
        if from_octets(rest[:2]) != _ETHERIP_VERSION:
            payload = None
        return Tunnelled(_frame(payload, 2))
    if there < 8:
        return None
    if header == _GRE and from_octets(rest[:4]) == _GRE_WITH_KEY << 16 | _TRANSPARENT_BRIDGING:
        return Tunnelled(_frame(payload, 8), from_octets(rest[4:7]))
    if header == _UDP and from_octets(rest[2:4]) == _VXLAN_PORT:
        if (
            from_octets(rest[4:6]) != packet.payload_length - offset
            or not rest[8:9]
            or not rest[8] & _VXLAN_VALID
        ):
            payload = None
        return Tunnelled(_frame(payload, 16), from_octets(rest[12:15]))
    return None


def _frame(payload: bytes | None, overhead: int) -> bytes | None:
    """What is behind ``overhead`` octets of the payload; None if that is no Ethernet frame."""
    if payload is None or len(payload) < overhead + _ETHERNET_HEADER:
        return None
    return payload[overhead:]
