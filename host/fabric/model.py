"""The fabric document, typed.

MAC addresses are 48-bit, OUIs 24-bit, IPv6 addresses 128-bit integers, first octet most significant. What a
document may leave out to have it allocated is ``None`` until :func:`opentep.host.fabric.allocate.allocate`.
"""

import ipaddress
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import or_

from opentep.gateware.headers import GROUP_BIT, Encapsulation
from opentep.gateware.params import Params
from opentep.host.tables import OUI_KEY, KeyMask, Storm

from .addresses import oui_of, parse_host

__all__ = ["Fabric", "Group", "Link", "NextHop", "Port", "Rule", "Tenant", "Tep", "VSwitch", "Vm"]


@dataclass(frozen=True)
class Port:
    """A port of a TEP."""

    name: str
    role: str
    """``access`` or ``fabric``."""
    mac: int = 0
    native_vlan: int = 0
    """0: untagged frames are dropped."""
    next_hop: int | None = None
    """MAC address of the router that this fabric port leads to."""
    router: int | None = None
    """Its IPv6 address, if neighbour discovery shall find the MAC address."""
    mtu: int = 1500
    tenant_key: KeyMask | None = None
    """``None``: the fabric's."""


@dataclass(frozen=True)
class Link:
    """Host link of a TEP."""

    device: str
    baud: int | None = None


@dataclass(frozen=True)
class NextHop:
    """Way to a remote TEP."""

    mac: int
    port: str | None = None
    """Fabric port; ``None`` is the first."""


@dataclass(frozen=True)
class Tep:
    """A tunnel end point: opentep hardware, or a foreign one that only peers."""

    name: str
    address: int
    sources: tuple[int, ...]
    encapsulation: Encapsulation = Encapsulation.ETHERNET
    """In which it is sent to."""
    sid_function: bool = False
    """The last 24 bits of the address that it is sent to are the network of the frame's tenant."""
    foreign: bool = False
    link: Link | None = None
    ports: dict[str, Port] = field(default_factory=dict)
    next_hops: dict[str, tuple[NextHop, ...]] = field(default_factory=dict)
    """By remote TEP, on different ports; of one that is not here, those of all fabric ports."""
    age_seconds: int = 300
    learned_limit: int | None = None
    """Of learned MAC entries per tenant; None: half of what there is room for."""
    core: dict[str, int] = field(default_factory=dict)
    """Build parameters that differ from the defaults of :class:`Params`."""

    @cached_property
    def ordered_ports(self) -> tuple[Port, ...]:
        """Ports as the gateware numbers them: access ports first, each role in document order."""
        return tuple(sorted(self.ports.values(), key=lambda port: port.role == "fabric"))

    @cached_property
    def fabric_ports(self) -> tuple[Port, ...]:
        return tuple(port for port in self.ports.values() if port.role == "fabric")

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {port.name: index for index, port in enumerate(self.ordered_ports)}

    def port_index(self, name: str) -> int:
        """Number of port ``name`` in the gateware."""
        return self._indices[name]

    @property
    def params(self) -> Params:
        """Build parameters that the document promises for this TEP's core."""
        fabric = len(self.fabric_ports)
        return Params(access_ports=len(self.ports) - fabric, fabric_ports=fabric, **self.core)


@dataclass(frozen=True)
class Tenant:
    """A tenant and its policies."""

    name: str
    ouis: tuple[int, ...] = ()
    """Empty: one is allocated."""
    block: int = 0
    """Last 24 bits of its MAC addresses, as far as ports go by them."""
    network: int = 0
    """24-bit identifier of the virtual network in tunnels that have one; 0: none."""
    vlan: int = 0
    """VLAN ID, as far as access ports go by it; 0: they do not."""
    owned: bool = False
    source: str = "strict"
    remote: str = "static"
    unknown: str = "drop"
    group: str = "egress"
    underlay_group: int = 0
    """IPv6 group address that its group frames are sent to, instead of one by one to TEPs; 0: none."""
    storm: Storm | None = None
    """Limit of what its VMs behind each TEP may send of frames that go to many; ``None``: there is none."""
    suppress: bool = False
    """ARP and ND requests for its VMs' addresses are answered by TEPs."""
    teps: tuple[str, ...] = ()


@dataclass(frozen=True)
class VSwitch:
    """A virtual switch behind one access port."""

    name: str
    tep: str
    port: str
    driver: str = "print"
    ovsdb: str | None = None
    bridge: str = "br0"
    uplink: str | None = None
    reserved_vlans: tuple[int, ...] = ()
    libvirt: str | None = None
    """URI of the connection."""


@dataclass(frozen=True)
class Vm:
    """A virtual machine, behind a vSwitch or behind a foreign TEP."""

    name: str
    tenant: str
    vswitch: str | None = None
    tep: str | None = None
    mac: int | None = None
    vlan: int | None = None
    """``None`` for good behind a foreign TEP."""
    interface: str = ""
    addresses: tuple[str, ...] = ()
    """With or without a prefix length."""

    @property
    def ip_addresses(self) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
        return tuple(map(parse_host, self.addresses))


@dataclass(frozen=True)
class Group:
    """A group address with its own members."""

    name: str
    tenant: str
    mac: int
    members: tuple[str, ...]
    underlay_group: int = 0
    """As that of a :class:`Tenant`; 0: the tenant's."""


@dataclass(frozen=True)
class Rule:
    """VMs of tenant ``source`` may send to VMs of tenant ``target``; not the reverse."""

    source: str
    target: str


@dataclass(frozen=True)
class Fabric:
    """A whole document."""

    teps: dict[str, Tep]
    mtu: int = 1500
    hop_limit: int = 64
    dscp: int | None = None
    """Of all tunnel packets; ``None``: as in the frames."""
    group_prefix: int = 0
    """What all group addresses of the underlay begin with, 96 bits; 0: there are none."""
    tenant_key: KeyMask = OUI_KEY
    """What access ports go by, if they say nothing else."""
    tenants: dict[str, Tenant] = field(default_factory=dict)
    vswitches: dict[str, VSwitch] = field(default_factory=dict)
    vms: dict[str, Vm] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    def underlay_group(self, group: Group) -> int:
        """Where frames of ``group`` are sent in the underlay, if that has groups."""
        return group.underlay_group or self.tenants[group.tenant].underlay_group

    def tep_of(self, vm: Vm) -> str:
        """Name of the TEP that ``vm`` is behind."""
        if vm.vswitch is not None:
            return self.vswitches[vm.vswitch].tep
        assert vm.tep is not None, "checked when the document was loaded"
        return vm.tep

    @cached_property
    def vms_of(self) -> Mapping[str, Sequence[Vm]]:
        """Per tenant, of those that have any."""
        vms: dict[str, list[Vm]] = {}
        for vm in self.vms.values():
            vms.setdefault(vm.tenant, []).append(vm)
        return vms

    @cached_property
    def tenants_at(self) -> Mapping[str, Set[str]]:
        """Per TEP that has any: tenants with VMs there, or that the document wants there."""
        tenants: dict[str, set[str]] = {}
        for vm in self.vms.values():
            tenants.setdefault(self.tep_of(vm), set()).add(vm.tenant)
        for tenant in self.tenants.values():
            for tep in tenant.teps:
                tenants.setdefault(tep, set()).add(tenant.name)
        return tenants

    def key_mask(self, port: Port) -> KeyMask:
        """What ``port`` goes by. Fabric ports see no VLAN IDs, and must tell group addresses from others."""
        if port.role == "fabric":
            return KeyMask(mac=(self.tenant_key.mac or OUI_KEY.mac) | 1 << GROUP_BIT)
        return port.tenant_key or self.tenant_key

    @cached_property
    def key_masks(self) -> set[KeyMask]:
        """Of all access ports."""
        ports = (port for tep in self.teps.values() for port in tep.ports.values())
        return {self.key_mask(port) for port in ports if port.role == "access"}

    @cached_property
    def block_bits(self) -> int:
        """What of the last 24 bits of a MAC address tells the tenant."""
        masks = (*self.key_masks, self.tenant_key)
        return reduce(or_, (mask.mac for mask in masks)) & 0xFFFFFF

    def owns(self, tenant: Tenant, mac: int) -> bool:
        """Whether ``mac`` is an address of ``tenant``, whose OUIs are known."""
        return oui_of(mac) in tenant.ouis and (mac ^ tenant.block) & self.block_bits == 0

    def vlan_bits(self, vswitch: VSwitch) -> int:
        """What of the VLAN ID tells the tenant behind ``vswitch``."""
        return self.key_mask(self.teps[vswitch.tep].ports[vswitch.port]).vid

    def native_vlan(self, vswitch: VSwitch) -> int:
        """Native VLAN of the port that ``vswitch`` is behind, 0 if none."""
        return self.teps[vswitch.tep].ports[vswitch.port].native_vlan
