"""Whom TEPs learned, for everybody who looks into the store."""

import json
from collections.abc import Mapping
from typing import Any

from opentep.host.controller import Repository
from opentep.host.driver import Driver
from opentep.host.fabric.addresses import format_mac
from opentep.host.macs import FoundMac
from opentep.host.store import Store
from opentep.host.tables import Local, TepTables

__all__ = ["Learned", "learned"]

_NOTES = "learned/"


class Learned:
    """Tells whom the TEP ``tep`` learned behind its access ports."""

    def __init__(self, tep: str, store: Store):
        self._key = _NOTES + tep
        self._store = store
        self._told = store.notes(self._key).get(self._key)

    def tell(self, driver: Driver, tables: TepTables) -> None:
        """In place of what was told before; nothing, and without a look at the TEP, if none of its tenants learns."""
        text = None
        if any(tenant.learn_source for tenant in tables.tenants):
            text = json.dumps(_entries(tables, driver.macs()))
        self._tell(text)

    def forget(self) -> None:
        """When there is no such TEP any more."""
        self._tell(None)

    def _tell(self, text: str | None) -> None:
        if text != self._told:
            self._store.note(self._key, text)
            self._told = text


def _entries(tables: TepTables, found: list[FoundMac]) -> list[dict[str, Any]]:
    tenants = {tenant.index: tenant.name for tenant in tables.tenants}
    entries = (
        {
            "tenant": tenants[mac.entry.tenant],
            "mac": format_mac(mac.entry.mac),
            "port": tables.ports[place.port].name,
            "vlan": place.vid,
        }
        for mac in found
        if not mac.is_static and mac.entry.tenant in tenants and isinstance(place := mac.entry.place, Local)
    )
    return sorted(entries, key=lambda entry: (entry["tenant"], entry["mac"]))


def learned(repository: Repository) -> Mapping[str, list[dict[str, Any]]]:
    """By TEP: ``tenant``, ``mac``, ``port`` and ``vlan`` of those that its agent found last."""
    found = repository.store.notes(_NOTES)
    return {key.removeprefix(_NOTES): json.loads(text) for key, text in found.items()}
