"""What a document must mean, beyond its form (SPEC sections 2 and 7)."""

from collections.abc import Callable, Collection, Iterator, Sequence
from ipaddress import IPv4Address

from opentep.gateware.headers import GROUP_PREFIX_BITS
from opentep.gateware.storm.limit import TICKS_PER_SECOND
from opentep.host.tables import group_oui

from .addresses import GROUP_BIT, format_ipv6, format_mac, format_oui, oui_of, parse_mac, refusal
from .errors import KeyPath, Problem
from .identity import identity, names_network
from .model import Fabric, Rule, Tep, Vm
from .source import Source
from .switches import vm_interface, vswitches
from .validate import suggest

__all__ = ["check"]

_Check = Callable[[Fabric, Source], Iterator[Problem]]

_MULTICAST = 0xFF << 120
_ALL_IPV4_NODES = IPv4Address("255.255.255.255")


def _reference(
    source: Source, path: KeyPath, what: str, name: str | None, known: Collection[str]
) -> Iterator[Problem]:
    if name is not None and name not in known:
        yield source.problem(path, f"there is no {what} '{name}'", suggest(name, list(known)))


def references(fabric: Fabric, source: Source) -> Iterator[Problem]:
    """Every name that is used is defined."""
    for name, tep in fabric.teps.items():
        fabric_ports = [port.name for port in tep.fabric_ports]
        for remote, hops in tep.next_hops.items():
            path: KeyPath = ("teps", name, "next_hops", remote)
            yield from _reference(source, path, "other TEP", remote, fabric.teps.keys() - {name})
            for hop in hops:
                yield from _reference(source, path, "fabric port", hop.port, fabric_ports)
                yield from _unicast(path, hop.mac, source)
            used = [hop.port or fabric_ports[0] for hop in hops if fabric_ports]
            if len(set(used)) < len(used):
                message = f"two next hops towards '{remote}' on one port"
                yield source.problem(path, message, "name one per fabric port", key=True)
    for name, tenant in fabric.tenants.items():
        for index, tep_name in enumerate(tenant.teps):
            yield from _reference(source, ("tenants", name, "teps", index), "TEP", tep_name, fabric.teps)
    for name, vswitch in fabric.vswitches.items():
        yield from _reference(source, ("vswitches", name, "tep"), "TEP", vswitch.tep, fabric.teps)
        if vswitch.tep in fabric.teps:
            ports = fabric.teps[vswitch.tep].ports
            what = f"port of TEP '{vswitch.tep}' called"
            yield from _reference(source, ("vswitches", name, "port"), what, vswitch.port, ports)
    for name, vm in fabric.vms.items():
        yield from _reference(source, ("vms", name, "tenant"), "tenant", vm.tenant, fabric.tenants)
        yield from _reference(source, ("vms", name, "vswitch"), "vSwitch", vm.vswitch, fabric.vswitches)
        yield from _reference(source, ("vms", name, "tep"), "TEP", vm.tep, fabric.teps)
    for name, group in fabric.groups.items():
        yield from _reference(source, ("groups", name, "tenant"), "tenant", group.tenant, fabric.tenants)
        for index, member in enumerate(group.members):
            yield from _reference(source, ("groups", name, "members", index), "VM", member, fabric.vms)
    for index, rule in enumerate(fabric.rules):
        yield from _reference(source, ("rules", index, "from"), "tenant", rule.source, fabric.tenants)
        yield from _reference(source, ("rules", index, "to"), "tenant", rule.target, fabric.tenants)


def _unicast(path: KeyPath, mac: int, source: Source) -> Iterator[Problem]:
    if mac == 0 or oui_of(mac) & GROUP_BIT:
        remedy = "clear the lowest bit of the first octet" if mac else "give a MAC address"
        yield source.problem(path, f"{format_mac(mac)} is not a unicast address", remedy)


def _doubles(values: Sequence[int]) -> list[int]:
    """Indices of values that stand there once more: the schema sees only those that are written alike."""
    if len(set(values)) == len(values):
        return []
    return [index for index, value in enumerate(values) if value in values[:index]]


def _ports(name: str, tep: Tep, source: Source) -> Iterator[Problem]:
    for key, port in tep.ports.items():
        path = ("teps", name, "ports", key)
        given = source.data["teps"][name]["ports"][key]
        of_fabric, of_access = ("mac", "next_hop", "router", "mtu"), ("native_vlan", "tenant_key")
        wrong = of_fabric if port.role == "access" else of_access
        for item in wrong:
            if item in given:
                right = "fabric" if port.role == "access" else "access"
                message = f"'{item}' has no meaning with 'role: {port.role}'"
                remedy = f"remove it, or make the port 'role: {right}'"
                yield source.problem((*path, item), message, remedy, key=True)
        if port.role == "fabric" and not port.mac:
            yield source.problem(
                path,
                "a fabric port needs its own MAC address",
                "add 'mac', for example 02:00:5e:10:00:01",
                key=True,
            )
        for item, value in (("mac", port.mac), ("next_hop", port.next_hop)):
            if item in given and value is not None:
                yield from _unicast((*path, item), value, source)
        if "router" in given and "next_hop" in given:
            message = "both 'next_hop' and 'router'"
            yield source.problem((*path, "router"), message, "remove the one that is not right", key=True)
        if port.router is not None and (port.router == 0 or port.router >> 120 == 0xFF):
            message = f"{format_ipv6(port.router)} is not a unicast address"
            yield source.problem((*path, "router"), message, "give an address of the router, such as fe80::1")
    roles = [port.role for port in tep.ports.values()]
    for role in ("access", "fabric"):
        if role not in roles:
            yield source.problem(
                ("teps", name, "ports") if "ports" in source.data["teps"][name] else ("teps", name),
                f"the TEP has no {role} port",
                f"add a port with 'role: {role}', or 'foreign: true' if this TEP is not opentep",
                key=True,
            )
    if len(tep.ports) > 16:
        yield source.problem(("teps", name, "ports"), "more than 16 ports", "split the TEP in two", key=True)


def teps(fabric: Fabric, source: Source) -> Iterator[Problem]:
    """Addresses are unicast and unique; ports and build parameters make sense."""
    taken: dict[int, str] = {}
    for name, tep in fabric.teps.items():
        raw = source.data["teps"][name]
        entries: list[tuple[KeyPath, int]] = [(("teps", name, "address"), tep.address)]
        if "sources" in raw:
            entries += [(("teps", name, "sources", i), address) for i, address in enumerate(tep.sources)]
        for path, address in entries:
            if address & _MULTICAST == _MULTICAST or address in (0, 1):
                yield source.problem(
                    path,
                    f"{format_ipv6(address)} is not a unicast address of a node",
                    "give an address that the underlay routes to this TEP",
                )
            elif taken.setdefault(address, name) != name:
                yield source.problem(
                    path,
                    f"{format_ipv6(address)} already belongs to '{taken[address]}'",
                    "give every TEP its own addresses",
                )
        for index in _doubles(tep.sources):
            address = tep.sources[index]
            message = f"{format_ipv6(address)} is listed twice"
            yield source.problem(("teps", name, "sources", index), message, "list every address once")
        if not tep.foreign:
            if "sources" in raw:
                yield source.problem(
                    ("teps", name, "sources"),
                    "opentep always sends from its address",
                    "remove 'sources', it is for foreign TEPs",
                    key=True,
                )
            if "mac" in raw:
                yield from _unicast(("teps", name, "mac"), parse_mac(raw["mac"]), source)
            yield from _ports(name, tep, source)
            try:
                _ = tep.params
            except ValueError as error:
                if tep.core:
                    yield source.problem(("teps", name, "core"), str(error), "correct the value", key=True)
            continue
        for key in ("mac", "link", "ports", "next_hops", "core", "age_seconds", "learned_limit"):
            if key in raw:
                yield source.problem(
                    ("teps", name, key),
                    f"a foreign TEP has no '{key}' here",
                    "remove it: opentep does not configure this TEP",
                    key=True,
                )


def underlay_groups(fabric: Fabric, source: Source) -> Iterator[Problem]:
    """Group addresses of the underlay are among those that TEPs listen to, and the MAC addresses behind them tell the
    tenant."""
    low = (1 << 128 - GROUP_PREFIX_BITS) - 1
    entries: list[tuple[str, str, int]] = [
        *(("tenants", name, tenant.underlay_group) for name, tenant in fabric.tenants.items()),
        *(("groups", name, group.underlay_group) for name, group in fabric.groups.items()),
    ]
    for kind, name, address in entries:
        if not address:
            continue
        path: KeyPath = (kind, name, "underlay_group")
        if not fabric.group_prefix:
            remedy = f"add 'groups: \"{format_ipv6(address & ~low)}/{GROUP_PREFIX_BITS}\"' to 'underlay'"
            yield source.problem(path, "the underlay has no groups", remedy, key=True)
        elif address & ~low != fabric.group_prefix:
            known = f"{format_ipv6(fabric.group_prefix)}/{GROUP_PREFIX_BITS}"
            message = f"{format_ipv6(address)} is not among the underlay's groups"
            yield source.problem(path, message, f"choose one of {known}")
        elif any(mask.vid or not mask.mac for mask in fabric.key_masks):
            message = "VLAN IDs tell tenants apart, and frames to a group do not carry them"
            yield source.problem(path, message, "remove it, or choose 'tenant_key: oui'", key=True)


def tenants(fabric: Fabric, source: Source) -> Iterator[Problem]:
    """OUIs can identify tenants, and each belongs to one, as each network does."""
    taken: dict[int, str] = {}
    taken_networks: dict[int, str] = {}
    for name, tenant in fabric.tenants.items():
        raw = source.data["tenants"][name] or {}
        path: KeyPath = ("tenants", name)
        if tenant.network and taken_networks.setdefault(tenant.network, name) != name:
            yield source.problem(
                (*path, "network"),
                f"network {tenant.network} already belongs to tenant '{taken_networks[tenant.network]}'",
                "give every tenant its own network",
            )
        given = [key for key in ("oui", "ouis", "block") if key in raw]
        if len(given) > 1:
            message = f"both '{given[0]}' and '{given[1]}' are given"
            yield source.problem((*path, given[1]), message, "keep one of them", key=True)
            continue
        for index in _doubles(tenant.ouis):
            message = f"{format_oui(tenant.ouis[index])} is listed twice"
            yield source.problem((*path, "ouis", index), message, "list every OUI once")
        for index, oui in enumerate(tenant.ouis):
            here = (*path, "ouis", index) if "ouis" in raw else (*path, given[0])
            reason = refusal(oui, owned=tenant.owned)
            if reason is not None:
                remedy = "choose another, for example 12:00:01, or leave it out to have one allocated"
                if refusal(oui, owned=True) is None:
                    remedy = "declare 'owned: true' if it is your organisation's, or choose another"
                yield source.problem(here, f"{format_oui(oui)} cannot identify a tenant: {reason}", remedy)
            elif not fabric.block_bits and taken.setdefault(oui, name) != name:
                yield source.problem(
                    here,
                    f"{format_oui(oui)} already belongs to tenant '{taken[oui]}'",
                    "give every tenant its own OUI",
                )


def storm(fabric: Fabric, source: Source) -> Iterator[Problem]:
    """A bucket holds what a limit gives it at once."""
    for name, tenant in fabric.tenants.items():
        limit = tenant.storm
        if limit is not None and limit.rate > limit.burst * TICKS_PER_SECOND:
            yield source.problem(
                ("tenants", name, "storm", "burst"),
                f"{limit.rate} frames per second cannot pass in bursts of {limit.burst}: there are"
                f" {TICKS_PER_SECOND} per second",
                f"give {-(-limit.rate // TICKS_PER_SECOND)} or more, or a lower 'rate'",
            )


def networks(fabric: Fabric, source: Source) -> Iterator[Problem]:
    """A tenant that sends to where networks are named has one."""
    placed = (vm for vm in fabric.vms.values() if (vm.vswitch is None) != (vm.tep is None))
    present = {(fabric.tep_of(vm), vm.tenant) for vm in placed}
    present |= {(tep, tenant.name) for tenant in fabric.tenants.values() for tep in tenant.teps}
    senders: dict[str, set[str]] = {name: {name} for name in fabric.tenants}
    """Per tenant: the tenants whose group frames go to it, with their own networks."""
    for rule in fabric.rules:
        senders[rule.target].add(rule.source)
    for tep, name in sorted({(tep, name) for tep, tenant in present for name in senders[tenant]}):
        if names_network(fabric.teps[tep]) and not fabric.tenants[name].network:
            yield source.problem(
                ("tenants", name),
                f"frames to '{tep}' name the network of their tenant, and this one has none",
                "add 'network', its VNI, VSID or SID function",
                key=True,
            )


def _vm_place(name: str, vm: Vm, fabric: Fabric, source: Source) -> Iterator[Problem]:
    path: KeyPath = ("vms", name)
    if (vm.vswitch is None) == (vm.tep is None):
        both = vm.tep is not None
        yield source.problem(
            path,
            "both 'vswitch' and 'tep' are given" if both else "the VM has no place",
            "give 'vswitch', or 'tep' for a VM behind a foreign TEP",
            key=True,
        )
    elif vm.tep is not None:
        if not fabric.teps[vm.tep].foreign:
            yield source.problem((*path, "tep"), f"'{vm.tep}' is an opentep TEP", "give the VM's 'vswitch'")
        for key in ("vlan", "interface"):
            if key in source.data["vms"][name]:
                yield source.problem(
                    (*path, key), f"a VM behind a foreign TEP has no '{key}' here", "remove it", key=True
                )


def vms(fabric: Fabric, source: Source) -> Iterator[Problem]:
    """A VM has one place, a MAC of its tenant, and a VLAN for itself."""
    by_oui = any(mask.mac for mask in fabric.key_masks)
    macs: dict[int, str] = {}
    vlans: dict[tuple[str, int], str] = {}
    interfaces: dict[tuple[str, str], str] = {}
    for name, vm in fabric.vms.items():
        path: KeyPath = ("vms", name)
        yield from _vm_place(name, vm, fabric, source)
        yield from vm_interface(vm, fabric, source, interfaces)
        tenant = fabric.tenants[vm.tenant]
        if vm.mac is not None:
            yield from _unicast((*path, "mac"), vm.mac, source)
            if not by_oui:
                pass
            elif not tenant.ouis:
                yield source.problem(
                    (*path, "mac"),
                    f"the document names no OUI for tenant '{vm.tenant}'",
                    f"add 'oui: {format_oui(oui_of(vm.mac))}' to the tenant, or leave out the VM's MAC",
                )
            elif not fabric.owns(tenant, vm.mac):
                ouis = ", ".join(map(format_oui, tenant.ouis))
                if fabric.block_bits:
                    ouis = (
                        f"{format_mac(tenant.ouis[0] << 24 | tenant.block)}, {format_mac(fabric.block_bits)}"
                    )
                yield source.problem(
                    (*path, "mac"),
                    f"{format_mac(vm.mac)} is outside tenant '{vm.tenant}' ({ouis})",
                    "the OUI of a MAC identifies its tenant: change one of the two",
                )
            if macs.setdefault(vm.mac, name) != name:
                yield source.problem(
                    (*path, "mac"),
                    f"{format_mac(vm.mac)} is also the MAC of VM '{macs[vm.mac]}'",
                    "give every VM its own MAC",
                )
        if vm.vlan is not None and vm.vswitch is not None:
            bits = fabric.vlan_bits(fabric.vswitches[vm.vswitch])
            if vm.vlan & bits != tenant.vlan & bits:
                yield source.problem(
                    (*path, "vlan"),
                    f"VLAN ID {vm.vlan:#05x} is not one of tenant '{vm.tenant}' ({tenant.vlan:#05x} in {bits:#05x})",
                    "choose another, or leave it out to have one allocated",
                )
            if vm.vlan in fabric.vswitches[vm.vswitch].reserved_vlans:
                yield source.problem(
                    (*path, "vlan"),
                    f"VLAN {vm.vlan} is reserved on vSwitch '{vm.vswitch}'",
                    "choose another, or leave it out to have one allocated",
                )
            place = (vm.vswitch, vm.vlan)
            if vlans.setdefault(place, name) != name:
                yield source.problem(
                    (*path, "vlan"),
                    f"VLAN {vm.vlan} of '{vm.vswitch}' already belongs to VM '{vlans[place]}'",
                    "give every VM of a vSwitch its own VLAN",
                )


def addresses(fabric: Fabric, source: Source) -> Iterator[Problem]:
    """Where requests are answered, an address is that of one VM of the tenant."""
    taken: dict[tuple[str, object], str] = {}
    for name, vm in fabric.vms.items():
        if not fabric.tenants[vm.tenant].suppress:
            continue
        for index, address in enumerate(vm.ip_addresses):
            path: KeyPath = ("vms", name, "addresses", index)
            if address.is_loopback or address == _ALL_IPV4_NODES:
                yield source.problem(
                    path, f"{address} is not an address of a VM", "give the VM's own unicast address"
                )
            elif (vm.tenant, address) in taken:
                yield source.problem(
                    path,
                    f"{address} already belongs to VM '{taken[vm.tenant, address]}' of tenant '{vm.tenant}'",
                    "give it to one of the two, or remove 'suppress' from the tenant",
                )
            taken.setdefault((vm.tenant, address), name)


def groups(fabric: Fabric, source: Source) -> Iterator[Problem]:
    """Members belong to the group's tenant; an address has one list per tenant, and is none that frames travel with
    when some tenant sends by the ``ingress`` method."""
    taken: dict[tuple[str, int], str] = {}
    own = {group_oui(tenant.ouis): tenant.name for tenant in fabric.tenants.values() if tenant.ouis}
    for name, group in fabric.groups.items():
        path: KeyPath = ("groups", name)
        place = (group.tenant, group.mac)
        if taken.setdefault(place, name) != name:
            yield source.problem(
                (*path, "address"),
                f"group '{taken[place]}' of tenant '{group.tenant}' has the same MAC address"
                f" {format_mac(group.mac)}",
                "merge the two (different IP groups can share a MAC)",
            )
        if (named := own.get(oui_of(group.mac))) is not None:
            yield source.problem(
                (*path, "address"),
                f"frames for tenant '{named}' may travel with group addresses like {format_mac(group.mac)}",
                "choose an address whose first octets are no tenant's OUI with the I/G bit set",
            )
        for index, member in enumerate(group.members):
            tenant = fabric.vms[member].tenant
            if tenant != group.tenant:
                yield source.problem(
                    (*path, "members", index),
                    f"VM '{member}' belongs to tenant '{tenant}'",
                    f"list VMs of tenant '{group.tenant}' only",
                )


def rules(fabric: Fabric, source: Source) -> Iterator[Problem]:
    """A rule is between two tenants, and stands there once."""
    taken: dict[Rule, int] = {}
    for index, rule in enumerate(fabric.rules):
        if rule.source == rule.target:
            yield source.problem(
                ("rules", index, "to"), f"VMs of '{rule.source}' reach each other anyway", "remove the rule"
            )
        elif taken.setdefault(rule, index) != index:
            yield source.problem(
                ("rules", index),
                f"a rule from '{rule.source}' to '{rule.target}' stands here twice",
                "remove one",
            )


_MEANING: tuple[_Check, ...] = (
    teps,
    tenants,
    storm,
    identity,
    networks,
    vswitches,
    vms,
    addresses,
    groups,
    underlay_groups,
    rules,
)


def check(fabric: Fabric, source: Source) -> list[Problem]:
    """All problems of a document that satisfies the schema."""
    dangling = list(references(fabric, source))
    if dangling:
        return dangling  # the other checks follow references
    return [problem for meaning in _MEANING for problem in meaning(fabric, source)]
