"""`opentep find`."""

import ipaddress
from typing import Any

import click
from opentep.host.controller.kept import allocated
from opentep.host.controller.objects import Key
from opentep.host.fabric.addresses import format_mac, parse_host, parse_mac

from .errors import CommandError
from .options import json_option
from .output import print_json, print_table
from .store import open_stored

__all__ = ["command"]

_KINDS = {"mac": "MAC address", "address": "IP address", "name": "name"}
_COLUMNS = ("vm", "tenant", "mac", "vlan", "vswitch", "port", "tep", "addresses")


def _wanted(text: str) -> tuple[str, str]:
    """What kind of thing ``text`` is, and its usual form."""
    try:
        return "mac", format_mac(parse_mac(text))
    except ValueError:
        pass
    try:
        return "address", str(ipaddress.ip_address(text))
    except ValueError:
        return "name", text


def _matches(kind: str, value: str, name: str, spec: dict[str, Any]) -> bool:
    match kind:
        case "mac":
            return "mac" in spec and format_mac(parse_mac(spec["mac"])) == value
        case "address":
            return any(str(parse_host(text)) == value for text in spec.get("addresses", ()))
    return name == value


@click.command(epilog="Exit codes: 0 found, 1 there is no such VM.")
@click.argument("what")
@json_option
def command(what: str, as_json: bool) -> None:
    """Where is the VM with this MAC address, IP address or name?

    Tenants may use the same IP addresses: then there are several. Looks into the store; where a TEP sees a MAC address,
    `opentep show macs` tells.

    \b
    opentep find 12:00:01:00:00:04
    opentep find 10.0.0.1
    opentep find web1 --json
    """
    kind, value = _wanted(what)
    with open_stored() as repository:
        vms, given = repository.objects("vms"), allocated(repository.allocations())
        found = []
        for key, stored in vms.items():
            spec = {**stored.spec, **given.get(key, {})}
            if _matches(kind, value, key.name, spec):
                place = repository.get(Key("vswitches", spec["vswitch"])) if "vswitch" in spec else None
                at = {"tep": place.spec["tep"], "port": place.spec["port"]} if place else {}
                found.append({"vm": key.name, **spec, **at})
    if not found:
        raise CommandError(f"no VM has the {_KINDS[kind]} {value}")
    if as_json:
        print_json(found)
        return
    rows = [[_cell(item.get(column, "")) for column in _COLUMNS] for item in found]
    print_table(_COLUMNS, rows)


def _cell(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)
