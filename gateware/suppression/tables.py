"""The table of known addresses: its entries and size, for gateware and host."""

from amaranth.hdl import Shape
from amaranth.lib import data

from ..lookup.tables import CuckooGeometry
from ..params import Params

__all__ = ["KnownEntry", "KnownKey", "known_geometry", "known_room"]


class KnownKey(data.Struct):
    """An IP address in a tenant. Words of 32 bits are hashed, and the lowest ones tell most addresses apart."""

    address: 128
    """First octet most significant; that of IPv4 in the lowest 32 bits."""
    tenant: 12
    """Index."""
    is_ipv6: 1
    unused: 19


class KnownEntry(data.Struct):
    """Like :class:`~..tables.match.Candidate`, but the key is made of whole words: it is compared piece by piece."""

    key: Shape.cast(KnownKey).width
    value: 48
    """MAC address of the VM."""
    valid: 1


def known_geometry(params: Params) -> CuckooGeometry:
    """Address of a VM → its MAC address. Slots cost no logic, as they are looked at one after the other."""
    choices, slots = 2, 4
    return CuckooGeometry(
        key_bits=Shape.cast(KnownKey).width,
        value_bits=48,
        buckets=params.known_addresses // (choices * slots),
        slots=slots,
        choices=choices,
        stash=0,
    )


def known_room(params: Params) -> int:
    """Addresses that surely find a slot: there is no stash, and in small tables chance has more to say."""
    return params.known_addresses * 7 // 8
