"""What one TEP must know, independent of how it is stored: the output of table compilation.

The driver turns a :class:`TepTables` into register and table writes; the golden model runs on it directly.
MAC addresses are 48-bit, IPv6 addresses 128-bit integers, first octet most significant. Ports are numbered as in
the gateware: access ports first, then fabric ports.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from opentep.gateware.headers import GROUP_BIT, Encapsulation
from opentep.gateware.lookup.tables import masked_key

__all__ = [
    "OUI_KEY",
    "Group",
    "KeyMask",
    "KnownAddress",
    "Local",
    "MacTableEntry",
    "Members",
    "Port",
    "Remote",
    "RemoteTep",
    "ReplicaList",
    "Retag",
    "Rewritten",
    "Rule",
    "Storm",
    "Tenant",
    "TepTables",
    "Way",
    "group_oui",
    "target_of",
]


@dataclass(frozen=True)
class KeyMask:
    """What of a frame's MAC address and VLAN ID tells the tenant."""

    mac: int = 0xFFFFFF000000
    vid: int = 0


OUI_KEY = KeyMask()


@dataclass(frozen=True)
class Retag:
    """Both VLAN IDs of a VM while its port of the vSwitch changes from one to the other, on one access port. Either
    comes from the VM, whichever its entries name, and frames for it go out with both."""

    before: int
    after: int

    def other(self, vid: int) -> int:
        """The other VLAN ID of the VM with ``vid``; that itself if it has no other."""
        return {self.before: self.after, self.after: self.before}.get(vid, vid)


@dataclass(frozen=True)
class Port:
    """One port of the TEP."""

    name: str
    role: str
    """``access`` or ``fabric``."""
    mac: int = 0
    """Own MAC address (fabric ports)."""
    native_vid: int = 0
    """VLAN ID that untagged frames belong to; 0 drops them (access ports)."""
    mtu: int = 1500
    """Largest IPv6 packet the underlay takes (fabric ports)."""
    key_mask: KeyMask = OUI_KEY
    retag: Retag | None = None
    """The VM that has two VLAN IDs (access ports)."""


def group_oui(ouis: Iterable[int]) -> int:
    """First three octets of the group addresses of the tenant with ``ouis``: the lowest one, with the I/G bit."""
    return min(ouis) | 1 << GROUP_BIT - 24


@dataclass(frozen=True)
class Storm:
    """Limit of what the VMs of a tenant may send, all together, of frames that go to many."""

    rate: int
    """Frames per second; at most :data:`TICKS_PER_SECOND` times ``burst``."""
    burst: int
    """Frames at once, after silence."""


@dataclass(frozen=True)
class Tenant:
    """A tenant present on the TEP."""

    index: int
    name: str
    ouis: tuple[int, ...]
    """24-bit OUIs; the first one is the tenant's own. None where they do not identify it."""
    learn_source: bool = False
    """Source policy ``learn`` (else ``strict``)."""
    learn_remote: bool = False
    """Learn source MACs of frames from the fabric."""
    unknown_list: int | None = None
    """Replica list of frames for unknown addresses of the tenant: its VMs and remote TEPs with such; None: dropped."""
    flood_list: int = 0
    """Replica list of all that its group frames are for: those, and what there is of tenants that its rules allow."""
    rewrites: bool = False
    """Group frames travel to a group address of the tenant that each copy is for (SPEC's ``ingress`` method). The odd
    number behind that of each of the tenant's replica lists, which is even then, is the list on fabric ports."""
    group_key: bool = False
    """Frames from the fabric to its own group addresses are known by their OUI. ``flood_list`` is even, and on access
    ports the list behind it has the tenant's own VMs."""
    network: int = 0
    """24-bit identifier of the tenant's virtual network (VNI of VXLAN, VSID of NVGRE, SID function); 0 if it has
    none."""
    vlan: int = 0
    """VLAN ID, as far as it identifies the tenant on ports whose mask has such bits."""
    block: int = 0
    """Likewise, the last 24 bits of its MAC addresses."""
    storm: Storm | None = None
    """``None``: no limit."""
    suppresses: bool = False
    """Requests of its VMs for known addresses are answered."""

    @property
    def flood_lists(self) -> set[int]:
        """``flood_list``, the one behind it if that is in use, and ``unknown_list``."""
        lists = {self.flood_list, self.flood_list | (self.rewrites or self.group_key)}
        return lists if self.unknown_list is None else lists | {self.unknown_list}

    def lists_of(self, entry: "MacTableEntry") -> set[int]:
        """The lists of one of its group addresses."""
        assert isinstance(entry.place, Group)
        own = bool(self.ouis) and entry.mac >> 24 == self.group_oui
        return {entry.place.list, entry.place.list | (self.rewrites and not own)}

    @property
    def group_oui(self) -> int:
        """First three octets of its group addresses."""
        return group_oui(self.ouis)

    def keys(self, mask: KeyMask) -> set[tuple[int, int]]:
        """MAC and VLAN ID of the tenant's keys on ports with ``mask``: one per OUI if the mask has MAC bits; and of its
        group addresses, with an I/G bit that no source address has."""
        ouis = self.ouis if mask.mac else (0,)
        block = self.block if mask.mac else 0
        keys = {masked_key(mask, mac=oui << 24 | block, vid=self.vlan) for oui in ouis}
        if self.group_key and self.ouis:  # none are left where somebody was interrupted
            keys.add((self.group_oui << 24, 0))
        return keys


@dataclass(frozen=True, order=True)
class Rule:
    """VMs of tenant ``source`` may send to VMs of tenant ``target`` (indices); not the reverse."""

    source: int
    target: int


@dataclass(frozen=True)
class Local:
    """Behind an access port of this TEP."""

    port: int
    vid: int


@dataclass(frozen=True)
class Remote:
    """Behind another TEP."""

    tep: int


@dataclass(frozen=True)
class Group:
    """A group address with its own members."""

    list: int


@dataclass(frozen=True)
class MacTableEntry:
    """A static entry of the MAC table."""

    tenant: int
    mac: int
    place: Local | Remote | Group


@dataclass(frozen=True, order=True)
class KnownAddress:
    """An IP address that requests are answered for."""

    tenant: int
    """Index."""
    version: int
    """4 or 6."""
    address: int
    mac: int


@dataclass(frozen=True)
class Way:
    """A way to a remote TEP."""

    port: int
    """Fabric port."""
    next_hop: int
    """MAC address of the next hop; 0 while ``router`` has not been found."""
    router: int = 0
    """IPv6 address of the next hop, if its MAC address is to be discovered. The TEP does not know it."""


@dataclass(frozen=True)
class RemoteTep:
    """A tunnel end point on the other side of the underlay, or a group of them that IPv6 multicast reaches."""

    index: int
    name: str
    address: int
    """Outer destination address (or SID, RFC 8986)."""
    sources: tuple[int, ...]
    """Outer source addresses that it sends from; a group of TEPs has none."""
    ways: tuple[Way, ...]
    """On different fabric ports; flows are spread over them, and group frames take the first."""
    hop_limit: int = 64
    encapsulation: Encapsulation = Encapsulation.ETHERNET
    sid_function: bool = False
    """The last 24 bits of its address, 0 here, are the frame's virtual network."""
    dscp: int | None = None
    """DSCP of all packets to it (pipe model, RFC 2983); ``None``: that of the frame's packet (uniform model)."""

    @property
    def port(self) -> int:
        """Fabric port of the first way."""
        return self.ways[0].port

    def way(self, port: int) -> Way:
        """The way on fabric port ``port``."""
        return next(way for way in self.ways if way.port == port)


@dataclass(frozen=True, order=True)
class Rewritten:
    """A member that gets its copy with a group address as destination that begins with ``oui``: the
    :attr:`Tenant.group_oui` of the tenant that it is for."""

    oui: int
    tep: int


Members = Mapping[int, tuple[int | Rewritten, ...]]


def target_of(member: int | Rewritten) -> int:
    """VLAN ID or TEP index of a member."""
    return member.tep if isinstance(member, Rewritten) else member


@dataclass(frozen=True)
class ReplicaList:
    """Receivers of a group frame."""

    index: int
    members: Members = field(default_factory=dict)
    """Per port: VLAN IDs (access ports) or remote TEP indices (fabric ports); in the latter case those that get what
    is rewritten at the end, by OUI."""


@dataclass(frozen=True)
class TepTables:
    """Everything one TEP is configured with."""

    name: str
    address: int
    ports: tuple[Port, ...]
    tenants: tuple[Tenant, ...] = ()
    macs: tuple[MacTableEntry, ...] = ()
    teps: tuple[RemoteTep, ...] = ()
    lists: tuple[ReplicaList, ...] = ()
    rules: tuple[Rule, ...] = ()
    known: tuple[KnownAddress, ...] = ()
    """Of tenants that suppress requests, in order."""
    sid_function: bool = False
    """The last 24 bits of the destination of packets to this TEP may be a virtual network."""
    group_prefix: int = 0
    """First 96 bits of the IPv6 group addresses at which this TEP takes tunnel packets, too; 0: none."""
    age_seconds: int = 300
    """Lifetime of learned MAC entries without traffic."""
    learned_limit: int = 1024
    """How many of them a tenant may have."""

    def list_users(self) -> dict[int, set[tuple[int, int]]]:
        """Who uses each replica list: tenant index and group address, 0 for all of the tenant's."""
        users: dict[int, set[tuple[int, int]]] = {}
        tenants = {tenant.index: tenant for tenant in self.tenants}
        for tenant in self.tenants:
            for index in tenant.flood_lists:
                users.setdefault(index, set()).add((tenant.index, 0))
        for entry in self.macs:
            if isinstance(entry.place, Group):
                for index in tenants[entry.tenant].lists_of(entry):
                    users.setdefault(index, set()).add((entry.tenant, entry.mac))
        return users

    @property
    def referred_teps(self) -> set[int]:
        """Indices of the remote TEPs that a list or a MAC entry leads to."""
        members = (
            member
            for entry in self.lists
            for port, targets in entry.members.items()
            if self.ports[port].role == "fabric"
            for member in targets
        )
        places = (entry.place for entry in self.macs)
        return {*map(target_of, members), *(place.tep for place in places if isinstance(place, Remote))}

    @property
    def key_masks(self) -> set[KeyMask]:
        """Of all ports. Their keys are in one table."""
        return {port.key_mask for port in self.ports}
