"""Entries of an egress port's tables, used by gateware and host alike."""

from amaranth.lib import data, enum
from amaranth.utils import ceil_log2

from ..headers import ETHERTYPE_IPV6, OUTER_BYTES, Encapsulation
from ..params import Params

__all__ = [
    "OUTER_ENTRY_BYTES",
    "ListHead",
    "ListMember",
    "MemberKind",
    "OuterHeader",
    "TepMode",
    "outer_header",
]

OUTER_ENTRY_BYTES = 64
"""Octets of an entry of the outer header table; a multiple of every datapath width."""


class ListHead(data.StructLayout):
    """Where the members of a replica list stand. A list with ``valid`` = 0 is empty."""

    def __init__(self, params: Params):
        super().__init__({"valid": 1, "base": ceil_log2(params.members)})


class MemberKind(enum.Enum, shape=2):
    """What stands in an entry of a replica list."""

    TARGET = 0
    """A member."""
    OUI_HIGH = 1
    """Half of the OUI, with the I/G bit, of the tenant whose group address the frame gets for the members behind
    (fabric ports)."""
    OUI_LOW = 2


class ListMember(data.Struct):
    """One entry of a replica list; the others follow at the next indices up to the one with ``last``.

    To change a list without a mixture being seen, write the members elsewhere, then the head.
    """

    target: 12
    """VLAN ID on access ports, TEP index on fabric ports; or half of an OUI."""
    last: 1
    """Never set for an OUI."""
    kind: MemberKind


class TepMode(data.Struct):
    """How frames are sent to a remote TEP, beside its outer header, which must agree."""

    encapsulation: Encapsulation
    sid_function: 1
    """The last 24 bits of the destination, 0 in the table, become the virtual network of the frame's tenant."""
    dscp_fixed: 1
    """The outer header's DSCP is the one in the table, instead of the inner packet's."""


class OuterHeader(data.Struct):
    """What is put in front of a frame to a remote TEP, octets in the order of the wire (RFC 8200, 3).

    Traffic class (but for a fixed DSCP), flow label and payload length must be 0: the gateware fills them in for
    every frame.
    """

    destination: data.ArrayLayout(8, 6)
    """MAC address of the next hop."""
    source: data.ArrayLayout(8, 6)
    ethertype: data.ArrayLayout(8, 2)
    version_class_flow: data.ArrayLayout(8, 4)
    payload_length: data.ArrayLayout(8, 2)
    next_header: 8
    hop_limit: 8
    source_address: data.ArrayLayout(8, 16)
    destination_address: data.ArrayLayout(8, 16)
    reserved: data.ArrayLayout(8, OUTER_ENTRY_BYTES - OUTER_BYTES)
    """Write as 0."""


def outer_header(
    *,
    next_hop: int,
    mac: int,
    source: int,
    destination: int,
    hop_limit: int = 64,
    encapsulation: Encapsulation = Encapsulation.ETHERNET,
    dscp: int = 0,
) -> int:
    """An :class:`OuterHeader` as an integer, first octet on the wire lowest, as the table takes it.

    ``next_hop`` and ``mac`` are 48-bit, ``source`` and ``destination`` 128-bit integers with the first octet
    most significant. OverflowError if one does not fit.
    """
    octets = b"".join(
        (
            next_hop.to_bytes(6, "big"),
            mac.to_bytes(6, "big"),
            ETHERTYPE_IPV6.to_bytes(2, "big"),
            (6 << 28 | dscp << 22).to_bytes(4, "big"),
            bytes(2),
            bytes((encapsulation.next_header, hop_limit)),
            source.to_bytes(16, "big"),
            destination.to_bytes(16, "big"),
        )
    )
    return int.from_bytes(octets, "little")
