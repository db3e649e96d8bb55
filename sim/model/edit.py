"""The two edits of a forwarded frame: push a VLAN tag, or wrap it for a remote TEP (SPEC §3)."""

import struct

from opentep.gateware.headers import ETHERTYPE_IPV6, ETHERTYPE_VLAN, Encapsulation
from opentep.host.tables import Port, RemoteTep

from .flow import flow_label, traffic_class
from .group import rewrite
from .octets import mac_octets

__all__ = ["encapsulate", "push_tag"]


def push_tag(inner: bytes, pcp_dei: int, vid: int) -> bytes:
    """``inner`` with an 802.1Q tag in front of its EtherType."""
    return (
        inner[:12] + ETHERTYPE_VLAN.to_bytes(2, "big") + (pcp_dei << 12 | vid).to_bytes(2, "big") + inner[12:]
    )


def encapsulate(
    inner: bytes,
    port: Port,
    next_hop: int,
    own_address: int,
    tep: RemoteTep,
    network: int,
    group_oui: int,
) -> bytes:
    """``inner`` in an IPv6 packet to ``tep``; ``network`` is the tenant's, for the encapsulations that name it.

    With the others its destination is rewritten to begin with ``group_oui``, unless that is 0; the flow stays what it
    is.
    """
    label = flow_label(inner)
    traffic = traffic_class(inner)
    if tep.dscp is not None:
        traffic = tep.dscp << 2 | traffic & 3
    length = len(inner) + tep.encapsulation.overhead
    if group_oui and not (tep.encapsulation.has_network or tep.sid_function):
        inner = rewrite(inner, group_oui)
    return b"".join(
        (
            mac_octets(next_hop),
            mac_octets(port.mac),
            ETHERTYPE_IPV6.to_bytes(2, "big"),
            (6 << 28 | traffic << 20 | label).to_bytes(4, "big"),
            length.to_bytes(2, "big"),
            bytes((tep.encapsulation.next_header, tep.hop_limit)),
            own_address.to_bytes(16, "big"),
            (tep.address | network if tep.sid_function else tep.address).to_bytes(16, "big"),
            _shim(tep.encapsulation, network, label, length),
            inner,
        )
    )


def _shim(kind: Encapsulation, network: int, label: int, length: int) -> bytes:
    """What stands between the IPv6 header and the frame. Where there is room for entropy, it is the flow label's."""
    match kind:
        case Encapsulation.ETHERNET:
            return b""
        case Encapsulation.ETHERIP:
            return struct.pack(">H", 0x3000)
        case Encapsulation.NVGRE:
            return struct.pack(">HHI", 0x2000, 0x6558, network << 8 | label & 0xFF)
        case Encapsulation.VXLAN:
            # Without UDP checksum, as RFC 6935 allows.
            udp = struct.pack(">HHHH", 0xC000 | label & 0x3FFF, 4789, length, 0)
            return udp + struct.pack(">II", 0x08 << 24, network << 8)
    raise AssertionError(kind)
