"""What the MAC table holds, and what is asked of it: shared by gateware and host."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from amaranth.hdl import Cat, Value
from amaranth.lib import data, enum
from amaranth.utils import ceil_log2

from ..params import Params
from .hash import HashFunction

__all__ = [
    "AGE_FRESH",
    "WAYS",
    "MacChange",
    "MacEntry",
    "MacEvent",
    "MacKey",
    "MacKind",
    "MacLearn",
    "MacOp",
    "MacRequest",
    "MacSlot",
    "MacStatus",
    "StoredMac",
    "bucket",
    "bucket_bits",
    "direct_index",
    "mac_hash",
]

WAYS = 4
"""The MAC table is four memories side by side. Each key has one slot in each of them."""

_PRIVATE_BITS = 2
"""Index bits that a way does not share with its neighbour."""

AGE_FRESH = 3
"""``MacEntry.age`` of an entry that was just learned or refreshed."""


class MacKind(enum.Enum, shape=2):
    """What is behind a MAC address."""

    LOCAL = 0
    """A VM behind access port ``port`` with VLAN ID ``id``."""
    REMOTE = 1
    """Remote TEP ``id``, reached through fabric port ``port``."""
    GROUP = 2
    """The members of replica list ``id``."""


class MacEntry(data.Struct):
    """Place of a (tenant, MAC)."""

    static: 1
    """Set by the host: does not age, and learning does not change it."""
    age: 2
    """``AGE_FRESH`` when learned or refreshed, one less after each quarter or so of the ageing time."""
    kind: MacKind
    port: 4
    id: 12


class MacKey(data.StructLayout):
    """Key of the MAC table."""

    def __init__(self, params: Params):
        super().__init__({"mac": 48, "tenant": params.tenant_bits})


class MacLearn(data.StructLayout):
    """A source seen by the pipeline; ``static`` and ``age`` of the entry are ignored."""

    def __init__(self, params: Params):
        super().__init__({"tenant": params.tenant_bits, "mac": 48, "entry": MacEntry})


class MacChange(enum.Enum, shape=2):
    """What became of a learned entry."""

    NONE = 0
    LEARNED = 1
    """It is new."""
    MOVED = 2
    """It is in another place now."""
    AGED = 3
    """It was removed: there was no frame from it for the lifetime."""

    @property
    def label(self) -> str:
        return self.name.lower()


class MacEvent(data.StructLayout):
    """A change of a learned entry. ``change`` is other than ``NONE`` for one clock; the other fields mean something in
    that clock only. ``static`` and ``age`` of the entry, which is the new one, or the one removed, never do."""

    def __init__(self, params: Params):
        super().__init__({"change": MacChange, "tenant": params.tenant_bits, "mac": 48, "entry": MacEntry})


class MacOp(enum.Enum, shape=3):
    """Operations of the MAC table."""

    FIND = 0
    """Fetch the entry of (tenant, mac)."""
    INSERT = 1
    """Add or replace a static entry. A learned entry makes way if there is no other place."""
    DELETE = 2
    """Remove the entry of (tenant, mac), static or learned."""
    LEARN = 3
    """Add, refresh or move a learned entry; a static entry stays as it is."""
    DUMP = 4
    """Fetch slot ``index`` (0 to slots - 1), whatever its key; entries that move meanwhile may be missed."""
    CLEAR = 5
    """Remove all entries. Needed before a change of the hash's seed."""
    CLEAR_REFUSED = 6
    """Set the count of refused inserts to 0."""


class MacStatus(enum.Enum, shape=2):
    """Outcome of an operation."""

    OK = 0
    NOT_FOUND = 1
    """FIND, DELETE: no such entry. DUMP: the slot is empty."""
    REFUSED = 2
    """INSERT, LEARN: no place was found. LEARN: the tenant has learned as many as it may."""
    STATIC = 3
    """LEARN: a static entry exists and stays."""


class MacRequest(data.Struct):
    """One operation of the host, and in the other direction its outcome.

    The host writes ``op`` with ``tenant``, ``mac``, ``entry`` or ``index`` as the operation needs; it reads
    ``status``, the ``tenant``, ``mac`` and ``entry`` found (FIND, DUMP) and ``refused``: the number of
    INSERTs refused since CLEAR_REFUSED (at most 65535), so that a burst of inserts can be checked once at
    its end.
    """

    op: MacOp
    status: MacStatus
    tenant: 12
    mac: 48
    entry: MacEntry
    index: 16
    refused: 16


def bucket_bits(params: Params) -> int:
    """Width of the index of a slot in its way."""
    return ceil_log2(params.macs // WAYS)


@cache
def mac_hash(params: Params) -> HashFunction:
    """The hash over :class:`MacKey`: one index for two ways, see :func:`bucket`.

    Consecutive MACs spread evenly, and nearly so those of consecutive tenants with consecutive OUIs.
    """
    bits = bucket_bits(params)
    window = (1 << bits) - 1
    low = [1 << j for j in reversed(range(bits))]
    tenants = [1 << 48 + j | 1 << 24 + j for j in range(params.tenant_bits)]
    return HashFunction(
        params.tenant_bits + 48,
        bits + _PRIVATE_BITS,
        WAYS // 2,
        windows=[window, window << _PRIVATE_BITS],
        sequences=[low + tenants],
    )


def bucket(params: Params, indices: Sequence[Any], way: int) -> Any:
    """The bucket in ``way`` of a key with the ``indices`` of :func:`mac_hash`; on integers and on values of
    gateware alike.

    Both ways of a pair share most bits of their hash. With two that they do not share, the table fills to
    within 1 % of what independent ways would give.
    """
    index = indices[way // 2]
    window = params.macs // WAYS - 1
    if way % 2:
        private = (1 << _PRIVATE_BITS) - 1
        return index >> bucket_bits(params) | index & (window & ~private)
    return index & window


def direct_index(bucket: Value) -> Value:
    """The index for which :func:`bucket` is ``bucket`` in all ways."""
    return Cat(bucket, bucket[:_PRIVATE_BITS])


class StoredMac(data.StructLayout):
    """What is compared with a key."""

    def __init__(self, params: Params):
        super().__init__({"key": mac_hash(params).key_bits, "valid": 1})


class MacSlot(data.StructLayout):
    """Where an entry is."""

    def __init__(self, params: Params):
        super().__init__({"bucket": bucket_bits(params), "way": ceil_log2(WAYS)})
