"""The fabric as the adapter looks at it."""

from collections.abc import Collection
from functools import reduce
from operator import or_
from typing import Any

from opentep.host.controller.objects import Key
from opentep.host.fabric.addresses import format_mac, parse_mac
from opentep.host.fabric.load import key_mask
from opentep.host.tables import KeyMask

__all__ = ["OWN_KINDS", "Document"]

OWN_KINDS = ("teps", "tenants", "vswitches", "vms")
"""Kinds of objects that the adapter has some of."""


class Document:
    """A complete fabric document, by what is looked for.

    ``prefix``: what names of the adapter's own objects begin with.
    """

    def __init__(self, document: dict[str, Any], teps: Collection[str], prefix: str):
        self.prefix = prefix
        self.teps: dict[str, Any] = document["teps"]
        self.tenants: dict[str, Any] = document.get("tenants", {})
        self.vswitches: dict[str, Any] = document.get("vswitches", {})
        self.vms = {
            name: {**vm, "mac": format_mac(parse_mac(vm["mac"]))} if "mac" in vm else vm
            for name, vm in document.get("vms", {}).items()
        }
        self.key = key_mask(document.get("tenant_key", "oui"))
        self.served = {
            name: tep
            for name, tep in self.teps.items()
            if not tep.get("foreign") and (not teps or name in teps)
        }

        self.by_vlan = self.key.vid | reduce(
            or_, (self.key_at(port).vid for tep in self.teps for port in self.ports(tep).values()), 0
        )
        """Bits of VLAN IDs that tell a tenant at some port."""

    def is_own(self, key: Key) -> bool:
        """Whether an object comes and goes with what the controller wants. No TEP of opentep does."""
        if not key.name.startswith(self.prefix):
            return False
        return key.kind != "teps" or bool(self.teps.get(key.name, {}).get("foreign"))

    def others(self, kind: str) -> dict[str, Any]:
        """By name, those that are not the adapter's own."""
        return {
            name: spec or {} for name, spec in getattr(self, kind).items() if not self.is_own(Key(kind, name))
        }

    def ports(self, tep: str) -> dict[str, Any]:
        """Access ports by name."""
        ports = self.teps[tep].get("ports", {})
        return {name: port for name, port in ports.items() if port["role"] == "access"}

    def key_at(self, port: dict[str, Any]) -> KeyMask:
        return key_mask(port["tenant_key"]) if "tenant_key" in port else self.key
