"""Who has which MAC address, VLAN ID or IP address: so that one VM is checked without looking at all others."""

from collections.abc import Iterable, Mapping, Set
from typing import Any

from opentep.host.fabric.addresses import format_mac, parse_host, parse_mac
from opentep.host.fabric.state import State
from opentep.host.store import Transaction, View

from .kept import allocated
from .objects import Key

__all__ = ["StoredClaims", "claims_of", "complete", "holders", "store_claims"]

_ROOT = "claim/"


def claims_of(spec: Any) -> set[str]:
    """What a VM has, allocated or given: ``macs/MAC``, ``vlans/VSWITCH/VID``, ``addresses/TENANT/ADDRESS``."""
    found = set()
    if "mac" in spec:
        found.add(f"macs/{format_mac(parse_mac(spec['mac']))}")
    if "vlan" in spec and "vswitch" in spec:
        found.add(f"vlans/{spec['vswitch']}/{spec['vlan']}")
    for text in spec.get("addresses", ()):
        try:
            found.add(f"addresses/{spec['tenant']}/{parse_host(text)}")
        except ValueError:
            continue  # which is told elsewhere
    return found


def holders(view: View, claim: str) -> list[Key]:
    """VMs that have it."""
    root = f"{_ROOT}{claim}/"
    return [Key("vms", path.removeprefix(root)) for path, _ in view.scan(root)]


def store_claims(transaction: Transaction, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Write what is different between VMs, complete with what was allocated, by name."""
    for name in before.keys() | after.keys():
        old = claims_of(before[name]) if name in before else set()
        new = claims_of(after[name]) if name in after else set()
        for claim in old - new:
            transaction.delete(f"{_ROOT}{claim}/{name}")
        for claim in new - old:
            transaction.put(f"{_ROOT}{claim}/{name}", "")


class StoredClaims:
    """:class:`~opentep.host.fabric.state.Claims` of all VMs in a store but ``known`` ones."""

    def __init__(self, view: View, known: Iterable[str]):
        self._view = view
        self._known: Set[str] = set(known)

    def has_mac(self, mac: int) -> bool:
        found = holders(self._view, f"macs/{format_mac(mac)}")
        return any(key.name not in self._known for key in found)

    def vlans(self, vswitch: str) -> set[int]:
        root = f"{_ROOT}vlans/{vswitch}/"
        found = (path.removeprefix(root).split("/") for path, _ in self._view.scan(root))
        return {int(vid) for vid, name in found if name not in self._known}


def complete(specs: Mapping[str, Any], state: State) -> dict[str, Any]:
    """VMs with what was allocated for them."""
    given = allocated(state)
    return {name: {**given.get(Key("vms", name), {}), **spec} for name, spec in specs.items()}
