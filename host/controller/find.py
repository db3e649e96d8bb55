"""Where is the VM with this MAC address, IP address or name?"""

import ipaddress
from collections.abc import Iterator
from typing import Any

from opentep.host.fabric.addresses import format_mac, parse_mac
from opentep.host.store import View

from .claims import at_address
from .kept import allocated
from .objects import Key
from .reader import Reader
from .repository import Repository

__all__ = ["find", "kind_of"]


def kind_of(what: str) -> tuple[str, str]:
    """What ``what`` is (``mac``, ``address`` or ``name``), and its usual form."""
    try:
        return "mac", format_mac(parse_mac(what))
    except ValueError:
        pass
    try:
        return "address", str(ipaddress.ip_address(what))
    except ValueError:
        return "name", what


def _holders(view: View, reader: Reader, kind: str, value: str) -> Iterator[Key]:
    match kind:
        case "name":
            yield Key("vms", value)
        case "mac":
            yield from reader.holders(f"macs/{value}")
        case _:
            yield from at_address(view, value)


def find(repository: Repository, what: str) -> list[dict[str, Any]]:
    """VMs as in a document, with what was allocated, their name (``vm``), and the ``tep`` and ``port`` of their
    vSwitch. Tenants may use the same IP addresses: then there are several."""
    with repository.store.view() as view:
        reader = Reader(view)
        keys = list(_holders(view, reader, *kind_of(what)))
        specs = {key: spec for key in keys if (spec := reader.get(key)) is not None}
        places = {
            name: reader.get(Key("vswitches", name))
            for spec in specs.values()
            if (name := spec.get("vswitch")) is not None
        }
    given = allocated(repository.allocations(specs))
    found = []
    for key, spec in specs.items():
        place = places.get(spec.get("vswitch"))
        at = {"tep": place["tep"], "port": place["port"]} if place else {}
        found.append({"vm": key.name, **given.get(key, {}), **spec, **at})
    return found
