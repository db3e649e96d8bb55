"""Compilation: from the fabric as a whole to the tables of one TEP.

The result depends only on the complete fabric and on the indices kept in the state.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from opentep.gateware.lookup.tables import tenant_geometry
from opentep.gateware.params import Params
from opentep.host.encode import tenant_keys
from opentep.host.fabric.errors import FabricError, Problem
from opentep.host.fabric.model import Fabric, Tep, Vm
from opentep.host.fabric.source import Source
from opentep.host.fabric.state import State
from opentep.host.tables import (
    Group,
    Local,
    MacTableEntry,
    Port,
    Remote,
    RemoteTep,
    ReplicaList,
    Rule,
    Tenant,
    TepTables,
)

__all__ = ["Usage", "compile_tep", "number", "usage"]


def number(kept: dict[str, int], names: Iterable[str]) -> dict[str, int]:
    """Give every name an index: its former one, else the lowest that is free."""
    wanted = list(names)
    numbers = {name: kept[name] for name in wanted if name in kept}
    used = set(numbers.values())
    free = (index for index in range(len(wanted) + 1) if index not in used)
    return {name: numbers[name] if name in numbers else next(free) for name in wanted}


class _Compiler:
    """One TEP's view of the fabric."""

    def __init__(self, fabric: Fabric, name: str, state: State, source: Source):
        self.fabric = fabric
        self.tep: Tep = fabric.teps[name]
        self.source = source
        self.state = state
        self.problems: list[Problem] = []
        present = {vm.tenant for vm in fabric.vms.values() if fabric.tep_of(vm) == name}
        present |= {tenant.name for tenant in fabric.tenants.values() if name in tenant.teps}
        # Both sides of a rule: of whom VMs here may send to, and of who may send to VMs here.
        self.rules = [rule for rule in fabric.rules if {rule.source, rule.target} & present]
        present |= {tenant for rule in self.rules for tenant in (rule.source, rule.target)}
        vms = [vm for vm in fabric.vms.values() if vm.tenant in present]
        self.vms: list[Vm] = vms
        self.audience = {
            tenant: {tenant} | {rule.target for rule in self.rules if rule.source == tenant}
            for tenant in present
        }
        """Per present tenant: the tenants that its group frames go to."""
        self.remote_teps: dict[str, set[str]] = {tenant: set() for tenant in present}
        """Per present tenant: the other TEPs that have members."""
        for vm in vms:
            self.remote_teps[vm.tenant].add(fabric.tep_of(vm))
        for tenant_name in present:
            self.remote_teps[tenant_name].update(fabric.tenants[tenant_name].teps)
            self.remote_teps[tenant_name].discard(name)
        self.groups = [group for group in fabric.groups.values() if group.tenant in present]
        remotes = set().union(*self.remote_teps.values())
        self.tenant_index = self._number("tenants", (t for t in fabric.tenants if t in present))
        self.tep_index = self._number("teps", (t for t in fabric.teps if t in remotes))
        floods = [f"tenant/{tenant}" for tenant in self.tenant_index]
        self.list_index = self._number("lists", floods + [f"group/{group.name}" for group in self.groups])

    def _number(self, table: str, names: Iterable[str]) -> dict[str, int]:
        kind = f"{self.tep.name}/{table}"
        self.state.indices[kind] = numbers = number(self.state.indices.get(kind, {}), names)
        return numbers

    def _place(self, vm: Vm) -> Local | Remote:
        at = self.fabric.tep_of(vm)
        if at != self.tep.name:
            return Remote(self.tep_index[at])
        assert vm.vswitch is not None and vm.vlan is not None, "allocated before compilation"
        return Local(self.tep.port_index(self.fabric.vswitches[vm.vswitch].port), vm.vlan)

    def ports(self) -> tuple[Port, ...]:
        return tuple(
            Port(port.name, port.role, port.mac, port.native_vlan, port.mtu, self.fabric.key_mask(port))
            for port in self.tep.ordered_ports
        )

    def tenants(self) -> tuple[Tenant, ...]:
        result = []
        masks = [self.fabric.key_mask(port) for port in self.tep.ports.values() if port.role == "access"]
        by_oui, by_vlan = any(mask.mac for mask in masks), any(mask.vid for mask in masks)
        for name, index in self.tenant_index.items():
            tenant = self.fabric.tenants[name]
            result.append(
                Tenant(
                    index=index,
                    name=name,
                    ouis=tenant.ouis if by_oui else (),
                    network=tenant.network,
                    vlan=tenant.vlan if by_vlan else 0,
                    learn_source=tenant.source == "learn",
                    learn_remote=tenant.remote == "learn",
                    flood_unknown=tenant.unknown == "flood",
                    flood_list=self.list_index[f"tenant/{name}"],
                )
            )
        return tuple(sorted(result, key=lambda tenant: tenant.index))

    def _remote(self, name: str, index: int) -> RemoteTep | None:
        remote = self.fabric.teps[name]
        hop = self.tep.next_hops.get(name)
        ports = self.tep.fabric_ports
        if hop is None:
            port = next((port for port in ports if (port.next_hop or port.router) is not None), None)
            mac, router = (port.next_hop, port.router) if port else (None, None)
        else:
            port = self.tep.ports[hop.port] if hop.port else ports[0]
            mac, router = hop.mac, None
        if port is None or (mac or router) is None:
            self.problems.append(
                self.source.problem(
                    ("teps", self.tep.name, "ports", ports[0].name),
                    f"no next hop towards TEP '{name}'",
                    "add 'next_hop' with the MAC address of the router behind this port, or 'router' with its IPv6"
                    " address",
                    key=True,
                )
            )
            return None
        return RemoteTep(
            index=index,
            name=name,
            address=remote.address,
            sources=remote.sources,
            port=self.tep.port_index(port.name),
            next_hop=mac or 0,
            hop_limit=self.fabric.hop_limit,
            encapsulation=remote.encapsulation,
            sid_function=remote.sid_function,
            dscp=self.fabric.dscp,
            router=router or 0,
        )

    def teps(self) -> tuple[RemoteTep, ...]:
        found = [self._remote(name, index) for name, index in self.tep_index.items()]
        return tuple(sorted((tep for tep in found if tep is not None), key=lambda tep: tep.index))

    def macs(self) -> tuple[MacTableEntry, ...]:
        entries = []
        for vm in self.vms:
            assert vm.mac is not None, "allocated before compilation"
            entries.append(MacTableEntry(self.tenant_index[vm.tenant], vm.mac, self._place(vm)))
        for group in self.groups:
            place = Group(self.list_index[f"group/{group.name}"])
            entries.append(MacTableEntry(self.tenant_index[group.tenant], group.mac, place))
        return tuple(sorted(entries, key=lambda entry: (entry.tenant, entry.mac)))

    def _list(
        self, index: int, vms: Iterable[Vm], remotes: Iterable[str], port_of: dict[int, int]
    ) -> ReplicaList:
        members: dict[int, set[int]] = {}
        for vm in vms:
            place = self._place(vm)
            if isinstance(place, Local):
                members.setdefault(place.port, set()).add(place.vid)
        for name in remotes:
            tep = self.tep_index[name]
            if tep in port_of:
                members.setdefault(port_of[tep], set()).add(tep)
        return ReplicaList(index, {port: tuple(sorted(members[port])) for port in sorted(members)})

    def lists(self, teps: tuple[RemoteTep, ...]) -> tuple[ReplicaList, ...]:
        port_of = {tep.index: tep.port for tep in teps}
        lists = []
        for name in self.tenant_index:
            audience = self.audience[name]
            vms = [vm for vm in self.vms if vm.tenant in audience]
            remotes = set().union(*(self.remote_teps[tenant] for tenant in audience))
            lists.append(self._list(self.list_index[f"tenant/{name}"], vms, remotes, port_of))
        for group in self.groups:
            vms = [self.fabric.vms[member] for member in group.members]
            remotes = {self.fabric.tep_of(vm) for vm in vms} - {self.tep.name}
            lists.append(self._list(self.list_index[f"group/{group.name}"], vms, remotes, port_of))
        return tuple(sorted(lists, key=lambda entry: entry.index))

    def compile(self) -> TepTables:
        teps = self.teps()
        tables = TepTables(
            name=self.tep.name,
            address=self.tep.address,
            ports=self.ports(),
            tenants=self.tenants(),
            macs=self.macs(),
            teps=teps,
            lists=self.lists(teps),
            rules=tuple(
                sorted(
                    Rule(self.tenant_index[rule.source], self.tenant_index[rule.target])
                    for rule in self.rules
                )
            ),
            sid_function=self.tep.sid_function,
            age_seconds=self.tep.age_seconds,
        )
        for use in usage(tables, self.tep.params):
            if use.used > use.room:
                message = f"{use.used} {use.what}, but the core has room for {use.room}"
                remedy = f"move VMs to other TEPs, or build a core with more '{use.parameter}' and say so under 'core'"
                self.problems.append(self.source.problem(("teps", self.tep.name), message, remedy, key=True))
        if self.problems:
            raise FabricError(self.problems)
        return tables


@dataclass(frozen=True)
class Usage:
    """How full a table gets."""

    table: str
    parameter: str
    """Build parameter that sets its size."""
    used: int
    room: int
    what: str


def _tenant_keys_room(params: Params) -> int:
    """Two choices of two slots can be filled to 89 % (Dietzfelbinger and Weidling 2007, table 1)."""
    return tenant_geometry(params).depth * 7 // 8


def usage(tables: TepTables, params: Params) -> list[Usage]:
    """How full the tables of a core built with ``params`` get."""
    per_port = [
        (f"replica list members on port '{port.name}'", [len(e.members.get(index, ())) for e in tables.lists])
        for index, port in enumerate(tables.ports)
    ]
    keys = sum(len(tenant_keys(tenant, tables.key_masks)) for tenant in tables.tenants)
    what, members = max(((what, sum(counts)) for what, counts in per_port), key=lambda pair: pair[1])
    return [
        Usage("tenants", "tenants", len(tables.tenants), params.tenants, "tenants present"),
        Usage(
            "tenant_keys",
            "tenants",
            keys,
            _tenant_keys_room(params),
            "OUIs and networks of the tenants present",
        ),
        Usage(
            "macs",
            "macs",
            len(tables.macs),
            params.macs,
            "MAC addresses (VMs and groups of the tenants present)",
        ),
        Usage("rules", "rules", len(tables.rules), params.rules, "rules of the tenants present"),
        Usage("teps", "teps", len(tables.teps), params.teps, "remote TEPs"),
        Usage(
            "lists", "lists", len(tables.lists), params.lists, "replica lists (tenants and groups present)"
        ),
        Usage("members", "members", members, params.members, what),
    ]


def compile_tep(fabric: Fabric, name: str, state: State, source: Source) -> TepTables:
    """Tables of opentep TEP ``name``.

    ``fabric`` is complete (allocated); ``state`` keeps indices. Raises :class:`FabricError` for what only
    shows here: missing next hops, full tables.
    """
    return _Compiler(fabric, name, state, source).compile()
