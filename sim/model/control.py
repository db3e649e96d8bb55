"""The TEP as an IPv6 node: neighbour solicitations and echo requests for its own address (SPEC §6)."""

from opentep.gateware.headers import ETHERTYPE_IPV6, NEXT_HEADER_ICMPV6

from .octets import checksum, from_octets, mac_octets
from .packet import EthernetHeader, Ipv6Header

__all__ = ["advertisement", "answer"]

_ECHO_REQUEST, _ECHO_REPLY = 128, 129
_SOLICITATION, _ADVERTISEMENT = 135, 136
_REPLY_HOP_LIMIT = 64
_ND_HOP_LIMIT = 255
"""Proves that neighbour discovery was not routed (RFC 4861, 7.1.1)."""
_ALL_NODES = 0xFF02 << 112 | 1
_ALL_NODES_MAC = 0x333300000001
_FLAGS_SOLICITED_OVERRIDE = 0x60000000
_FLAGS_OVERRIDE = 0x20000000
_OPTION_TARGET_ADDRESS = bytes((2, 1))


def answer(own_mac: int, own_address: int, frame: bytes, packet: Ipv6Header) -> bytes | None:
    """The frame that answers the ICMPv6 message in ``frame``; None if there is nothing to answer."""
    message = packet.payload
    if message is None or len(message) < 8 or message[1] != 0:
        return None
    header = EthernetHeader.parse(frame)
    if message[0] == _ECHO_REQUEST and header.dst == own_mac and packet.dst == own_address:
        return _echo_reply(own_mac, own_address, frame, header, packet, message)
    if message[0] == _SOLICITATION and header.dst in _own_or_multicast(own_mac, header.dst):
        return _answer_solicitation(own_mac, own_address, header, packet, message)
    return None


def _own_or_multicast(own_mac: int, dst: int) -> tuple[int, ...]:
    return (own_mac, dst) if dst >> 32 == 0x3333 else (own_mac,)


def _solicited_node(address: int) -> int:
    """ff02::1:ffXX:XXXX (RFC 4291, 2.7.1)."""
    return 0xFF02 << 112 | 0x1FF << 24 | address & 0xFFFFFF


def _echo_reply(
    own_mac: int, own_address: int, frame: bytes, header: EthernetHeader, packet: Ipv6Header, message: bytes
) -> bytes:
    """RFC 4443, 4.2. The checksum is updated (RFC 1624), so that a damaged request gets a damaged reply."""
    old = from_octets(message[2:4])
    # Only the type changes; the pseudo header's sum does not mind that the addresses swap places.
    updated = checksum((old ^ 0xFFFF).to_bytes(2, "big") + b"\x7f\xff" + bytes((_ECHO_REPLY, 0)))
    return b"".join(
        (
            mac_octets(header.src),
            mac_octets(own_mac),
            frame[12:21],
            bytes((_REPLY_HOP_LIMIT,)),
            own_address.to_bytes(16, "big"),
            packet.src.to_bytes(16, "big"),
            bytes((_ECHO_REPLY, 0)),
            updated.to_bytes(2, "big"),
            message[4:],
        )
    )


def _answer_solicitation(
    own_mac: int, own_address: int, header: EthernetHeader, packet: Ipv6Header, message: bytes
) -> bytes | None:
    """RFC 4861, 7.2.4, or None if the solicitation is invalid (7.1.1) or for another node."""
    if packet.hop_limit != _ND_HOP_LIMIT or len(message) < 24:
        return None
    if packet.dst not in (own_address, _solicited_node(own_address)):
        return None
    if from_octets(message[8:24]) != own_address:
        return None
    # A node that checks whether its address is taken has none to be answered at.
    if packet.src == 0:
        return advertisement(own_mac, own_address, _ALL_NODES_MAC, _ALL_NODES, _FLAGS_OVERRIDE)
    return advertisement(own_mac, own_address, header.src, packet.src)


def advertisement(
    own_mac: int, own_address: int, dst_mac: int, dst: int, flags: int = _FLAGS_SOLICITED_OVERRIDE
) -> bytes:
    """A neighbour advertisement (RFC 4861, 4.4)."""
    source, destination = own_address.to_bytes(16, "big"), dst.to_bytes(16, "big")
    start = bytes((_ADVERTISEMENT, 0))
    rest = flags.to_bytes(4, "big") + source + _OPTION_TARGET_ADDRESS + mac_octets(own_mac)
    length = len(start) + 2 + len(rest)
    pseudo_header = source + destination + length.to_bytes(4, "big") + bytes((0, 0, 0, NEXT_HEADER_ICMPV6))
    value = checksum(pseudo_header + start + b"\0\0" + rest).to_bytes(2, "big")
    return b"".join(
        (
            mac_octets(dst_mac),
            mac_octets(own_mac),
            ETHERTYPE_IPV6.to_bytes(2, "big"),
            (6 << 28).to_bytes(4, "big"),
            length.to_bytes(2, "big"),
            bytes((NEXT_HEADER_ICMPV6, _ND_HOP_LIMIT)),
            source,
            destination,
            start,
            value,
            rest,
        )
    )
