"""Frames from plain octets: what VMs, kernels and attackers send. No library, so that it runs anywhere."""

import random
import struct
from collections.abc import Callable

from .model.octets import checksum, mac_octets

__all__ = [
    "arp",
    "echo_request",
    "encapsulated",
    "etherip",
    "ethernet",
    "ipv4",
    "ipv6",
    "neighbour_solicitation",
    "nvgre",
    "options",
    "random_encapsulation",
    "random_payload",
    "routing",
    "solicited_node",
    "tag",
    "tunnel",
    "udp",
    "vxlan",
]

_UDP, _ROUTING, _GRE, _ICMPV6, _DESTINATION_OPTIONS, _ETHERIP, _ETHERNET = 17, 43, 47, 58, 60, 97, 143


def ethernet(dst: int, src: int, ethertype: int, payload: bytes) -> bytes:
    """A frame without FCS and padding."""
    return mac_octets(dst) + mac_octets(src) + ethertype.to_bytes(2, "big") + payload


def tag(frame: bytes, vid: int, pcp_dei: int = 0, tpid: int = 0x8100) -> bytes:
    """``frame`` with a VLAN tag in front of its EtherType."""
    return frame[:12] + struct.pack(">HH", tpid, pcp_dei << 12 | vid) + frame[12:]


def ipv4(
    src: int,
    dst: int,
    protocol: int,
    payload: bytes,
    *,
    tos: int = 0,
    ident: int = 0,
    fragment: int = 0x4000,
    ttl: int = 64,
    options: bytes = b"",
) -> bytes:
    """An IPv4 packet (RFC 791); ``fragment`` is flags and offset, ``options`` a multiple of 4 octets."""
    words = 5 + len(options) // 4
    length = min(4 * words + len(payload), 0xFFFF)
    header = struct.pack(
        ">BBHHHBBH4s4s",
        *(0x40 | words, tos, length, ident, fragment, ttl, protocol, 0),
        *(src.to_bytes(4, "big"), dst.to_bytes(4, "big")),
    )
    header += options
    return header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + payload


def ipv6(
    src: int,
    dst: int,
    next_header: int,
    payload: bytes,
    *,
    traffic_class: int = 0,
    flow: int = 0,
    hop_limit: int = 64,
    length: int | None = None,
) -> bytes:
    """An IPv6 packet (RFC 8200); ``length`` overrides the payload length field."""
    return (
        struct.pack(
            ">IHBB",
            6 << 28 | traffic_class << 20 | flow,
            len(payload) if length is None else length,
            next_header,
            hop_limit,
        )
        + src.to_bytes(16, "big")
        + dst.to_bytes(16, "big")
        + payload
    )


def udp(src: int, dst: int, payload: bytes) -> bytes:
    """A UDP datagram without checksum."""
    return struct.pack(">HHHH", src, dst, min(8 + len(payload), 0xFFFF), 0) + payload


def _tcp(src: int, dst: int, payload: bytes) -> bytes:
    return struct.pack(">HHIIHHHH", src, dst, 1, 0, 0x5018, 0xFFFF, 0, 0) + payload


def arp(operation: int, sender_mac: int, sender_ip: int, target_mac: int, target_ip: int) -> bytes:
    """An ARP packet (RFC 826); operation 1 asks, 2 answers."""
    return struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + b"".join(
        (
            mac_octets(sender_mac),
            sender_ip.to_bytes(4, "big"),
            mac_octets(target_mac),
            target_ip.to_bytes(4, "big"),
        )
    )


def _icmpv6(src: int, dst: int, message: bytes, hop_limit: int) -> bytes:
    """An IPv6 packet with ``message``, whose checksum field (octets 2 and 3) is filled in."""
    pseudo_header = (
        src.to_bytes(16, "big") + dst.to_bytes(16, "big") + struct.pack(">II", len(message), _ICMPV6)
    )
    value = checksum(pseudo_header + message[:2] + b"\0\0" + message[4:])
    return ipv6(src, dst, _ICMPV6, message[:2] + value.to_bytes(2, "big") + message[4:], hop_limit=hop_limit)


def echo_request(src: int, dst: int, ident: int, sequence: int, payload: bytes) -> bytes:
    """An IPv6 packet with an ICMPv6 echo request (RFC 4443, 4.1)."""
    return _icmpv6(src, dst, struct.pack(">BBHHH", 128, 0, 0, ident, sequence) + payload, 64)


def solicited_node(address: int) -> int:
    """The multicast address that neighbour solicitations for ``address`` go to (RFC 4291, 2.7.1)."""
    return 0xFF02 << 112 | 0x1FF << 24 | address & 0xFFFFFF


def neighbour_solicitation(
    src: int, dst: int, target: int, src_mac: int | None, hop_limit: int = 255, *, options: bytes = b""
) -> bytes:
    """An IPv6 packet with a neighbour solicitation (RFC 4861, 4.3), with the source's MAC if given, and ``options``."""
    message = struct.pack(">BBHI", 135, 0, 0, 0) + target.to_bytes(16, "big")
    if src_mac is not None:
        message += b"\x01\x01" + mac_octets(src_mac)
    return _icmpv6(src, dst, message + options, hop_limit)


def tunnel(
    dst_mac: int,
    src_mac: int,
    src: int,
    dst: int,
    inner: bytes,
    *,
    next_header: int = 143,
    flow: int = 1,
    traffic_class: int = 0,
    hop_limit: int = 64,
    length: int | None = None,
) -> bytes:
    """``inner`` as a remote TEP or a Linux kernel sends it: Ethernet in IPv6 in Ethernet (RFC 8986)."""
    packet = ipv6(
        src,
        dst,
        next_header,
        inner,
        traffic_class=traffic_class,
        flow=flow,
        hop_limit=hop_limit,
        length=length,
    )
    return ethernet(dst_mac, src_mac, 0x86DD, packet)


def etherip(inner: bytes) -> bytes:
    """EtherIP header and ``inner`` (RFC 3378)."""
    return b"\x30\0" + inner


def nvgre(vsid: int, inner: bytes, flow_id: int = 0) -> bytes:
    """GRE header with key and ``inner`` (RFC 7637, 3.2)."""
    return struct.pack(">HHI", 0x2000, 0x6558, vsid << 8 | flow_id) + inner


def vxlan(vni: int, inner: bytes, port: int = 0xC000) -> bytes:
    """UDP header without checksum, VXLAN header and ``inner`` (RFC 7348, 5)."""
    return udp(port, 4789, struct.pack(">II", 0x08 << 24, vni << 8) + inner)


def routing(next_header: int, kind: int, segments_left: int, data: bytes) -> bytes:
    """A routing header with 4 octets of ``data``, or 8 more at a time (RFC 8200, 4.4)."""
    return struct.pack(">BBBB", next_header, (len(data) - 4) // 8, kind, segments_left) + data


def options(next_header: int, octets: int) -> bytes:
    """A destination options header of that many octets, a multiple of 8: nothing but padding (RFC 8200, 4.6)."""
    return struct.pack(">BBBB", next_header, octets // 8 - 1, 1, octets - 4) + bytes(octets - 4)


def encapsulated(kind: int, inner: bytes, network: int = 0, entropy: int = 0) -> bytes:
    """``inner`` behind the headers that follow an IPv6 header with next header ``kind``."""
    if kind == _ETHERIP:
        return etherip(inner)
    if kind == _GRE:
        return nvgre(network, inner, entropy & 0xFF)
    if kind == _UDP:
        return vxlan(network, inner, 0xC000 | entropy)
    return inner


def random_encapsulation(
    rng: random.Random, inner: bytes, network: int, *, plain: float = 0.5
) -> tuple[int, bytes]:
    """Next header and payload of an IPv6 packet with ``inner`` in a tunnel of any kind, some behind extension headers.

    ``plain`` is the share that is Ethernet in IPv6 and nothing else.
    """
    if rng.random() < plain:
        return _ETHERNET, inner
    header = rng.choice((_ETHERNET, _ETHERIP, _GRE, _UDP))
    payload = encapsulated(header, inner, network, rng.getrandbits(14))
    while rng.random() < 0.4:
        if rng.random() < 0.5:
            payload = options(header, 8 * rng.choice((1, 1, 2, 3, 7, 8))) + payload
            header = _DESTINATION_OPTIONS
        else:
            data = rng.randbytes(4 + 8 * rng.choice((0, 1, 2, 4)))
            payload = routing(header, rng.choice((4, 4, 253)), rng.choice((0, 0, 0, 0, 1)), data) + payload
            header = _ROUTING
    return header, payload


def random_payload(rng: random.Random, src: int, dst: int, size: int) -> tuple[int, bytes]:
    """EtherType and payload of about ``size`` octets: the mix of protocols that VMs speak."""
    return rng.choice(_MAKERS)(rng, src, dst, size)


def to_group(rng: random.Random, ethertype: int, packet: bytes, mac: int) -> bytes:
    """``packet`` sent to a group that ``mac`` is the address of, as far as the address tells, or almost; its header
    checksum is wrong then. One that is not IP stays as it is."""
    low = mac & 0xFFFFFF ^ (rng.choice((0, 1 << 23)) if rng.random() < 0.5 else 0)
    if ethertype == 0x0800 and len(packet) >= 20:
        return packet[:16] + (0xE0 << 24 | low).to_bytes(4, "big") + packet[20:]
    if ethertype == 0x86DD and len(packet) >= 40:
        group = b"\xff" + packet[25:36] + (mac & 0xFF000000 | low).to_bytes(4, "big")
        return packet[:24] + group + packet[40:]
    return packet


def _random_ipv4(rng: random.Random, src: int, dst: int, size: int) -> tuple[int, bytes]:
    options = bytes(4 * rng.randrange(1, 11)) if rng.random() < 0.1 else b""
    fragment = rng.choice((0, 0x2000, 0x2010, 0x0010, 0x1FFF)) if rng.random() < 0.2 else 0x4000
    protocol, body = _random_transport(rng, max(0, size - 20 - len(options)), 1)
    packet = ipv4(
        rng.getrandbits(32),
        rng.getrandbits(32),
        protocol,
        body,
        tos=rng.getrandbits(8),
        ident=rng.getrandbits(16),
        fragment=fragment,
        options=options,
    )
    return 0x0800, packet


def _random_ipv6(rng: random.Random, src: int, dst: int, size: int) -> tuple[int, bytes]:
    next_header, body = _random_transport(rng, max(0, size - 40), _ICMPV6)
    packet = ipv6(
        rng.getrandbits(128),
        rng.getrandbits(128),
        next_header,
        body,
        traffic_class=rng.getrandbits(8),
        flow=rng.getrandbits(20),
    )
    return 0x86DD, packet


def _random_transport(rng: random.Random, size: int, icmp: int) -> tuple[int, bytes]:
    """Protocol number and payload."""
    ports = (rng.getrandbits(16), rng.getrandbits(16))
    kind = rng.randrange(4)
    if kind == 0:
        return 6, _tcp(*ports, rng.randbytes(max(0, size - 20)))
    if kind == 1:
        return 17, udp(*ports, rng.randbytes(max(0, size - 8)))
    if kind == 2:
        return icmp, b"\x08\0" + rng.randbytes(max(6, size - 2))
    return rng.choice((0, 4, 41, 43, 44, 47, 50, 132, 143)), rng.randbytes(size)


def _random_arp(rng: random.Random, src: int, dst: int, size: int) -> tuple[int, bytes]:
    packet = arp(rng.choice((1, 2)), src, rng.getrandbits(32), dst, rng.getrandbits(32))
    return 0x0806, packet.ljust(size, b"\0")


def _random_other(rng: random.Random, src: int, dst: int, size: int) -> tuple[int, bytes]:
    # Tags within tags, too: 8100 behind a tag, and service tags, which are no tags to a TEP.
    ethertype = rng.choice((0x88CC, 0x8847, 0x88A8, 0x8100, 0x9100, 0x8914, 0x0026, rng.getrandbits(16)))
    return ethertype, rng.randbytes(size)


_MAKERS: tuple[Callable[[random.Random, int, int, int], tuple[int, bytes]], ...] = (
    _random_ipv4,
    _random_ipv4,
    _random_ipv6,
    _random_ipv6,
    _random_arp,
    _random_other,
)
