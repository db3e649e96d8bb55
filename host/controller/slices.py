"""Parts of a stored fabric: what a change has to be checked against, and what a TEP's tables follow from.

A change of one VM of a hundred thousand concerns a few objects: its tenant and that tenant's rules, its vSwitch and
TEP, its groups, and who else claims what it has. They make a small document, which everything that works with
documents takes.
"""

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from opentep.host.fabric.addresses import GROUP_BIT, format_oui, group_mac, oui_of

from .claims import claims_of
from .objects import TENANT_KEY, Key, references
from .reader import Reader

__all__ = ["neighbourhood", "part_of_tep"]

_IDENTITY = ("oui", "ouis", "block", "network", "vlan", "owned")
"""What of a tenant must differ from those of all others."""


def _identity(tenant: Any) -> list[Any] | None:
    return None if tenant is None else [tenant.get(field) for field in _IDENTITY]


def _tenant_keys(tep: Any) -> set[str]:
    """What its ports tell tenants by, where they depart from the rest."""
    ports = (tep or {}).get("ports", {}).values()
    return {json.dumps(port["tenant_key"], sort_keys=True) for port in ports if "tenant_key" in port}


def _group_claim(spec: Any) -> str | None:
    """What a tenant has whose group frames travel with such an address as that of the group ``spec``."""
    try:
        return f"ouis/{format_oui(oui_of(group_mac(spec['address'])) & ~GROUP_BIT)}"
    except ValueError:
        return None  # which is told elsewhere


def _behind(key: Key, reader: Reader) -> set[Key]:
    """What names ``key``, and what is behind those of them that are vSwitches."""
    found = set(reader.referrers(key))
    found.update(reader.referrers_of([other for other in found if other.kind == "vswitches"]))
    return found


def _beside(key: Key, specs: Iterable[Any], reader: Reader) -> Iterator[Key]:
    """What ``key`` must agree with, beyond what it names and what names it. ``specs``: before and after."""
    for spec in filter(None, specs):
        match key.kind:
            case "vms" | "tenants":
                claims = claims_of(key, spec)
                for claim in claims:
                    yield from reader.holders(claim)
                if any(claim.startswith("ouis/") for claim in claims):
                    groups = reader.every("groups").items()
                    yield from (other for other, stored in groups if _group_claim(stored.spec) in claims)
            case "vswitches":
                yield from reader.referrers(Key("teps", spec["tep"]), "vswitches")
            case "groups":
                yield from reader.referrers(Key("tenants", spec["tenant"]), "groups")
                if (address := _group_claim(spec)) is not None:
                    yield from reader.holders(address)
            case "rules":
                yield from reader.referrers(Key("tenants", spec["to"]), "vms")


def neighbourhood(changed: Iterable[tuple[Key, Any, Any]], reader: Reader) -> set[Key] | None:
    """Objects that must be looked at with those that ``changed`` (key, before, after); ``None``: all of them.

    ``reader`` sees them as they are after the change.
    """
    wanted: set[Key] = set()
    # Whoever goes by other bits than the OUI may take two tenants for one that have none in common.
    by_oui = reader.get(TENANT_KEY) is None and not reader.referrers(TENANT_KEY)
    moved: set[Key] = set()
    """VMs that are, or go, elsewhere."""
    present: set[Key] = set()
    """Tenants that are at a TEP without VMs."""
    for key, before, after in changed:
        if key.kind == "settings" or _tenant_keys(before) != _tenant_keys(after):
            return None
        behind = _behind(key, reader)
        moved.update(other for other in (key, *behind) if other.kind == "vms")
        if key.kind == "teps":
            present.update(other for other in behind if other.kind == "tenants")
        if key.kind == "tenants" and (before or {}).get("network") != (after or {}).get("network"):
            ruled = (reader.get(rule)["to"] for rule in behind if rule.kind == "rules")
            wanted.update(reader.referrers_of({Key("tenants", name) for name in ruled}, "vms"))
        wanted |= {key, *behind, *_beside(key, (before, after), reader)}
        if key.kind == "teps":
            wanted.update(reader.every("teps"))
        if key.kind == "tenants" and not by_oui and _identity(before) != _identity(after):
            wanted.update(reader.every("tenants"))
    # Their tenants' rules say whose frames follow them.
    reader.fetch(moved)
    tenants = {Key("tenants", spec["tenant"]) for spec in filter(None, map(reader.get, moved))}
    wanted.update(reader.referrers_of(tenants | present, "rules"))
    # Ports tell what tenants must differ in: all that depart from the tenant key, and of those that do not, one.
    departing = set(reader.referrers(TENANT_KEY))
    wanted |= departing
    wanted.update(reader.every("settings"))
    found = _with_named(wanted, reader)

    def is_usual(key: Key) -> bool:
        return key.kind == "teps" and key not in departing and not reader.get(key).get("foreign")

    if not any(map(is_usual, found)):
        # No fabric is without a TEP, if only a foreign one.
        usual = set(itertools.islice(filter(is_usual, reader.every("teps")), 1))
        found |= _with_named(usual or set(itertools.islice(reader.every("teps"), 1)), reader)
    return found


def part_of_tep(tep: str, reader: Reader) -> set[Key]:
    """Objects that the tables of one TEP follow from: its tenants, who they have rules with, and all VMs and groups of
    these."""
    here = Key("teps", tep)
    tenants = set(reader.referrers(here, "tenants"))
    vswitches = reader.referrers(here, "vswitches")
    vms = reader.referrers_of(vswitches, "vms")
    reader.fetch(vms)
    tenants.update(Key("tenants", reader.get(vm)["tenant"]) for vm in vms)
    naming = reader.referrers_of(tenants)
    rules = {other for other in naming if other.kind == "rules"}
    reader.fetch(rules)
    partners = {named for rule in rules for named in references(rule, reader.get(rule))} - tenants
    naming += reader.referrers_of(partners)
    wanted = {here, *vswitches, *tenants, *partners, *rules}
    wanted.update(reader.referrers(TENANT_KEY), reader.every("settings"))
    wanted.update(other for other in naming if other.kind in ("vms", "groups"))
    return _with_named(wanted, reader)


def _with_named(wanted: set[Key], reader: Reader) -> set[Key]:
    """And what these name, as far as it is there."""
    found = set(wanted)
    pending = found
    while pending:
        reader.fetch(pending)
        specs = ((key, reader.get(key)) for key in pending)
        named = {other for key, spec in specs if spec is not None for other in references(key, spec)}
        pending = named - found
        found |= pending
    return {key for key in found if reader.get(key) is not None}
