"""Compilation: from the fabric as a whole to the tables of one TEP.

The result depends only on the complete fabric and on the indices kept in the state.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, repeat

from opentep.host.fabric.addresses import format_ipv6, group_mac
from opentep.host.fabric.errors import FabricError, Problem
from opentep.host.fabric.identity import names_network
from opentep.host.fabric.model import Fabric, Tep, Vm
from opentep.host.fabric.source import Source
from opentep.host.fabric.state import State
from opentep.host.groups import in_order, number_pairs
from opentep.host.receivers import Receivers
from opentep.host.tables import (
    Group,
    KnownAddress,
    Local,
    MacTableEntry,
    Port,
    Remote,
    RemoteTep,
    ReplicaList,
    Rewritten,
    Rule,
    Tenant,
    TepTables,
    Way,
    group_oui,
    target_of,
)
from opentep.host.usage import beyond_storm_control, usage, without_storm_control

__all__ = ["compile_tep", "number"]


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
        present = set(fabric.tenants_at.get(name, ()))
        self.suppressing = {tenant for tenant in present if fabric.tenants[tenant].suppress}
        """Tenants whose VMs get answers here."""
        # Both sides of a rule: of whom VMs here may send to, and of who may send to VMs here.
        self.rules = [rule for rule in fabric.rules if {rule.source, rule.target} & present]
        present |= {tenant for rule in self.rules for tenant in (rule.source, rule.target)}
        names = [name for name in fabric.tenants if name in present]
        self.receivers = Receivers(fabric, name, names, self.rules)
        self.vms = list(chain.from_iterable(fabric.vms_of.get(tenant, ()) for tenant in names))
        remotes = set().union(*(self.receivers.teps(tenant, 0) for tenant in names))
        underlay = {
            self.receivers.underlay_group(*of) for of in (*zip(names, repeat(0)), *self.receivers.listed)
        }
        self.underlay_groups = {format_ipv6(address): address for address in sorted(underlay - {0})}
        """By name: they stand among the remote TEPs, whose names have no colons."""
        self.tenant_index = self._number_tenants(names)
        self.tep_index = self._number(
            "teps", (*(t for t in fabric.teps if t in remotes), *self.underlay_groups)
        )
        self.list_index = self._number_lists()
        self.places = {vm.name: self._place(vm) for vm in self.vms}

    def _number_tenants(self, names: list[str]) -> dict[str, int]:
        """The lowest numbers that are free are for those with a limit: others have no bucket. One that gets a limit may
        get another number for that."""
        limited = [name for name in names if self.fabric.tenants[name].storm is not None]
        kept = self.state.indices.get(f"{self.tep.name}/tenants", {})
        high = {name for name in limited if kept.get(name, 0) >= self.tep.params.limited_tenants}
        self.state.indices[f"{self.tep.name}/tenants"] = {
            name: index for name, index in kept.items() if name not in high
        }
        return self._number("tenants", [*limited, *(name for name in names if name not in limited)])

    def _list_name(self, tenant: str, mac: int) -> str:
        """Of the list for frames of ``tenant`` to ``mac``, or to what has no list if that is 0."""
        if not mac:
            return f"tenant/{tenant}"
        group = self.receivers.group(tenant, mac)
        return f"group/{group.name}" if group else f"group/{tenant}/{mac:012x}"

    def _number_lists(self) -> dict[str, int]:
        """Two in a row, with an even number first, for what has a list of its own for rewritten frames."""
        rewriting = self.receivers.rewriting
        paired = rewriting | self.receivers.addressed
        tenants = list(self.tenant_index)
        pairs = [self._list_name(name, 0) for name in tenants if name in paired]
        pairs += [self._list_name(*of) for of in self.receivers.listed if of[0] in rewriting]
        single = [self._list_name(name, 0) for name in tenants if name not in paired]
        single += [self._list_name(*of) for of in self.receivers.listed if of[0] not in rewriting]
        single += [f"own/{tenant}/{low:06x}" for tenant, low in self.receivers.told_apart]
        single += [f"unknown/{name}" for name in self._flooding_apart()]
        kind = f"{self.tep.name}/lists"
        kept = self.state.indices.get(kind, {})
        self.state.indices[kind] = numbers = number_pairs(kept, pairs, single, self.tep.params.lists)
        return numbers

    def _flooding_apart(self) -> Iterator[str]:
        """Tenants whose frames for unknown addresses do not go to all that their group frames go to."""
        for name in self.tenant_index:
            if self.fabric.tenants[name].unknown == "flood" and len(self.receivers.audience[name]) > 1:
                yield name

    def _unknown_list(self, tenant: str) -> int | None:
        if self.fabric.tenants[tenant].unknown != "flood":
            return None
        return self.list_index.get(f"unknown/{tenant}", self.list_index[self._list_name(tenant, 0)])

    def _group_oui(self, tenant: str) -> int:
        return group_oui(self.fabric.tenants[tenant].ouis)

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
        block_bits = self.fabric.block_bits
        for name, index in self.tenant_index.items():
            tenant = self.fabric.tenants[name]
            result.append(
                Tenant(
                    index=index,
                    name=name,
                    ouis=tenant.ouis if by_oui else (),
                    network=tenant.network,
                    vlan=tenant.vlan if by_vlan else 0,
                    block=tenant.block if by_oui and block_bits else 0,
                    learn_source=tenant.source == "learn",
                    learn_remote=tenant.remote == "learn",
                    unknown_list=self._unknown_list(name),
                    flood_list=self.list_index[f"tenant/{name}"],
                    rewrites=name in self.receivers.rewriting,
                    group_key=name in self.receivers.addressed,
                    storm=tenant.storm,
                    suppresses=name in self.suppressing,
                )
            )
        return tuple(sorted(result, key=lambda tenant: tenant.index))

    def _ways(self, name: str, index: int) -> tuple[Way, ...]:
        """To TEP ``name``: those that the document gives, else through all ports that lead on. Different TEPs have
        different ones first."""
        ports = self.tep.fabric_ports
        hops = self.tep.next_hops.get(name)
        if hops is None:
            ways = [
                Way(self.tep.port_index(port.name), port.next_hop or 0, port.router or 0)
                for port in ports
                if port.next_hop is not None or port.router is not None
            ]
        else:
            ways = [Way(self.tep.port_index(hop.port or ports[0].name), hop.mac) for hop in hops]
        ways.sort(key=lambda way: way.port)
        first = index % len(ways) if ways else 0
        return (*ways[first : first + 1], *ways[:first], *ways[first + 1 :])

    def _underlay_group(self, name: str, index: int) -> RemoteTep:
        """A group goes out of one port, and needs no next hop: its MAC address follows from its own."""
        address = self.underlay_groups[name]
        ports = self.tep.fabric_ports
        port = self.tep.port_index(ports[index % len(ports)].name)
        return RemoteTep(
            index=index,
            name=name,
            address=address,
            sources=(),
            ways=(Way(port, group_mac(name)),),
            hop_limit=self.fabric.hop_limit,
            dscp=self.fabric.dscp,
        )

    def _remote(self, name: str, index: int) -> RemoteTep | None:
        if name in self.underlay_groups:
            return self._underlay_group(name, index)
        remote = self.fabric.teps[name]
        ways = self._ways(name, index)
        if not ways:
            self.problems.append(
                self.source.problem(
                    ("teps", self.tep.name, "ports", self.tep.fabric_ports[0].name),
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
            ways=ways,
            hop_limit=self.fabric.hop_limit,
            encapsulation=remote.encapsulation,
            sid_function=remote.sid_function,
            dscp=self.fabric.dscp,
        )

    def teps(self) -> tuple[RemoteTep, ...]:
        found = [self._remote(name, index) for name, index in self.tep_index.items()]
        return tuple(sorted((tep for tep in found if tep is not None), key=lambda tep: tep.index))

    def macs(self) -> tuple[MacTableEntry, ...]:
        entries = []
        for vm in self.vms:
            assert vm.mac is not None, "allocated before compilation"
            entries.append(MacTableEntry(self.tenant_index[vm.tenant], vm.mac, self.places[vm.name]))
        for tenant, mac in self.receivers.listed:
            place = Group(self.list_index[self._list_name(tenant, mac)])
            entries.append(MacTableEntry(self.tenant_index[tenant], mac, place))
        for tenant, low in self.receivers.told_apart:
            place = Group(self.list_index[f"own/{tenant}/{low:06x}"])
            mac = self._group_oui(tenant) << 24 | low
            entries.append(MacTableEntry(self.tenant_index[tenant], mac, place))
        return tuple(sorted(entries, key=lambda entry: (entry.tenant, entry.mac)))

    def known(self) -> tuple[KnownAddress, ...]:
        """Wherever the VM is."""
        return tuple(
            sorted(
                KnownAddress(self.tenant_index[vm.tenant], address.version, int(address), vm.mac or 0)
                for vm in self.vms
                if vm.tenant in self.suppressing
                for address in vm.ip_addresses
            )
        )

    def _list(
        self, index: int, vms: Iterable[Vm], remotes: Iterable[int | Rewritten], port_of: dict[int, int]
    ) -> ReplicaList:
        """Of the ``vms`` that are here and of remote TEPs."""
        members: dict[int, set[int | Rewritten]] = {}
        for vm in vms:
            place = self.places[vm.name]
            if isinstance(place, Local):
                members.setdefault(place.port, set()).add(place.vid)
        for member in remotes:
            if (tep := target_of(member)) in port_of:
                members.setdefault(port_of[tep], set()).add(member)
        return ReplicaList(index, {port: in_order(members[port]) for port in sorted(members)})

    def _towards(self, teps: Iterable[str], group: int) -> set[str]:
        """Names of what a frame for ``teps`` is sent to. The ``group`` of the underlay, if there is one, takes the
        place of all but foreign TEPs, which may not listen to it."""
        targets = set(teps)
        if group:
            listening = {name for name in targets if not self.fabric.teps[name].foreign}
            targets -= listening
            targets |= {format_ipv6(group)} if listening else set()
        return targets

    def _plain(self, teps: Iterable[str], group: int) -> Iterator[int]:
        return (self.tep_index[name] for name in self._towards(teps, group))

    def _rewritten(self, teps_of: dict[str, set[str]], groups: dict[str, int]) -> Iterator[int | Rewritten]:
        """The TEPs of each tenant, or its group of the underlay. A foreign TEP, and one that the sender's network
        is named to, get the frame as it is."""
        for tenant, teps in teps_of.items():
            for name in self._towards(teps, groups[tenant]):
                index = self.tep_index[name]
                tep = self.fabric.teps.get(name)
                as_it_is = tep is not None and (tep.foreign or names_network(tep))
                yield index if as_it_is else Rewritten(self._group_oui(tenant), index)

    def _lists_for(self, tenant: str, mac: int, port_of: dict[int, int]) -> Iterator[ReplicaList]:
        """For frames of ``tenant`` to ``mac``, or to what has no list if that is 0: to each tenant of the audience by
        what that one has. Behind it the one for rewritten frames, if there is one."""
        receivers = self.receivers
        audience = receivers.audience[tenant]
        index = self.list_index[self._list_name(tenant, mac)]
        vms = chain.from_iterable(receivers.vms(other, mac) for other in audience)
        teps_of = {other: receivers.teps(other, mac) for other in audience}
        underlay = {other: receivers.underlay_group(other, mac) for other in audience}
        plain: set[int | Rewritten] = set(self._plain(set().union(*teps_of.values()), underlay[tenant]))
        yield self._list(index, vms, plain, port_of)
        addressed = not mac and tenant in receivers.addressed
        own = receivers.vms(tenant, mac) if addressed else []
        if tenant in receivers.rewriting:
            rewritten = receivers.can_rewrite(tenant, mac)
            remotes = self._rewritten(teps_of, underlay) if rewritten else plain
            yield self._list(index + 1, own, remotes, port_of)
        elif addressed:
            yield self._list(index + 1, own, (), port_of)

    def lists(self, teps: tuple[RemoteTep, ...]) -> tuple[ReplicaList, ...]:
        port_of = {tep.index: tep.port for tep in teps}
        lists: list[ReplicaList] = []
        for tenant, mac in (*zip(self.tenant_index, repeat(0)), *self.receivers.listed):
            lists += self._lists_for(tenant, mac, port_of)
        for (tenant, low), mac in self.receivers.told_apart.items():
            index = self.list_index[f"own/{tenant}/{low:06x}"]
            lists.append(self._list(index, self.receivers.vms(tenant, mac), (), port_of))
        for tenant in self._flooding_apart():
            vms, remotes = self.receivers.vms(tenant, 0), self.receivers.teps(tenant, 0)
            underlay = self.receivers.underlay_group(tenant, 0)
            index = self.list_index[f"unknown/{tenant}"]
            lists.append(self._list(index, vms, self._plain(remotes, underlay), port_of))
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
            known=self.known(),
            sid_function=self.tep.sid_function,
            group_prefix=self.fabric.group_prefix,
            age_seconds=self.tep.age_seconds,
            learned_limit=self.tep.learned_limit or self.tep.params.macs // 2,
        )
        for use in usage(tables, self.tep.params):
            if use.used > use.room:
                message = f"{use.used} {use.what}, but the core has room for {use.room}"
                remedy = f"move VMs to other TEPs, or build a core with more '{use.parameter}' and say so under 'core'"
                self.problems.append(self.source.problem(("teps", self.tep.name), message, remedy, key=True))
        for limited in beyond_storm_control(tables, self.tep.params):
            why = without_storm_control(tables, self.tep.params)
            self.problems.append(
                self.source.problem(
                    ("tenants", limited.name, "storm"),
                    f"no storm control on TEP '{self.tep.name}': {why}",
                    "remove it, or build a core with more 'storm_tenants' and say so under 'core'",
                    key=True,
                )
            )
        if self.problems:
            raise FabricError(self.problems)
        return tables


def compile_tep(fabric: Fabric, name: str, state: State, source: Source) -> TepTables:
    """Tables of opentep TEP ``name``.

    ``fabric`` is complete (allocated); ``state`` keeps indices. Raises :class:`FabricError` for what only
    shows here: missing next hops, full tables.
    """
    return _Compiler(fabric, name, state, source).compile()
