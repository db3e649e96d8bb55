"""Who gets group frames: the tenants that they are for, and which VMs of each (SPEC section 5)."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import chain

from opentep.host.fabric.identity import names_network
from opentep.host.fabric.model import Fabric, Group, Rule, Vm
from opentep.host.groups import BROADCAST, low_octets

__all__ = ["Receivers"]


class Receivers:
    """Of the group frames of the ``tenants`` present on TEP ``here``, which send by ``rules``.

    Group address 0 stands for all that have no list.
    """

    def __init__(self, fabric: Fabric, here: str, tenants: Collection[str], rules: Iterable[Rule]):
        self._fabric = fabric
        self._groups: dict[str, dict[int, Group]] = {tenant: {} for tenant in tenants}
        for group in fabric.groups.values():
            if group.tenant in self._groups:
                self._groups[group.tenant][group.mac] = group
        self.audience = {tenant: [tenant] for tenant in tenants}
        """Per tenant: the tenants that its group frames go to."""
        for rule in rules:
            self.audience[rule.source].append(rule.target)
        self.rewriting = {name for name in tenants if fabric.tenants[name].group == "ingress"}
        """Tenants whose group frames travel with group addresses of the tenants that they are for."""
        self.addressed = set(chain.from_iterable(self.audience[tenant] for tenant in self.rewriting))
        """Tenants whose group addresses they are."""
        self.listed = [
            (tenant, mac)
            for tenant, audience in self.audience.items()
            for mac in dict.fromkeys(chain.from_iterable(self._groups[other] for other in audience))
        ]
        """Sending tenant and group address, where somebody of the audience has members of its own."""
        self.told_apart = dict(
            chain.from_iterable(self._told_apart(tenant) for tenant in tenants if tenant in self.addressed)
        )
        """Group address by tenant and last 24 bits of the tenant's own one, where these mean one address only."""
        self._here: dict[str, list[Vm]] = {tenant: [] for tenant in tenants}
        self._remote_teps = {tenant: set(fabric.tenants[tenant].teps) - {here} for tenant in tenants}
        for vm in chain.from_iterable(fabric.vms_of.get(tenant, ()) for tenant in tenants):
            if (tep := fabric.tep_of(vm)) == here:
                self._here[vm.tenant].append(vm)
            else:
                self._remote_teps[vm.tenant].add(tep)

    def group(self, tenant: str, mac: int) -> Group | None:
        """The group of ``tenant`` with address ``mac``, if it has one."""
        return self._groups[tenant].get(mac)

    def vms(self, tenant: str, mac: int) -> list[Vm]:
        """VMs of ``tenant`` here that get frames to ``mac``: its members of the group, or all if it has none."""
        group = self.group(tenant, mac)
        if group is None:
            return self._here[tenant]
        members = set(group.members)
        return [vm for vm in self._here[tenant] if vm.name in members]

    def teps(self, tenant: str, mac: int) -> set[str]:
        """Likewise, the other TEPs that have such VMs, or that the document wants the tenant at."""
        group = self.group(tenant, mac)
        if group is None:
            return self._remote_teps[tenant]
        places = {self._fabric.tep_of(self._fabric.vms[name]) for name in group.members}
        return places & self._remote_teps[tenant]

    def underlay_group(self, tenant: str, mac: int) -> int:
        """Group of the underlay for frames to ``mac`` that are for ``tenant``, 0 if there is none."""
        group = self.group(tenant, mac)
        return (
            self._fabric.tenants[tenant].underlay_group
            if group is None
            else self._fabric.underlay_group(group)
        )

    def can_rewrite(self, tenant: str, mac: int) -> bool:
        """Whether frames of ``tenant`` to ``mac`` may be rewritten: far TEPs find the right list of each receiving
        tenant by the last 24 bits, and none gets the frame twice."""
        found = all(
            self.told_apart.get((other, low), 0) == (mac if self.group(other, mac) else 0)
            for other in self.audience[tenant]
            for low in low_octets(mac)
        )
        return found and not self._comes_twice(tenant, mac)

    def _comes_twice(self, tenant: str, mac: int) -> bool:
        """Whether some TEP would get the frame as it is, since the sender's network is named to it, and for one of the
        tenants from a group of the underlay as well."""
        alone, grouped = set[str](), set[str]()
        for other in self.audience[tenant]:
            (grouped if self.underlay_group(other, mac) else alone).update(self.teps(other, mac))
        both = (self._fabric.teps[name] for name in alone & grouped)
        return any(names_network(tep) and not tep.foreign for tep in both)

    def _told_apart(self, tenant: str) -> Iterator[tuple[tuple[str, int], int]]:
        """Broadcast has no list, and must not meet that of a group."""
        counts = Counter(low_octets(BROADCAST))
        for mac in self._groups[tenant]:
            counts.update(low_octets(mac))
        for mac in self._groups[tenant]:
            if all(counts[low] == 1 for low in low_octets(mac)):
                yield from (((tenant, low), mac) for low in low_octets(mac))
