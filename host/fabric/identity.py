"""Whether tenants can be told apart by what the document says they are told apart by (SPEC section 2)."""

from collections.abc import Iterator

from opentep.gateware.headers import FUNCTION_BITS
from opentep.gateware.lookup.tables import masked_key
from opentep.host.tables import OUI_KEY, KeyMask

from .addresses import format_ipv6, format_mac
from .errors import KeyPath, Problem
from .model import Fabric, Tenant, Tep
from .source import Source

__all__ = ["identity", "names_network"]

_OUI_BITS = OUI_KEY.mac


def names_network(tep: Tep) -> bool:
    """Whether frames to ``tep`` travel with the network of their tenant."""
    return tep.sid_function or tep.encapsulation.has_network


def _masks(fabric: Fabric, source: Source) -> Iterator[tuple[KeyPath, KeyMask]]:
    """Every mask that the document gives, and where."""
    yield (("tenant_key",) if "tenant_key" in source.data else ("teps",)), fabric.tenant_key
    for name, tep in fabric.teps.items():
        for key, port in tep.ports.items():
            if port.tenant_key is not None and port.role == "access":
                yield ("teps", name, "ports", key, "tenant_key"), port.tenant_key


def _sound_masks(fabric: Fabric, source: Source) -> Iterator[Problem]:
    for path, mask in _masks(fabric, source):
        if not mask.mac and not mask.vid:
            yield source.problem(
                path, "a key without any bit tells no tenants apart", "choose oui, vlan or oui+vlan", key=True
            )


def _vlan_of(name: str, tenant: Tenant, bits: int, source: Source) -> Iterator[Problem]:
    """The tenant's VLAN ID is given just if ports go by ``bits`` of it."""
    path: KeyPath = ("tenants", name)
    if bits and not tenant.vlan:
        yield source.problem(
            path,
            "access ports go by the VLAN ID, and the tenant has none",
            f"add 'vlan', a VLAN ID within {bits:#05x}",
            key=True,
        )
    elif tenant.vlan & ~bits:
        yield source.problem(
            (*path, "vlan"),
            f"VLAN ID {tenant.vlan:#05x} has bits that no access port goes by",
            f"stay within {bits:#05x}" if bits else "remove it, or choose a 'tenant_key' with VLAN bits",
        )


def _blocks(name: str, tenant: Tenant, bits: int, source: Source) -> Iterator[Problem]:
    """The tenant's block has no bits but those that ports go by."""
    if tenant.block & ~bits:
        yield source.problem(
            ("tenants", name, "block"),
            f"{format_mac(tenant.block)} has bits that no port goes by",
            f"stay within {format_mac(bits)}"
            if bits
            else "give an 'oui', or a 'tenant_key' that goes beyond it",
        )


def _distinct(fabric: Fabric, mask: KeyMask, source: Source) -> Iterator[Problem]:
    """No two tenants have a key in common under ``mask``. Allocated OUIs are distinct as a whole."""
    taken: dict[tuple[int, int], str] = {}
    for name, tenant in fabric.tenants.items():
        if not tenant.ouis and mask.mac and _OUI_BITS & ~mask.mac:
            yield source.problem(
                ("tenants", name),
                f"part of the OUI is the key ({format_mac(mask.mac)}), and the document names none",
                "add 'oui'",
                key=True,
            )
        for oui in tenant.ouis if mask.mac else (0,):
            key = masked_key(mask, mac=oui << 24 | tenant.block, vid=tenant.vlan)
            if key != (0, 0) and taken.setdefault(key, name) != name:
                yield source.problem(
                    ("tenants", name),
                    f"tenants '{taken[key]}' and '{name}' have the same key under {format_mac(mask.mac)},"
                    f" VLAN {mask.vid:#05x}",
                    "give one of them another OUI, block or VLAN ID",
                    key=True,
                )


def _in_tunnels(fabric: Fabric, source: Source) -> Iterator[Problem]:
    """Where VLAN IDs identify, every tunnel names the network. A SID's function has room in the address."""
    by_vlan = any(mask.vid for mask in fabric.key_masks)
    for name, tep in fabric.teps.items():
        path: KeyPath = ("teps", name)
        if tep.sid_function and tep.encapsulation.has_network:
            yield source.problem(
                (*path, "sid_function"),
                f"{tep.encapsulation.name} names the network itself",
                "remove one of 'sid_function' and 'encapsulation'",
                key=True,
            )
        if tep.sid_function and tep.address & (1 << FUNCTION_BITS) - 1:
            yield source.problem(
                (*path, "address"),
                f"the last {FUNCTION_BITS} bits of {format_ipv6(tep.address)} are the function of its SIDs",
                "choose an address in which they are 0",
            )
        if by_vlan and not names_network(tep):
            yield source.problem(
                path,
                "VLAN IDs tell tenants apart, and frames to this TEP do not carry them",
                "add 'sid_function: true', or an 'encapsulation' with a network (vxlan, nvgre)",
                key=True,
            )


def _group_methods(fabric: Fabric, source: Source) -> Iterator[Problem]:
    """Group addresses of tenants need OUIs that identify them everywhere."""
    if all(mask.mac == _OUI_BITS for mask in (*fabric.key_masks, fabric.tenant_key)):
        return
    for name, tenant in fabric.tenants.items():
        if tenant.group == "ingress":
            yield source.problem(
                ("tenants", name, "group"),
                "'ingress' writes OUIs of receiving tenants into group addresses, and not all ports go by the OUI",
                "choose 'egress', or a 'tenant_key' of oui or oui+vlan",
            )


def identity(fabric: Fabric, source: Source) -> Iterator[Problem]:
    """All problems of this kind."""
    unsound = list(_sound_masks(fabric, source))
    if unsound:
        yield from unsound
        return
    masks = fabric.key_masks
    bits = 0
    for mask in masks:
        bits |= mask.vid
    for name, tenant in fabric.tenants.items():
        yield from _vlan_of(name, tenant, bits, source)
        yield from _blocks(name, tenant, fabric.block_bits, source)
    for mask in sorted(masks, key=lambda mask: (mask.mac, mask.vid)):
        # Where OUIs belong to one tenant each, they are checked one by one.
        if mask != OUI_KEY or fabric.block_bits:
            yield from _distinct(fabric, mask, source)
    yield from _in_tunnels(fabric, source)
    yield from _group_methods(fabric, source)
    if fabric.rules and not any(mask.mac for mask in masks):
        yield source.problem(
            ("rules",),
            "a rule needs tenants that can be told by the destination, and here only the sender's VLAN ID tells",
            "remove the rules, or choose a 'tenant_key' with the OUI",
            key=True,
        )
