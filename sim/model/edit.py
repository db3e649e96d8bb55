"""The two edits of a forwarded frame: push a VLAN tag, or wrap it for a remote TEP (SPEC §3)."""

from opentep.gateware.headers import ETHERTYPE_IPV6, ETHERTYPE_VLAN, NEXT_HEADER_ETHERNET
from opentep.host.tables import Port, RemoteTep

from .flow import flow_label, traffic_class
from .octets import mac_octets

__all__ = ["encapsulate", "push_tag"]


def push_tag(inner: bytes, pcp_dei: int, vid: int) -> bytes:
    """``inner`` with an 802.1Q tag in front of its EtherType."""
    return (
        inner[:12] + ETHERTYPE_VLAN.to_bytes(2, "big") + (pcp_dei << 12 | vid).to_bytes(2, "big") + inner[12:]
    )


def encapsulate(inner: bytes, port: Port, own_address: int, tep: RemoteTep) -> bytes:
    """``inner`` in an IPv6 packet with next header 143 to ``tep`` (RFC 8986, H.Encaps.L2.Red)."""
    first_word = 6 << 28 | traffic_class(inner) << 20 | flow_label(inner)
    return b"".join(
        (
            mac_octets(tep.next_hop),
            mac_octets(port.mac),
            ETHERTYPE_IPV6.to_bytes(2, "big"),
            first_word.to_bytes(4, "big"),
            len(inner).to_bytes(2, "big"),
            bytes((NEXT_HEADER_ETHERNET, tep.hop_limit)),
            own_address.to_bytes(16, "big"),
            tep.address.to_bytes(16, "big"),
            inner,
        )
    )
