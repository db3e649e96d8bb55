"""Who has which MAC address, VLAN ID or IP address, which OUI or network: so that one VM or tenant is checked without
looking at all others."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any

from opentep.host.fabric.addresses import format_mac, format_oui, parse_host, parse_mac, parse_oui
from opentep.host.fabric.state import State
from opentep.host.store import Transaction, View

from .kept import allocated, load_state
from .objects import Key

__all__ = [
    "CLAIMING",
    "StoredClaims",
    "at_address",
    "claims_of",
    "complete",
    "holders",
    "store_claims",
    "upgrade_claims",
]

CLAIMING = ("tenants", "vms")
"""Kinds of objects that have something that no other of their kind may have."""

_ROOT = "claim/"
_VERSION_KEY, _VERSION = "claims-version", "3"
"""Older ones, the first without this key, had less, and named addresses by tenant."""
_OF_TENANTS = ("ouis/", "networks/")

_FEW = 64
"""OUIs that are looked up one by one; who asks for more finds most of them taken, and all are read at once."""


def claims_of(key: Key, spec: Any) -> set[str]:
    """What an object has, allocated or given.

    VMs: ``macs/MAC``, ``vlans/VSWITCH/VID``, ``interfaces/VSWITCH/NAME``, ``addresses/ADDRESS/TENANT``; tenants:
    ``ouis/OUI``, ``networks/NUMBER``.
    """
    match key.kind:
        case "vms":
            return set(_claims_of_vm(key.name, spec))
        case "tenants":
            return set(_claims_of_tenant(spec or {}))
    return set()


def _claims_of_vm(name: str, spec: Any) -> Iterator[str]:
    if "mac" in spec:
        yield f"macs/{format_mac(parse_mac(spec['mac']))}"
    if "vlan" in spec and "vswitch" in spec:
        yield f"vlans/{spec['vswitch']}/{spec['vlan']}"
    if "vswitch" in spec:
        yield f"interfaces/{spec['vswitch']}/{spec.get('interface', name)}"
    for text in spec.get("addresses", ()):
        try:
            yield f"addresses/{parse_host(text)}/{spec['tenant']}"
        except ValueError:
            continue  # which is told elsewhere


def _claims_of_tenant(spec: Any) -> Iterator[str]:
    for text in (*([spec["oui"]] if "oui" in spec else ()), *spec.get("ouis", ())):
        yield f"ouis/{format_oui(parse_oui(text))}"
    if "network" in spec:
        yield f"networks/{spec['network']}"


def holders(view: View, claim: str) -> list[Key]:
    """Who has it."""
    kind = "tenants" if claim.startswith(_OF_TENANTS) else "vms"
    root = f"{_ROOT}{claim}/"
    return [Key(kind, path.removeprefix(root)) for path, _ in view.scan(root)]


def at_address(view: View, address: str) -> list[Key]:
    """VMs with an IP address, of any tenant."""
    return [Key("vms", path.rpartition("/")[2]) for path, _ in view.scan(f"{_ROOT}addresses/{address}/")]


def store_claims(transaction: Transaction, before: Mapping[Key, Any], after: Mapping[Key, Any]) -> None:
    """Write what is different between objects, complete with what was allocated."""
    for key in before.keys() | after.keys():
        old = claims_of(key, before[key]) if key in before else set()
        new = claims_of(key, after[key]) if key in after else set()
        for claim in old - new:
            transaction.delete(f"{_ROOT}{claim}/{key.name}")
        for claim in new - old:
            transaction.put(f"{_ROOT}{claim}/{key.name}", "")


def upgrade_claims(transaction: Transaction, specs: Callable[[str], Mapping[Key, Any]]) -> None:
    """Bring a store of an older version up to date. ``specs``: all objects of a kind."""
    if transaction.get(_VERSION_KEY) == _VERSION:
        return
    for path, _ in list(transaction.scan(_ROOT)):
        transaction.delete(path)
    objects = {key: spec for kind in CLAIMING for key, spec in specs(kind).items()}
    store_claims(transaction, {}, complete(objects, load_state(transaction, objects)))
    transaction.put(_VERSION_KEY, _VERSION)


class StoredClaims:
    """:class:`~opentep.host.fabric.state.Claims` of all objects in a store but ``known`` ones."""

    def __init__(self, view: View, known: Iterable[Key]):
        self._view = view
        self._known: Set[Key] = set(known)
        self._ouis: set[int] | None = None
        self._asked = 0

    def has_mac(self, mac: int) -> bool:
        return self._is_held(f"macs/{format_mac(mac)}")

    def has_oui(self, oui: int) -> bool:
        self._asked += 1
        if self._asked <= _FEW:
            return self._is_held(f"ouis/{format_oui(oui)}")
        if self._ouis is None:
            found = self._under("ouis/")
            self._ouis = {parse_oui(text) for text, name in found if Key("tenants", name) not in self._known}
        return oui in self._ouis

    def vlans(self, vswitch: str) -> set[int]:
        found = self._under(f"vlans/{vswitch}/")
        return {int(vid) for vid, name in found if Key("vms", name) not in self._known}

    def _is_held(self, claim: str) -> bool:
        return any(key not in self._known for key in holders(self._view, claim))

    def _under(self, claims: str) -> Iterator[list[str]]:
        root = _ROOT + claims
        return (path.removeprefix(root).split("/") for path, _ in self._view.scan(root))


def complete(specs: Mapping[Key, Any], state: State) -> dict[Key, Any]:
    """VMs and tenants with what was allocated for them."""
    given = allocated(state)
    return {key: {**given.get(key, {}), **(spec or {})} for key, spec in specs.items()}
