"""What a change of the stored fabric came to, for people and for programs."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from opentep.host.controller import Change
from opentep.host.controller.objects import Key
from opentep.host.fabric.addresses import format_mac, format_oui
from opentep.host.fabric.model import Fabric

from .output import print_json
from .store import next_step

__all__ = ["describe", "show_edited", "tell"]


_FOLLOWS = {"oui": ("oui", "ouis", "block"), "mac": ("mac", "tenant"), "vlan": ("vlan", "vswitch", "tenant")}
"""What is allocated, and keys whose change may give an object another one."""


def _complete(key: Key, fabric: Fabric) -> dict[str, Any]:
    """What an object got, however it got it."""
    if key.kind == "tenants":
        ouis = fabric.tenants[key.name].ouis
        return {"oui": format_oui(ouis[0])} if ouis else {}
    if key.kind == "vms":
        vm = fabric.vms[key.name]
        mac = {} if vm.mac is None else {"mac": format_mac(vm.mac)}
        return mac if vm.vlan is None else {**mac, "vlan": vm.vlan}
    return {}


def _got(change: Change, fabric: Fabric | None) -> dict[str, Any]:
    return {} if change.after is None or fabric is None else _complete(change.key, fabric)


def _may_be_new(change: Change, name: str) -> bool:
    """Whether what is allocated as ``name`` need not be what it was."""
    if change.before is None:
        return True
    if change.before == change.after:  # a VM that makes room for another one
        return name == "vlan"
    return any(change.before.get(key) != change.after.get(key) for key in _FOLLOWS[name])


def describe(changes: Sequence[Change], fabric: Fabric | None) -> list[dict[str, Any]]:
    """For programs."""
    return [{**change.as_dict(), "complete": _got(change, fabric)} for change in changes]


def tell(changes: Sequence[Change], fabric: Fabric | None) -> None:
    """For people."""
    for change in changes:
        for line in change.lines():
            click.echo(line)
        given: Mapping[str, Any] = change.after or {}
        for name, value in _got(change, fabric).items():
            if name not in given and _may_be_new(change, name):
                click.echo(f"    {name}: {value} (allocated)")


def show_edited(
    revision: int, changes: Sequence[Change], fabric: Fabric | None, *, dry_run: bool, as_json: bool
) -> None:
    """One transaction, or what it would be."""
    if as_json:
        print_json({"revision": revision, "stored": not dry_run, "changes": describe(changes, fabric)})
        return
    tell(changes, fabric)
    if not changes:
        click.echo("nothing to change")
    elif dry_run:
        click.echo("nothing was stored (--dry-run)")
    else:
        click.echo(f"revision {revision}; {next_step()}")
