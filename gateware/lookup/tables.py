"""The tables of the lookup: their entries and sizes, for gateware and host."""

from dataclasses import dataclass

from amaranth.hdl import Shape
from amaranth.lib import data
from amaranth.utils import ceil_log2

from ..headers import GROUP_BIT
from ..params import Params
from ..tables.cuckoo import CuckooTable
from ..tables.halved import FoldedHash, HalvedTable
from ..tables.hash import HashFunction
from ..tables.match import Candidate

__all__ = [
    "CuckooGeometry",
    "RuleKey",
    "TenantEntry",
    "TenantFlags",
    "TenantKey",
    "masked_key",
    "network_mac",
    "rule_geometry",
    "source_geometry",
    "tenant_geometry",
]


class TenantFlags(data.Struct):
    """Policies of a tenant."""

    valid: 1
    """The tenant is present on this TEP."""
    learn_source: 1
    """Source policy ``learn`` (else ``strict``)."""
    learn_remote: 1
    """Learn source MACs of frames from the fabric."""
    flood_unknown: 1
    """Flood unknown unicast in the tenant (else drop)."""
    unknown_list: 12
    """Replica list for that: the tenant's VMs, and remote TEPs with such."""
    flood_list: 12
    """Replica list of all that group frames are for: those, and what there is of tenants that its rules allow."""
    rewrites: 1
    """Group frames of its VMs travel with group addresses of the tenants that they are for. Its lists are even then; on
    fabric ports the odd ones behind them count."""
    suppresses: 1
    """Requests of its VMs for known addresses are answered, if the core can."""


class TenantEntry(data.Struct):
    """What there is to know of a tenant, by tenant index."""

    flags: TenantFlags
    network: 24
    """Identifier of its virtual network (VNI, VSID), 0 if it has none."""


class TenantKey(data.Struct):
    """What identifies a tenant in a frame, after masking, or :func:`network_mac`. The mask has the same fields.

    A key with the I/G bit that is no network's is that of a tenant's group addresses. The tenant's ``flood_list`` is
    even, and the odd one behind it has its own VMs.
    """

    vid: 12
    mac: 48


def masked_key(mask, *, mac, vid):
    """``mac`` and ``vid`` of the :class:`TenantKey` of a frame, on a port with ``mask``, which has the same fields.

    For integers as for values.
    """
    return mac & mask.mac, vid & mask.vid


def network_mac(network):
    """``mac`` of the key of a virtual network (24 bits, integer or value): no source address has the I/G bit."""
    return network | 1 << GROUP_BIT


class RuleKey(data.StructLayout):
    """Tenants by index: VMs of ``source`` may send to VMs of ``target``."""

    def __init__(self, params: Params):
        super().__init__({"target": params.tenant_bits, "source": params.tenant_bits})


_FILL = {(2, 2): 0.875, (2, 4): 0.97, (3, 2): 0.97, (3, 4): 0.99}
"""By choices and slots: share of the slots that can be filled."""


@dataclass(frozen=True)
class CuckooGeometry:
    """Shape of a cuckoo table, for the gateware that holds it and the host that fills it.

    One without a stash has a wide key, which is folded for the hash. With one slot it is a :class:`HalvedTable`, else
    a :class:`CuckooTable`.
    """

    key_bits: int
    value_bits: int
    buckets: int
    slots: int
    choices: int
    stash: int

    @property
    def entry(self) -> Candidate:
        """One slot: {valid, key, value}."""
        return Candidate(self.key_bits, self.value_bits)

    @property
    def depth(self) -> int:
        """Number of slots."""
        return self.choices * self.buckets * self.slots

    @property
    def room(self) -> int:
        """Keys that surely find a place: what is left is chance (Dietzfelbinger and Weidling 2007, table 1; below it by
        what `opentep bench tables` finds to vary with the keys)."""
        return int(self.depth * _FILL[self.choices, self.slots])

    @property
    def hash(self) -> HashFunction | FoldedHash:
        """Which buckets a key may be in."""
        function = HashFunction if self.stash else FoldedHash
        return function(self.key_bits, ceil_log2(self.buckets), self.choices)

    def table(self) -> CuckooTable | HalvedTable:
        """The gateware."""
        if not self.stash:
            return HalvedTable(self.key_bits, self.value_bits, self.buckets, choices=self.choices)
        return CuckooTable(
            self.key_bits,
            self.value_bits,
            self.buckets,
            slots=self.slots,
            choices=self.choices,
            stash=self.stash,
        )


def tenant_geometry(params: Params) -> CuckooGeometry:
    """Masked source (or destination) → tenant index. With 2 choices of 2 slots half full with all tenants present, so
    that the host always finds a place; denser ones hold a tenant with one key per slot."""
    choices, slots = params.tenant_choices, params.tenant_slots
    per_tenant = 2 if choices * slots == 4 else 1
    return CuckooGeometry(
        key_bits=Shape.cast(TenantKey).width,
        value_bits=params.tenant_bits,
        buckets=max(2, 1 << ceil_log2(-(-per_tenant * params.tenants // (choices * slots)))),
        slots=slots,
        choices=choices,
        stash=params.stash,
    )


def source_geometry(params: Params) -> CuckooGeometry:
    """Outer IPv6 source → TEP index. A TEP may send from several addresses: two per TEP fit, and most often more."""
    return CuckooGeometry(
        key_bits=128,
        value_bits=ceil_log2(params.teps),
        buckets=2 * params.teps,
        slots=1,
        choices=2,
        stash=0,
    )


def rule_geometry(params: Params) -> CuckooGeometry:
    """Pair of tenants → 1. A quarter full with all rules, so that the host always finds a place; with few tenants
    there are not so many pairs."""
    key_bits = RuleKey(params).size
    return CuckooGeometry(
        key_bits=key_bits,
        value_bits=1,
        buckets=min(2 * params.rules, 1 << key_bits - 1),
        slots=1,
        choices=2,
        stash=params.stash,
    )
