"""Parts of a stored fabric: what a change has to be checked against, and what a TEP's tables follow from.

A change of one VM of a hundred thousand concerns a few hundred objects: its tenant and that tenant's VMs, its vSwitch
and the VMs there, and what these name. They make a small document, which everything that works with documents takes.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .objects import TENANT_KEY, Key, references

__all__ = ["neighbourhood", "part_of_tep"]

_Referrers = Callable[[Key, str | None], Iterable[Key]]

_IDENTITY = ("oui", "ouis", "block", "network", "vlan", "owned")
"""What of a tenant must differ from those of all others."""


def _identity(tenant: Any) -> list[Any] | None:
    return None if tenant is None else [tenant.get(field) for field in _IDENTITY]


def _behind(key: Key, referrers: _Referrers) -> set[Key]:
    """What names ``key``, and what is behind those of them that are vSwitches."""
    found = set(referrers(key, None))
    for vswitch in [other for other in found if other.kind == "vswitches"]:
        found.update(referrers(vswitch, None))
    return found


def _beside(key: Key, specs: Iterable[Any], referrers: _Referrers) -> Iterator[Key]:
    """What ``key`` must agree with, beyond what it names and what names it. ``specs``: before and after."""
    for spec in filter(None, specs):
        match key.kind:
            case "vms":
                for named in references(key, spec):
                    yield from referrers(named, "vms")
            case "vswitches":
                yield from referrers(Key("teps", spec["tep"]), "vswitches")
            case "groups":
                yield from referrers(Key("tenants", spec["tenant"]), "groups")
            case "rules":
                yield from referrers(Key("tenants", spec["to"]), "vms")


def neighbourhood(
    changed: Iterable[tuple[Key, Any, Any]],
    get: Callable[[Key], Any],
    referrers: _Referrers,
    every: Callable[[str], Iterable[Key]],
) -> set[Key] | None:
    """Objects that must be looked at with those that ``changed`` (key, before, after); ``None``: all of them.

    ``get``: an object after the change, ``None`` if it is not there. ``referrers``: what of a kind, or of any, names an
    object after the change. ``every``: all objects of a kind.
    """
    wanted: set[Key] = set()
    moved: set[Key] = set()
    """VMs that are, or go, elsewhere."""
    for key, before, after in changed:
        if key.kind == "settings":
            return None
        behind = _behind(key, referrers)
        moved.update(other for other in (key, *behind) if other.kind == "vms")
        wanted |= {key, *behind, *_beside(key, (before, after), referrers)}
        if key.kind == "teps":
            wanted.update(every("teps"))
        if key.kind == "tenants" and _identity(before) != _identity(after):
            wanted.update(every("tenants"))
    # Their tenants' rules say whose frames follow them.
    for spec in filter(None, map(get, moved)):
        wanted.update(referrers(Key("tenants", spec["tenant"]), "rules"))
    # What departs from the tenant key tells what tenants must differ in; and no fabric is without a TEP.
    wanted.update(referrers(TENANT_KEY, None))
    wanted.update(itertools.islice(every("teps"), 1))
    wanted.update(every("settings"))
    return _with_named(wanted, get)


def part_of_tep(
    tep: str, get: Callable[[Key], Any], referrers: _Referrers, every: Callable[[str], Iterable[Key]]
) -> set[Key]:
    """Objects that the tables of one TEP follow from: its tenants, who they have rules with, and all VMs and groups of
    these. Arguments as of :func:`neighbourhood`."""
    here = Key("teps", tep)
    tenants = set(referrers(here, "tenants"))
    for vswitch in referrers(here, "vswitches"):
        for vm in referrers(vswitch, "vms"):
            tenants.add(Key("tenants", get(vm)["tenant"]))
    rules = {rule for tenant in tenants for rule in referrers(tenant, "rules")}
    tenants.update(named for rule in rules for named in references(rule, get(rule)))
    wanted = {here, *tenants, *rules, *referrers(TENANT_KEY, None), *every("settings")}
    for tenant in tenants:
        wanted.update(referrers(tenant, "vms"))
        wanted.update(referrers(tenant, "groups"))
    return _with_named(wanted, get)


def _with_named(wanted: set[Key], get: Callable[[Key], Any]) -> set[Key]:
    """And what these name, as far as it is there."""
    pending = list(wanted)
    while pending:
        key = pending.pop()
        spec = get(key)
        for named in references(key, spec) if spec is not None else ():
            if named not in wanted:
                wanted.add(named)
                pending.append(named)
    return {key for key in wanted if get(key) is not None}
