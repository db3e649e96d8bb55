"""Flow label and traffic class of an encapsulated frame (RFC 6437, RFC 6438, RFC 2983).

Written in terms of packets, as opposed to the octet positions that the gateware hashes, so that the two check
each other. Each 16-bit unit's rotation follows from where it stands in the tagged frame.
"""

from dataclasses import dataclass

from .octets import from_octets

__all__ = ["flow_label", "traffic_class"]

_ETHERTYPE_IPV4 = 0x0800
_ETHERTYPE_IPV6 = 0x86DD
_TCP_UDP = (6, 17)

_IP = 18
"""Offset of the IP header in a tagged frame."""
_WINDOW = 64
"""The hash sees only the first octets of the tagged frame; what lies behind the frame's end counts as 0."""


@dataclass(frozen=True)
class _Unit:
    """A 16-bit unit of the flow's identity at an even offset of the tagged frame."""

    offset: int
    value: int

    def rotated(self) -> int:
        """The value as 20 bits, rotated left by 7 per unit, so that swapped addresses hash differently."""
        turn = 7 * (self.offset // 2) % 20
        return (self.value << turn | self.value >> (20 - turn)) & 0xFFFFF


def _units(frame: bytes, first: int, size: int) -> list[_Unit]:
    return [_Unit(k, from_octets(frame[k : k + 2])) for k in range(first, first + size, 2)]


def _identity(frame: bytes) -> list[_Unit]:
    """What names the flow: addresses, protocol and ports of IP, else MAC addresses and EtherType."""
    ethertype = from_octets(frame[16:18])
    packet = frame[_IP:]
    if ethertype == _ETHERTYPE_IPV4:
        protocol = packet[9]
        units = [*_units(frame, _IP + 12, 8), _Unit(_IP + 8, protocol)]
        has_options = packet[0] & 0xF != 5
        is_fragment = from_octets(packet[6:8]) & 0x3FFF != 0
        if protocol in _TCP_UDP and not has_options and not is_fragment:
            units += _units(frame, _IP + 20, 4)
        return units
    if ethertype == _ETHERTYPE_IPV6:
        next_header = packet[6]
        units = [*_units(frame, _IP + 8, 32), _Unit(_IP + 6, next_header << 8)]
        if next_header in _TCP_UDP:
            units += _units(frame, _IP + 40, 4)
        return units
    return _units(frame, 0, 12) + _units(frame, 16, 2)


def flow_label(inner: bytes) -> int:
    """The 20-bit label, never 0, of a frame without its 802.1Q tag."""
    tagged = inner[:12] + b"\0\0\0\0" + inner[12:]
    label = 0
    for unit in _identity(tagged[:_WINDOW].ljust(_WINDOW, b"\0")):
        label ^= unit.rotated()
    return label or 1


def traffic_class(inner: bytes) -> int:
    """DSCP and ECN of a frame without its 802.1Q tag; 0 if it is not IP."""
    ethertype = from_octets(inner[12:14])
    if ethertype == _ETHERTYPE_IPV4:
        return inner[15]
    if ethertype == _ETHERTYPE_IPV6:
        return from_octets(inner[14:16]) >> 4 & 0xFF
    return 0
