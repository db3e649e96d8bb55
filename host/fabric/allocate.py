"""Allocation of OUIs, MAC addresses and VLAN IDs that the document leaves out (SPEC section 7).

Deterministic: the same document and state give the same result. Kept: a name keeps its value as long as it
stays in the document. Released values rest: the search for a free one starts behind the last one given out.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from .addresses import aai_ouis, format_mac, format_oui
from .errors import FabricError, KeyPath, Problem
from .model import Fabric, Vm, VSwitch
from .source import Source
from .state import State

__all__ = ["allocate"]

_LOW_BITS = 24
"""Bits of a MAC address behind its OUI."""
_VLAN_SPACE = range(1, 4095)
_FIRST_VLAN = 2
"""VLAN 1 is what many switches put untagged frames in: it is given out last."""


def _next_free(
    space: range, cursor: int, taken: set[int], is_claimed: Callable[[int], bool] = lambda value: False
) -> int | None:
    """First free value of ``space`` from ``cursor`` on and around."""
    start = cursor if cursor in space else space.start
    for part in (range(start, space.stop), range(space.start, start)):
        for value in part:
            if value not in taken and not is_claimed(value):
                return value
    return None


def _spread(number: int, bits: int) -> int:
    """The bits of ``number``, from the lowest on, in the places that ``bits`` has ones."""
    result = 0
    for place in range(bits.bit_length()):
        if bits >> place & 1:
            result |= (number & 1) << place
            number >>= 1
    return result


def _gather(value: int, bits: int) -> int:
    """The reverse of :func:`_spread`."""
    places = [place for place in range(bits.bit_length()) if bits >> place & 1]
    return sum((value >> place & 1) << index for index, place in enumerate(places))


class _Allocator:
    def __init__(self, fabric: Fabric, state: State, source: Source):
        self.fabric = fabric
        self.state = state
        self.source = source
        self.problems: list[Problem] = []

    def report(self, path: KeyPath, message: str, remedy: str) -> None:
        self.problems.append(self.source.problem(path, message, remedy))

    def ouis(self) -> dict[str, tuple[int, ...]]:
        tenants, kept = self.fabric.tenants, self.state.ouis
        self.state.ouis = kept = {
            name: oui for name, oui in kept.items() if name in tenants and not tenants[name].ouis
        }
        allocated = {oui: name for name, oui in kept.items()}
        taken = set(allocated)
        for name, tenant in tenants.items():
            for oui in tenant.ouis:
                if oui in allocated:
                    self.report(
                        ("tenants", name),
                        f"{format_oui(oui)} was allocated to tenant '{allocated[oui]}' before",
                        "choose another",
                    )
                taken.add(oui)
        candidates = aai_ouis(self.state.cursors.get("ouis", 1))
        claims = self.state.claims

        def is_claimed(oui: int) -> bool:
            return claims is not None and claims.has_oui(oui)

        for name, tenant in tenants.items():
            if tenant.ouis or name in kept:
                continue
            free = next((each for each in candidates if each not in taken and not is_claimed(each)), None)
            if free is None:
                self.report(("tenants", name), "all 2^20 tenant OUIs are in use", "remove unused tenants")
                break
            kept[name] = free
            taken.add(free)
            self.state.cursors["ouis"] = ((free >> 20 << 16) | free & 0xFFFF) + 1
        return {
            name: tenant.ouis or (kept[name],)
            for name, tenant in tenants.items()
            if tenant.ouis or name in kept
        }

    def macs(self, ouis: dict[str, tuple[int, ...]]) -> dict[str, int]:
        vms, kept = self.fabric.vms, self.state.macs
        bits = self.fabric.block_bits
        free_bits = (1 << _LOW_BITS) - 1 & ~bits
        # All zeros and all ones look like mistakes to people and are left out.
        many = 1 << free_bits.bit_count()
        space = range(1, many - 1) if many > 2 else range(many)

        def owns(tenant: str, mac: int) -> bool:
            named = tenant in ouis
            return named and self.fabric.owns(replace(self.fabric.tenants[tenant], ouis=ouis[tenant]), mac)

        # A VM that changed its tenant, or a tenant that changed its OUI or block, needs another MAC.
        self.state.macs = kept = {
            name: mac
            for name, mac in kept.items()
            if name in vms and vms[name].mac is None and owns(vms[name].tenant, mac)
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
        claims = self.state.claims
        taken: dict[int, set[int]] = {}
        """Numbers in use, per OUI and block."""
        for mac in owners:
            taken.setdefault(mac & ~free_bits, set()).add(_gather(mac, free_bits))
        full: set[int] = set()
        """OUIs and blocks of which nothing is left."""

        def text(block: int) -> str:
            return format_mac(block) if bits else format_oui(block >> _LOW_BITS)

        def take(block: int) -> int | None:
            """The number in ``block`` that is next."""
            pool = f"macs/{text(block)}"

            def is_claimed(number: int) -> bool:
                return claims is not None and claims.has_mac(block | _spread(number, free_bits))

            cursor = self.state.cursors.get(pool, 1)
            number = _next_free(space, cursor, taken.setdefault(block, set()), is_claimed)
            if number is None:
                full.add(block)
                return None
            taken[block].add(number)
            self.state.cursors[pool] = number + 1
            return number

        for name, vm in vms.items():
            if vm.mac is not None or name in kept or vm.tenant not in ouis:
                continue
            own = self.fabric.tenants[vm.tenant].block
            blocks = [oui << _LOW_BITS | own for oui in ouis[vm.tenant]]
            for block in blocks:
                if block not in full and (number := take(block)) is not None:
                    kept[name] = block | _spread(number, free_bits)
                    break
            else:
                self.report(
                    ("vms", name),
                    f"tenant '{vm.tenant}' has no free MAC address in {', '.join(map(text, blocks))}",
                    "remove unused VMs"
                    + ("" if own else ", or list a further OUI under the tenant's 'ouis'"),
                )
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
        former, renewed = self.state.vlans, self.state.renewed
        kept: dict[str, tuple[str, int]] = {}
        for name, (vswitch, vid) in former.items():
            vm = vms.get(name)
            if (
                vm is None
                or name in renewed
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

        def brings_along(vswitch: str) -> bool:
            """Whether a VM keeps its VLAN ID there, which has not rested; not where a person sets the ports."""
            return switches[vswitch].driver != "print"

        for name, vm in vms.items():
            if vm.vlan is not None or name in kept or vm.vswitch is None:
                continue
            if self.state.claims is not None:
                taken[vm.vswitch] |= self.state.claims.vlans(vm.vswitch)
            bits = self.fabric.vlan_bits(switches[vm.vswitch])
            own = self.fabric.tenants[vm.tenant].vlan & bits
            pool = f"vlans/{vm.vswitch}" + (f"/{own}" if bits else "")
            others = {vid for vid in _VLAN_SPACE if vid & bits != own} if bits else set()
            before = former[name][1] if name in former else None
            if before is not None and name in renewed:
                others = others | {before}
            elif before is not None and brings_along(vm.vswitch) and before not in taken[vm.vswitch] | others:
                taken[vm.vswitch].add(before)
                kept[name] = (vm.vswitch, before)
                continue
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
