"""Allocation of OUIs, MAC addresses and VLAN IDs that the document leaves out (SPEC section 7).

Deterministic: the same document and state give the same result. Kept: a name keeps its value as long as it
stays in the document. Released values rest: the search for a free one starts behind the last one given out.
"""

from collections.abc import Iterable
from dataclasses import replace

from .addresses import aai_ouis, format_mac, format_oui, oui_of
from .errors import FabricError, KeyPath, Problem
from .model import Fabric, Vm, VSwitch
from .source import Source
from .state import State

__all__ = ["allocate"]

_MAC_SPACE = range(1, 0xFFFFFF)
"""Low 24 bits; all zeros and all ones look like mistakes to people and are left out."""
_VLAN_SPACE = range(1, 4095)
_FIRST_VLAN = 2
"""VLAN 1 is what many switches put untagged frames in: it is given out last."""


def _next_free(space: range, cursor: int, taken: set[int]) -> int | None:
    """First free value of ``space`` from ``cursor`` on and around."""
    start = cursor if cursor in space else space.start
    for part in (range(start, space.stop), range(space.start, start)):
        for value in part:
            if value not in taken:
                return value
    return None


class _Allocator:
    def __init__(self, fabric: Fabric, state: State, source: Source):
        self.fabric = fabric
        self.state = state
        self.source = source
        self.problems: list[Problem] = []

    def report(self, path: KeyPath, message: str, remedy: str) -> None:
        self.problems.append(self.source.problem(path, message, remedy, key=path not in self.source.values))

    def ouis(self) -> dict[str, tuple[int, ...]]:
        tenants, kept = self.fabric.tenants, self.state.ouis
        self.state.ouis = kept = {
            name: oui for name, oui in kept.items() if name in tenants and not tenants[name].ouis
        }
        owners = {oui: name for name, oui in kept.items()}
        for name, tenant in tenants.items():
            for oui in tenant.ouis:
                if oui in owners:
                    self.report(
                        ("tenants", name),
                        f"{format_oui(oui)} was allocated to tenant '{owners[oui]}' before",
                        "choose another",
                    )
                owners[oui] = name
        candidates = aai_ouis(self.state.cursors.get("ouis", 1))
        for name, tenant in tenants.items():
            if tenant.ouis or name in kept:
                continue
            free = next((candidate for candidate in candidates if candidate not in owners), None)
            if free is None:
                self.report(("tenants", name), "all 2^20 tenant OUIs are in use", "remove unused tenants")
                break
            kept[name] = free
            owners[free] = name
            self.state.cursors["ouis"] = ((free >> 20 << 16) | free & 0xFFFF) + 1
        return {
            name: tenant.ouis or (kept[name],)
            for name, tenant in tenants.items()
            if tenant.ouis or name in kept
        }

    def macs(self, ouis: dict[str, tuple[int, ...]]) -> dict[str, int]:
        vms, kept = self.fabric.vms, self.state.macs
        # A VM that changed its tenant, or a tenant that changed its OUI, needs another MAC.
        self.state.macs = kept = {
            name: mac
            for name, mac in kept.items()
            if name in vms and vms[name].mac is None and oui_of(mac) in ouis.get(vms[name].tenant, ())
        }
        owners = {mac: name for name, mac in kept.items()}
        for name, vm in vms.items():
            if vm.mac is not None:
                if vm.mac in owners:
                    self.report(
                        ("vms", name, "mac"),
                        f"{format_mac(vm.mac)} was allocated to VM '{owners[vm.mac]}' before",
                        "choose another",
                    )
                owners[vm.mac] = name
        taken: dict[int, set[int]] = {}
        for mac in owners:
            taken.setdefault(oui_of(mac), set()).add(mac & 0xFFFFFF)
        for name, vm in vms.items():
            if vm.mac is not None or name in kept or vm.tenant not in ouis:
                continue
            oui = ouis[vm.tenant][0]
            pool = f"macs/{format_oui(oui)}"
            low = _next_free(_MAC_SPACE, self.state.cursors.get(pool, 1), taken.setdefault(oui, set()))
            if low is None:
                self.report(
                    ("vms", name), f"tenant '{vm.tenant}' has no free MAC address", "remove unused VMs"
                )
                continue
            taken[oui].add(low)
            kept[name] = oui << 24 | low
            self.state.cursors[pool] = low + 1
        return kept

    def _unusable(self, vswitch: VSwitch) -> Iterable[int]:
        return {*vswitch.reserved_vlans, self.fabric.native_vlan(vswitch)}

    def _fits(self, vm: Vm, vid: int) -> bool:
        """Whether ``vid`` tells the VM's tenant, where it has to."""
        assert vm.vswitch is not None
        bits = self.fabric.vlan_bits(self.fabric.vswitches[vm.vswitch])
        return (vid ^ self.fabric.tenants[vm.tenant].vlan) & bits == 0

    def vlans(self) -> dict[str, int]:
        vms, switches = self.fabric.vms, self.fabric.vswitches
        explicit = {(vm.vswitch, vm.vlan): name for name, vm in vms.items() if vm.vlan is not None}
        kept: dict[str, tuple[str, int]] = {}
        for name, (vswitch, vid) in self.state.vlans.items():
            vm = vms.get(name)
            if (
                vm is None
                or vm.vlan is not None
                or vm.vswitch != vswitch
                or vid in self._unusable(switches[vswitch])
                or not self._fits(vm, vid)
            ):
                continue
            if (vswitch, vid) in explicit:
                other = explicit[vswitch, vid]
                self.report(
                    ("vms", other, "vlan"),
                    f"VLAN {vid} was allocated to VM '{name}' before",
                    "choose another",
                )
            kept[name] = (vswitch, vid)
        self.state.vlans = kept
        taken = {name: set(self._unusable(vswitch)) for name, vswitch in switches.items()}
        for vswitch_name, vid in [*explicit, *kept.values()]:
            if vswitch_name is not None and vid is not None:
                taken[vswitch_name].add(vid)
        for name, vm in vms.items():
            if vm.vlan is not None or name in kept or vm.vswitch is None:
                continue
            bits = self.fabric.vlan_bits(switches[vm.vswitch])
            own = self.fabric.tenants[vm.tenant].vlan & bits
            pool = f"vlans/{vm.vswitch}" + (f"/{own}" if bits else "")
            others = {vid for vid in _VLAN_SPACE if vid & bits != own} if bits else set()
            cursor = self.state.cursors.get(pool, _FIRST_VLAN)
            free = _next_free(_VLAN_SPACE, cursor, taken[vm.vswitch] | others)
            if free is None:
                self.report(
                    ("vms", name),
                    f"vSwitch '{vm.vswitch}' has no free VLAN ID",
                    "move VMs to another vSwitch",
                )
                continue
            taken[vm.vswitch].add(free)
            kept[name] = (vm.vswitch, free)
            self.state.cursors[pool] = free + 1
        return {name: vid for name, (_, vid) in kept.items()}


def allocate(fabric: Fabric, state: State, source: Source) -> Fabric:
    """Fill in what ``fabric`` leaves out; ``state`` is brought up to date in place.

    Raises :class:`FabricError` if a pool is exhausted, or if the document now names a value that was
    allocated to another VM or tenant before (the value of one that stays is never changed silently).
    """
    allocator = _Allocator(fabric, state, source)
    ouis = allocator.ouis()
    macs = allocator.macs(ouis)
    vlans = allocator.vlans()
    if allocator.problems:
        raise FabricError(allocator.problems)
    return replace(
        fabric,
        tenants={name: replace(tenant, ouis=ouis[name]) for name, tenant in fabric.tenants.items()},
        vms={
            name: replace(
                vm,
                mac=macs[name] if vm.mac is None else vm.mac,
                vlan=vlans.get(name) if vm.vlan is None else vm.vlan,
            )
            for name, vm in fabric.vms.items()
        },
    )
