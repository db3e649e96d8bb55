"""ARP and ND suppression: answers in the place of VMs whose addresses the controller knows."""

from opentep.gateware.headers import ETHERTYPE_ARP, ETHERTYPE_IPV6, NEXT_HEADER_ICMPV6
from opentep.host.tables import Tenant

from .control import advertisement
from .octets import checksum, from_octets, is_group, mac_octets
from .packet import AccessFrame, EthernetHeader, Ipv6Header
from .tables import Tables

__all__ = ["LONGEST_REQUEST", "answer"]

LONGEST_REQUEST = 127
"""Octets of the longest frame that is looked at, without FCS."""
_ARP_BYTES = 28
_ARP_IPV4_OVER_ETHERNET = bytes.fromhex("0001 0800 06 04")
_REQUEST, _REPLY = b"\0\1", b"\0\2"
_SOLICITATION = 135
_ND_HOP_LIMIT = 255
_MULTICAST = 0xFF


def answer(tables: Tables, tenant: Tenant, frame: AccessFrame) -> bytes | None:
    """The untagged frame that answers ``frame``, which a VM of ``tenant`` has sent; None if it goes its usual way.

    Only requests to a group are answered: one to a single VM asks whether that VM is alive.
    """
    if not tenant.suppresses or not is_group(frame.dst) or frame.length > LONGEST_REQUEST:
        return None
    header = EthernetHeader.parse(frame.inner)
    if header.ethertype == ETHERTYPE_ARP:
        return _arp_reply(tables, tenant, header, frame.inner[14 : 14 + _ARP_BYTES])
    if header.ethertype == ETHERTYPE_IPV6:
        return _advertisement(tables, tenant, header, frame.inner)
    return None


def _owner(tables: Tables, tenant: Tenant, version: int, address: int, asker: int) -> int | None:
    """MAC of the VM with an address, if it is not ``asker``'s own."""
    mac = tables.mac_of(tenant, version, address)
    return None if mac == asker else mac


def _arp_reply(tables: Tables, tenant: Tenant, header: EthernetHeader, packet: bytes) -> bytes | None:
    """RFC 826. Announcements and probes (RFC 5227) pass, and so does what is not for IPv4 over Ethernet, or names a
    sender that is not the frame's."""
    sender_mac, sender, target = packet[8:14], packet[14:18], packet[24:28]
    if packet[:6] != _ARP_IPV4_OVER_ETHERNET or packet[6:8] != _REQUEST:
        return None
    if sender_mac != mac_octets(header.src) or sender in (bytes(4), target):
        return None
    mac = _owner(tables, tenant, 4, from_octets(target), header.src)
    if mac is None:
        return None
    ethernet = mac_octets(header.src) + mac_octets(mac) + ETHERTYPE_ARP.to_bytes(2, "big")
    return ethernet + _ARP_IPV4_OVER_ETHERNET + _REPLY + mac_octets(mac) + target + sender_mac + sender


def _advertisement(tables: Tables, tenant: Tenant, header: EthernetHeader, inner: bytes) -> bytes | None:
    """RFC 4861, 7.2.4; None unless the solicitation is valid (7.1.1) and no duplicate address detection."""
    packet = Ipv6Header.parse(inner)
    if packet is None or packet.next_header != NEXT_HEADER_ICMPV6 or packet.hop_limit != _ND_HOP_LIMIT:
        return None
    message = packet.payload
    if message is None or len(message) < 24 or message[:2] != bytes((_SOLICITATION, 0)):
        return None
    if not _has_valid_options(message[24:]) or not _has_valid_checksum(packet, message):
        return None
    target = from_octets(message[8:24])
    if packet.src in (0, target) or packet.src >> 120 == _MULTICAST:
        return None
    mac = _owner(tables, tenant, 6, target, header.src)
    return None if mac is None else advertisement(mac, target, header.src, packet.src)


def _has_valid_options(options: bytes) -> bool:
    """None without a length, none cut off, nothing behind them."""
    while len(options) >= 2 and options[1]:
        if 8 * options[1] > len(options):
            return False
        options = options[8 * options[1] :]
    return not options


def _has_valid_checksum(packet: Ipv6Header, message: bytes) -> bool:
    length = len(message).to_bytes(4, "big")
    addresses = packet.src.to_bytes(16, "big") + packet.dst.to_bytes(16, "big")
    return checksum(addresses + length + bytes((0, 0, 0, NEXT_HEADER_ICMPV6)) + message) == 0
