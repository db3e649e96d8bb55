"""`opentep find`."""

from typing import Any

import click
from opentep.host.controller.find import find, kind_of

from .errors import CommandError
from .options import json_option
from .output import print_json, print_table
from .store import open_stored

__all__ = ["command"]

_KINDS = {"mac": "MAC address", "address": "IP address", "name": "name"}
_COLUMNS = ("vm", "tenant", "mac", "vlan", "vswitch", "port", "tep", "addresses")


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
    kind, value = kind_of(what)
    with open_stored() as repository:
        found = find(repository, what)
    if not found:
        raise CommandError(f"no VM has the {_KINDS[kind]} {value}")
    if as_json:
        print_json(found)
        return
    rows = [[_cell(item.get(column, "")) for column in _COLUMNS] for item in found]
    print_table(_COLUMNS, rows)


def _cell(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)
