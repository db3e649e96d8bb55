"""Neighbour solicitations and advertisements (RFC 4861, 4.3 and 4.4) as Ethernet frames without FCS."""

import struct
from dataclasses import dataclass

from opentep.gateware.headers import ETHERTYPE_IPV6, IPV6_BYTES, NEXT_HEADER_ICMPV6
from opentep.host.checksum import icmpv6_sum
from opentep.host.fabric.addresses import GROUP_BIT, oui_of

__all__ = ["Advertisement", "Solicitation", "parse", "solicitation"]

_SOLICITATION, _ADVERTISEMENT = 135, 136
_HOP_LIMIT = 255
"""Proves that no router has passed the message on."""
_SOURCE_MAC, _TARGET_MAC = 1, 2
"""Options (RFC 4861, 4.6.1)."""
_SOLICITED, _OVERRIDE = 1 << 30, 1 << 29
_ETHERNET_BYTES = 14
_MESSAGE_BYTES = 24
_GROUP = 0xFF << 120
_SOLICITED_NODE = 0xFF02_0000_0000_0000_0000_0001_FF00_0000


@dataclass(frozen=True)
class Solicitation:
    """Somebody asks for ``target``."""

    source: int
    """0: the unspecified address."""
    target: int
    mac: int | None
    """Of the source, if it says so."""


@dataclass(frozen=True)
class Advertisement:
    """``target`` is there."""

    target: int
    mac: int | None
    solicited: bool
    override: bool


def solicitation(mac: int, source: int, target: int, to: int | None = None) -> bytes:
    """Ask for ``target``: the node at MAC ``to``, or everybody on the link, from ``source`` at ``mac``."""
    destination = target
    if to is None:
        destination = _SOLICITED_NODE | target & 0xFFFFFF
        to = 0x3333 << 32 | destination & 0xFFFFFFFF  # RFC 2464, 7
    option = bytes((_SOURCE_MAC, 1)) + mac.to_bytes(6, "big")
    message = struct.pack(">BBHI", _SOLICITATION, 0, 0, 0) + target.to_bytes(16, "big") + option
    addresses = source.to_bytes(16, "big") + destination.to_bytes(16, "big")
    checksum = 0xFFFF - icmpv6_sum(addresses, message)
    return b"".join(
        (
            to.to_bytes(6, "big"),
            mac.to_bytes(6, "big"),
            struct.pack(">HIHBB", ETHERTYPE_IPV6, 6 << 28, len(message), NEXT_HEADER_ICMPV6, _HOP_LIMIT),
            addresses,
            message[:2],
            checksum.to_bytes(2, "big"),
            message[4:],
        )
    )


def parse(frame: bytes) -> Solicitation | Advertisement | None:
    """The message in ``frame``; ``None`` if it is none, or not valid by RFC 4861, 7.1."""
    if len(frame) < _ETHERNET_BYTES + IPV6_BYTES + _MESSAGE_BYTES:
        return None
    ethertype, version, length, next_header, hop_limit = struct.unpack_from(">HIHBB", frame, 12)
    begin = _ETHERNET_BYTES + IPV6_BYTES
    message = frame[begin : begin + length]
    if (ethertype, version >> 28, next_header, hop_limit) != (
        ETHERTYPE_IPV6,
        6,
        NEXT_HEADER_ICMPV6,
        _HOP_LIMIT,
    ):
        return None
    if len(message) < length or length < _MESSAGE_BYTES or icmpv6_sum(frame[22:begin], message) != 0xFFFF:
        return None
    kind, code, _, flags = struct.unpack_from(">BBHI", message)
    source, destination = (int.from_bytes(frame[at : at + 16], "big") for at in (22, 38))
    target = int.from_bytes(message[8:24], "big")
    options = _options(message[_MESSAGE_BYTES:])
    if code != 0 or _is_group(target) or options is None:
        return None
    if kind == _SOLICITATION:
        mac = options.get(_SOURCE_MAC)
        probes = source == 0  # duplicate address detection
        if probes and (mac is not None or destination != _SOLICITED_NODE | target & 0xFFFFFF):
            return None
        return Solicitation(source, target, mac)
    if kind == _ADVERTISEMENT:
        solicited = bool(flags & _SOLICITED)
        if solicited and _is_group(destination):
            return None
        return Advertisement(target, options.get(_TARGET_MAC), solicited, bool(flags & _OVERRIDE))
    return None


def _is_group(address: int) -> bool:
    return address & _GROUP == _GROUP


def _options(octets: bytes) -> dict[int, int] | None:
    """MAC addresses of nodes by kind of option; ``None`` if an option has no length or a wrong one."""
    found = {}
    while octets:
        size = 8 * octets[1] if len(octets) > 1 else 0
        if not 0 < size <= len(octets):
            return None
        if octets[0] in (_SOURCE_MAC, _TARGET_MAC):
            mac = int.from_bytes(octets[2:8], "big")
            if mac and not oui_of(mac) & GROUP_BIT:  # nobody can be reached at others
                found[octets[0]] = mac
        octets = octets[size:]
    return found
