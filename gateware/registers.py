"""The registers and tables of a TEP, declared once for gateware, host and documentation."""

from dataclasses import fields
from functools import cache

from amaranth.hdl import ShapeLike, unsigned

from .counters import COUNTER_BITS
from .csr.bank import Bank
from .csr.element import Access, Register, Table
from .csr.memory_map import Builder, MemoryMap
from .egress.tables import ListHead, ListMember, OuterHeader, TepMode
from .events import TRAFFIC_COUNTERS, counter_names
from .headers import GROUP_PREFIX_BITS
from .hostport.format import CHANGES, REASONS, InjectCommand, RingPointer, Time
from .lookup.tables import TenantEntry, TenantKey, rule_geometry, source_geometry, tenant_geometry
from .lookup.ways import TepWays
from .params import Params
from .phy.commands import MdioCommand, MdioResult
from .phy.link import LinkState
from .retag import Retag
from .storm.limit import StormLimit
from .suppression.tables import KnownEntry, known_geometry
from .tables.mac_engine import BURST
from .tables.mac_entry import MacRequest

__all__ = ["API_VERSION", "MAGIC", "RegisterBank", "memory_map"]

MAGIC = 0x4F544550
"""``OTEP``: what the first word of the register space must read as."""
API_VERSION = 10
"""Raised with every change that a host must know of. The addresses of ``id`` are the same in all versions."""


def _add_identification(builder: Builder, params: Params, build: int) -> None:
    def constant(name: str, value: int, doc: str) -> None:
        builder.add(name, Register(32, doc, access=Access.READ, constant=value))

    with builder.cluster("id"):
        constant("magic", MAGIC, "`OTEP` in ASCII.")
        constant("api_version", API_VERSION, "Version of this register map.")
        for field in fields(Params):
            constant(field.name, getattr(params, field.name), f"Build parameter `{field.name}`.")
        constant(
            "build", build, "Identifies the build: a hash of sources, board and parameters; 0 if unknown."
        )


def _add_configuration(builder: Builder, params: Params) -> None:
    with builder.cluster("control"):
        builder.add("enable", Register(1, "Forward frames; while 0, every frame is dropped uncounted."))
        builder.add("scratch", Register(32, "Has no effect; for tests of the host link."))
    builder.add(
        "hash_seed", Register(64, "Seed of the hash functions of all tables, against crafted collisions.")
    )
    builder.add("address", Register(128, "The TEP's own IPv6 address, first octet most significant."))
    builder.add(
        "sid_function",
        Register(
            1, "The last 24 bits of `address` are a function, which names the virtual network of a tunnel."
        ),
    )
    builder.add(
        "group_prefix",
        Register(
            GROUP_PREFIX_BITS,
            "First bits of the IPv6 group addresses at which the TEP takes tunnel packets, too; none if 0.",
        ),
    )
    builder.add("age_seconds", Register(16, "Lifetime of learned MAC entries without traffic.", reset=300))
    builder.add(
        "learned_limit",
        Register(
            16,
            "How many learned MAC entries a tenant may have; what it would learn beyond counts as refused.",
            reset=params.macs // 2,
        ),
    )
    with builder.cluster("port", params.ports):
        builder.add("mac", Register(48, "Own MAC address (fabric ports), first octet most significant."))
        builder.add(
            "mtu",
            Register(14, "Largest IPv6 packet the underlay takes, in octets (fabric ports).", reset=1500),
        )
        builder.add("native_vid", Register(12, "VLAN ID of untagged frames; 0 drops them (access ports)."))
        builder.add(
            "retag",
            Register(
                Retag,
                "Both VLAN IDs of a VM that is changing from one to the other (access ports); none if equal.",
            ),
        )
        builder.add(
            "key_mask",
            Register(
                TenantKey,
                "Which bits of source MAC and VLAN ID make the tenant key (access ports).",
                reset={"mac": 0xFFFFFF000000},
            ),
        )
        builder.add(
            "advert_sum",
            Register(
                16,
                "Ones' complement sum of the constant part of neighbour advertisements (fabric ports).",
            ),
        )
        builder.add(
            "link",
            Register(
                LinkState,
                "State of the port's link; speed is 0 for 10 Mb/s, 1 for 100, 2 for 1,000.",
                access=Access.READ,
            ),
        )
    with builder.cluster("mdio"):
        builder.add("command", Register(MdioCommand, "Reads or writes a register of the PHY of a port."))
        builder.add("result", Register(MdioResult, "Of the last command that was done.", access=Access.READ))


def _add_host_port(builder: Builder, params: Params) -> None:
    with builder.cluster("punt"):
        builder.add("always", Register(REASONS, "Reasons, one bit each, whose every frame goes to the host."))
        builder.add("sampled", Register(REASONS, "Reasons of which the host gets samples."))
        builder.add(
            "ports", Register(params.ports, "Ingress ports of samples.", reset=(1 << params.ports) - 1)
        )
        builder.add(
            "interval", Register(16, "The host gets one of so many frames that may be samples.", reset=1)
        )
        builder.add(
            "changes",
            Register(
                CHANGES,
                "Changes of learned addresses that the host is told of, one bit each: 1 learned, 2 moved, 3 aged.",
            ),
        )
        builder.add("snap", Register(14, "Octets that the host gets of a frame at most.", reset=128))
        builder.add(
            "consumed", Register(RingPointer(params), "What the host has read of the ring goes to here.")
        )
        builder.add(
            "produced",
            Register(RingPointer(params), "The ring holds frames up to here.", access=Access.READ),
        )
    with builder.cluster("inject"):
        builder.add("command", Register(InjectCommand, "Sends the frame in the mailbox."))
        builder.add("done", Register(8, "Number of the last command that was done.", access=Access.READ))


def _add_status(builder: Builder, params: Params) -> None:
    with builder.cluster("status"):
        builder.add("cells_used", Register(32, "Cells of packet memory in use.", access=Access.READ))
        builder.add(
            "link_errors", Register(32, "Damaged frames that the host link discarded.", access=Access.READ)
        )
        builder.add(
            "time", Register(Time, "The present, as punted frames and events tell it.", access=Access.READ)
        )


def _add_tables(builder: Builder, params: Params) -> None:
    def add(name: str, entry: ShapeLike, depth: int, doc: str, count: int | None = None, **options) -> None:
        builder.add(name, Table(entry, depth, doc, **options), count)

    counters = len(counter_names(params))
    add("counters", unsigned(COUNTER_BITS), counters, "Event counters, see below.", access=Access.READ)
    for name, parties, meaning in (
        ("tep", params.tep_counters, "with remote TEPs, by TEP index"),
        ("tenant", params.tenant_counters, "with the VMs of tenants, by tenant index"),
    ):
        if parties:
            kinds = ", ".join(TRAFFIC_COUNTERS)
            add(
                f"{name}_counters",
                unsigned(COUNTER_BITS),
                parties * len(TRAFFIC_COUNTERS),
                f"Traffic {meaning}: entry `index * {len(TRAFFIC_COUNTERS)} + kind`, of kinds {kinds}.",
                access=Access.READ,
            )
    for name, table, meaning in (
        ("tenant", tenant_geometry(params), "Masked source (or destination) to tenant index"),
        ("source", source_geometry(params), "Outer IPv6 source to TEP index"),
        ("rule", rule_geometry(params), "Pair of tenants, target in the low bits, that a rule allows"),
    ):
        place = f"entry `(choice * buckets + bucket) * {table.slots} + slot`"
        add(f"{name}_slots", table.entry, table.depth, f"{meaning}: {place}. The host chooses the slots.")
        if table.stash:
            add(f"{name}_stash", table.entry, table.stash, f"{meaning}: entries that found no slot.")
    if params.suppresses:
        add(
            "known_slots",
            KnownEntry,
            known_geometry(params).depth,
            "IP address, tenant index (bits 128 to 139 of the key) and whether it is IPv6 (bit 140) to MAC address: "
            "entry as above. The host chooses the slots.",
            by_word=True,
        )
    add(
        "tenant_entries",
        TenantEntry,
        params.tenants,
        "Policies and virtual network of a tenant, by tenant index.",
    )
    if params.limited_tenants:
        doc = "What a tenant may send of frames for many, by tenant index."
        add("storm_limits", StormLimit, params.limited_tenants, doc)
    add(
        "mac_requests",
        MacRequest,
        BURST,
        "A write asks for an operation of the MAC table, at any index; a read tells how the last one ended.",
    )
    add(
        "list_heads",
        ListHead(params),
        params.lists,
        "Where a replica list's members on this port stand, by list index.",
        params.ports,
    )
    add("list_members", ListMember, params.members, "Members of this port's replica lists.", params.ports)
    add("tep_modes", TepMode, params.teps, "How frames are sent to a remote TEP, by TEP index.")
    if params.has_ways:
        doc = "Fabric port per share of the flows to a remote TEP, by TEP index."
        add("tep_ways", TepWays(params), params.teps, doc)
    add(
        "outer_headers",
        OuterHeader,
        params.teps,
        "Outer header of a remote TEP, by TEP index. One table per fabric port, the first of which is 0.",
        params.fabric_ports,
        by_word=True,
    )
    add(
        "mailbox",
        unsigned(params.width),
        params.mailbox_rows,
        "First the ring of punted frames and events, each a header and its octets in whole rows; behind it, in the "
        "last quarter, the frame to inject. First octet lowest.",
    )


@cache
def memory_map(params: Params, build: int = 0) -> MemoryMap:
    """The whole register space of a core. Only the values of ``id`` depend on ``build``."""
    builder = Builder()
    _add_identification(builder, params, build)
    _add_configuration(builder, params)
    _add_host_port(builder, params)
    _add_status(builder, params)
    _add_tables(builder, params)
    return builder.as_memory_map()


class RegisterBank(Bank):
    """The register bank of a core: ``bus`` in; one member per register and table as declared above.

    Arrays of members count from 0; ``outer_headers`` counts fabric ports only.
    """

    def __init__(self, params: Params, build: int = 0):
        self.params = params
        super().__init__(memory_map(params, build))
