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
            if name not in given:
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
