"""Header fields, verdicts and descriptors: what travels beside a frame on its way through the core."""

from enum import Enum

from amaranth.hdl import Value, ValueLike
from amaranth.lib import data, enum
from amaranth.utils import ceil_log2

from .params import CELL_BYTES, Params

__all__ = [
    "ACCESS_DECISION_DROPS",
    "ACCESS_DROPS",
    "ACCESS_PARSER_DROPS",
    "ETHERTYPE_ARP",
    "ETHERTYPE_IPV4",
    "ETHERTYPE_IPV6",
    "ETHERTYPE_VLAN",
    "FABRIC_DECISION_DROPS",
    "FABRIC_DROPS",
    "FABRIC_PARSER_DROPS",
    "FUNCTION_BITS",
    "GROUP_BIT",
    "GROUP_PREFIX_BITS",
    "IPV6_BYTES",
    "OUTER_BYTES",
    "TAG_BYTES",
    "UNSPECIFIED_BIT",
    "Congestion",
    "Control",
    "Descriptor",
    "Drop",
    "Edit",
    "Encapsulation",
    "GroupAddress",
    "Header",
    "Keys",
    "Stored",
    "is_discovery",
]

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_IPV6 = 0x86DD
ETHERTYPE_VLAN = 0x8100
NEXT_HEADER_ICMPV6 = 58
NEIGHBOUR_SOLICITATION = 135
"""Type of an ICMPv6 message (RFC 4861, 4.3)."""
IPV6_BYTES = 40
OUTER_BYTES = 14 + IPV6_BYTES
"""Outer Ethernet and IPv6 header."""
TAG_BYTES = 4
"""802.1Q tag."""
FUNCTION_BITS = 24
"""Low bits of an IPv6 address that are the function of a SID, where it has one (RFC 8986, 3.1)."""
GROUP_PREFIX_BITS = 96
"""First bits that the group addresses of the underlay have in common. The others are in the MAC address, too (RFC 2464,
7)."""
GROUP_BIT = 40
"""I/G bit of a MAC address whose first octet is most significant."""
UNSPECIFIED_BIT = 19
"""Bit of ``flow`` that tells, for a solicitation, that its source was the unspecified address."""


class Drop(enum.Enum, shape=5):
    """Why a frame was not forwarded (SPEC names). Counted per port under ``label``."""

    NONE = 0
    RX_ERROR = 1
    UNTAGGED = 2
    LINK_LOCAL = 3
    BAD_SOURCE = 4
    UNKNOWN_TENANT = 5
    SPOOFED = 6
    POLICY = 7
    UNKNOWN_UNICAST = 8
    REFLECTED = 9
    """The destination is the place the frame came from."""
    NOT_MINE = 10
    UNKNOWN_TEP = 11
    MALFORMED = 12
    SPLIT_HORIZON = 13
    """From the fabric for a MAC that is behind the fabric."""
    TOO_BIG = 14
    """Encapsulated, it would exceed the fabric MTU. Group frames: counted once per fabric port."""
    NO_BUFFER = 15
    """Packet memory was full, or the port's ingress queue overran."""
    ECN = 16
    """Congestion experienced in the tunnel by a packet that is not ECN-capable (RFC 6040, 4.2)."""
    STORM = 17
    """For many, and beyond what its tenant may send of such frames."""

    @property
    def label(self) -> str:
        return self.name.lower().replace("_", "-")


ACCESS_PARSER_DROPS = (Drop.RX_ERROR, Drop.UNTAGGED, Drop.LINK_LOCAL, Drop.BAD_SOURCE)
"""What parsing may find wrong with a frame of an access port. Hardware that tells reasons apart pays for each, and so
looks only for those that there can be."""
FABRIC_PARSER_DROPS = (
    Drop.RX_ERROR,
    Drop.NOT_MINE,
    Drop.MALFORMED,
    Drop.LINK_LOCAL,
    Drop.BAD_SOURCE,
    Drop.ECN,
)
"""The same of a fabric port."""
_DECISION_DROPS = (Drop.UNKNOWN_TENANT, Drop.SPOOFED, Drop.POLICY, Drop.UNKNOWN_UNICAST)
ACCESS_DECISION_DROPS = (*_DECISION_DROPS, Drop.REFLECTED)
"""What the tables may tell against a frame of an access port."""
FABRIC_DECISION_DROPS = (*_DECISION_DROPS, Drop.UNKNOWN_TEP, Drop.SPLIT_HORIZON)
"""The same of a fabric port."""
ACCESS_DROPS = (*ACCESS_PARSER_DROPS, *ACCESS_DECISION_DROPS, Drop.TOO_BIG, Drop.NO_BUFFER, Drop.STORM)
"""Every reason for which a frame of an access port is dropped."""
FABRIC_DROPS = (*FABRIC_PARSER_DROPS, *FABRIC_DECISION_DROPS, Drop.NO_BUFFER)
"""The same of a fabric port, whose ``TOO_BIG`` is told by what it sends."""


class Control(enum.Enum, shape=2):
    """Underlay control. Values with bit 0 are neighbour discovery; the first two the gateware answers itself."""

    NONE = 0
    SOLICITATION = 1
    """Neighbour solicitation (RFC 4861, 4.3) for the TEP's address."""
    ECHO = 2
    """ICMPv6 echo request (RFC 4443, 4.1) to the TEP's address."""
    DISCOVERY = 3
    """Other neighbour discovery (RFC 4861): NOT_MINE, but of interest to the host."""


def is_discovery(control: ValueLike) -> Value:
    """Whether it is neighbour discovery from the underlay."""
    return Value.cast(control)[0]


class Congestion(enum.Enum, shape=2):
    """What becomes of the ECN field of the inner packet at the end of a tunnel (RFC 6040, 4.2)."""

    SAME = 0
    IPV4 = 1
    """The second octet of the packet and the header checksum change."""
    IPV6 = 2
    """The second octet of the packet changes."""


class GroupAddress(enum.Enum, shape=2):
    """What kind of MAC address the destination of a group frame is, as its packet makes it."""

    NONE = 0
    """None of these."""
    IPV4 = 1
    """RFC 1112, 6.4."""
    IPV6 = 2
    """RFC 2464, 7."""
    BROADCAST = 3


class Encapsulation(Enum):
    """What stands between the IPv6 header and the tunnelled frame."""

    ETHERNET = 0
    """Nothing (RFC 8986, 10.1)."""
    ETHERIP = 1
    """RFC 3378."""
    NVGRE = 2
    """RFC 7637."""
    VXLAN = 3
    """RFC 7348, over UDP without checksum (RFC 6935)."""

    @property
    def overhead(self) -> int:
        """Octets."""
        return (0, 2, 8, 16)[self.value]

    @property
    def next_header(self) -> int:
        """What the IPv6 header says."""
        return (143, 97, 47, 17)[self.value]

    @property
    def has_network(self) -> bool:
        """The virtual network is named."""
        return self in (Encapsulation.NVGRE, Encapsulation.VXLAN)


class Edit(enum.Enum, shape=3):
    """What the editor does to a stored frame on its way out."""

    RETAG = 0
    """Access to access: 802.1Q tag with another VID (inserted if the frame came untagged)."""
    DECAP = 1
    """Fabric to access: outer headers removed, 802.1Q tag pushed."""
    ENCAP = 2
    """Access to fabric: tag removed, outer headers of a remote TEP prepended."""
    ECHO_REPLY = 3
    ADVERT = 4
    """Neighbour advertisement."""
    DECAP_IPV4 = 5
    """DECAP, with Congestion.IPV4."""
    DECAP_IPV6 = 6


class Keys(data.Struct):
    """What the tables are asked about a frame; known while its payload is still arriving.

    The same for both port roles. MAC and IP addresses are integers with the first octet on the wire most
    significant.
    """

    dst: 48
    """(Inner) destination MAC."""
    src: 48
    """(Inner) source MAC."""
    vid: 12
    """VLAN ID of the tag or the port's native VLAN (access ports), else 0."""
    outer_src: 128
    """Outer IPv6 source (fabric ports), else 0."""
    is_network: 1
    """The tunnel names the virtual network ``network``, which tells the tenant (fabric ports)."""
    network: 24


class Header(data.StructLayout):
    """Everything else that parsing tells of a frame, known when it has ended; unused fields are zero."""

    def __init__(self, params: Params):
        asks = (
            {"asks": 1} if params.suppresses else {}
        )  # perhaps for an address: ARP or a solicitation (access)
        super().__init__(
            {
                "drop": Drop,  # a reason found by the parser alone, else NONE
                "control": Control,
                "tagged": 1,  # access: an 802.1Q tag precedes the EtherType; 0 on fabric ports
                "vid": 12,  # as in the keys
                "pcp_dei": 4,  # of the tag, 0 if untagged
                "start": ceil_log2(CELL_BYTES),  # offset of the (inner) destination MAC in the stored frame
                "end": 14,  # offset behind the last octet of the (inner) frame in the stored frame
                "length": 14,  # octets of the stored frame; valid for bad frames, too
                "packet": 15,  # octets of the IPv6 packet that would carry the frame (access ports)
                "congestion": Congestion,  # fabric ports
                "traffic_class": 8,  # of the IPv4 or IPv6 packet, 0 for others (access); its second octet (fabric)
                "flow": 20,  # flow label (access); checksum of answer or IPv4 header, UNSPECIFIED_BIT (fabric)
                "group": GroupAddress,  # that it is (access), or that a tenant's group address stands for (fabric)
                "group_octet": 8,  # of :class:`~.ingress.group.GroupMatch`
            }
            | asks
        )


class Stored(data.StructLayout):
    """A frame in packet memory, reported when its last word has been written."""

    def __init__(self, params: Params):
        super().__init__({"head": params.cell_bits, "no_buffer": 1})


class Descriptor(data.StructLayout):
    """An entry of an egress queue: one reference to a stored frame, and what to make of it.

    With ``is_list`` the entry stands for one replica per member of list ``target`` on this port.
    """

    def __init__(self, params: Params):
        fields = {
            "head": params.cell_bits,
            "port": range(params.access_ports),  # it came in on, if that is an access port
            "start": ceil_log2(CELL_BYTES),
            "end": 14,
            "edit": Edit,
            "is_list": 1,
            "target": 12,  # VID (RETAG, DECAP), TEP index (ENCAP) or list index (is_list)
            "tagged": 1,  # the stored frame has a tag at start + 12
            "pcp_dei": 4,  # for the pushed tag
            "exclude": 1,  # leave out the member whose VID is ``exclude_vid`` (the sender)
            "exclude_vid": 12,
            "traffic_class": 8,  # this and the next as in the header
            "flow": 20,
            "network": 24,  # of the destination's tenant
            "group": GroupAddress,  # that is rewritten to tenants' (ENCAP) or restored (DECAP); else NONE
            "group_octet": 8,  # as in the header
        }
        if params.tenant_counters:
            fields["tenant"] = params.tenant_bits  # that gets the frame
        super().__init__(fields)
