"""Taking frames apart: what a TEP sees of a frame from an access port and of one from a fabric port."""

from dataclasses import dataclass

from opentep.gateware.headers import ETHERTYPE_IPV6, ETHERTYPE_VLAN

from .octets import from_octets

__all__ = ["AccessFrame", "EthernetHeader", "Ipv6Header"]

_NO_VLAN = (0x000, 0xFFF)
"""VLAN IDs that name no VLAN (IEEE 802.1Q, table 9-2): priority tag and reserved."""


@dataclass(frozen=True)
class EthernetHeader:
    """Addresses and EtherType, the first 14 octets."""

    dst: int
    src: int
    ethertype: int

    @classmethod
    def parse(cls, octets: bytes) -> "EthernetHeader":
        if len(octets) < 14:
            raise ValueError(f"an Ethernet header has 14 octets, not {len(octets)}")
        return cls(from_octets(octets[0:6]), from_octets(octets[6:12]), from_octets(octets[12:14]))


@dataclass(frozen=True)
class AccessFrame:
    """A frame from a server, in terms of its 802.1Q tag.

    ``inner`` is the frame without its tag: what is tunnelled, and what a new tag is pushed on.
    """

    dst: int
    src: int
    vid: int
    pcp_dei: int
    inner: bytes
    length: int
    """Octets of the frame as it came."""

    @classmethod
    def parse(cls, octets: bytes, native_vid: int) -> "AccessFrame | None":
        """Read addresses and tag; None if the frame belongs to no VLAN.

        ``native_vid`` is the VLAN of untagged frames; 0 means that the port has none.
        Only TPID 8100 is a tag. A priority tag (VID 0) is removed like any other, its priority is kept. The
        reserved VID 4095 is treated like VID 0.
        """
        header = EthernetHeader.parse(octets)
        inner, vid, pcp_dei = octets, 0, 0
        if header.ethertype == ETHERTYPE_VLAN:
            control = from_octets(octets[14:16])
            inner, vid, pcp_dei = octets[:12] + octets[16:], control & 0xFFF, control >> 12
        if vid in _NO_VLAN:
            vid = native_vid
        if vid == 0:
            return None
        return cls(header.dst, header.src, vid, pcp_dei, inner, len(octets))


@dataclass(frozen=True)
class Ipv6Header:
    """The fixed IPv6 header (RFC 8200, 3) and what follows it."""

    traffic_class: int
    payload_length: int
    next_header: int
    hop_limit: int
    src: int
    dst: int
    rest: bytes
    """Everything behind the header, padding of the wire included."""

    @classmethod
    def parse(cls, frame: bytes) -> "Ipv6Header | None":
        """Read the header behind the Ethernet header; None if ``frame`` is not IPv6."""
        packet = frame[14:]
        if EthernetHeader.parse(frame).ethertype != ETHERTYPE_IPV6 or len(packet) < 40 or packet[0] >> 4 != 6:
            return None
        return cls(
            traffic_class=from_octets(packet[0:2]) >> 4 & 0xFF,
            payload_length=from_octets(packet[4:6]),
            next_header=packet[6],
            hop_limit=packet[7],
            src=from_octets(packet[8:24]),
            dst=from_octets(packet[24:40]),
            rest=packet[40:],
        )

    @property
    def payload(self) -> bytes | None:
        """The payload without padding; None if the frame ends before the payload does."""
        if self.payload_length > len(self.rest):
            return None
        return self.rest[: self.payload_length]
