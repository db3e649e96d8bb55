"""Open vSwitch, through OVSDB: one transaction brings a bridge to what is wanted."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from opentep.host.diff import Change
from opentep.host.fabric.addresses import format_mac
from opentep.host.ovsdb import Ovsdb, OvsdbError, as_map, as_set, to_map, to_set

from .base import Attachment, VSwitchError, VSwitchPlan, Wanted

__all__ = ["NOWHERE", "OvsDriver"]

NOWHERE = 4095
"""VLAN ID that IEEE 802.1Q reserves: a port in it reaches nobody. The bridge's own port gets it, because it
would otherwise be a trunk that sees every VM's frames; so does the port of a VM that left the document."""

_OWNER = "opentep-vm"
"""Key in a port's ``external_ids``: the VM that this software set the port up for."""

_PORT_COLUMNS = ["_uuid", "name", "tag", "trunks", "vlan_mode", "external_ids", "interfaces"]
_INTERFACE_COLUMNS = ["_uuid", "name", "type", "mac", "external_ids"]
_SETTLE_SECONDS = 10.0


def _mutations(ids: Mapping[str, str | None]) -> list[Any]:
    """Of ``external_ids``: these keys get these values or go. Others keep what others write meanwhile."""
    if not ids:
        return []
    values = {key: value for key, value in ids.items() if value is not None}
    # An insertion alone leaves a key that is there as it is (RFC 7047, 5.1).
    return [
        ["external_ids", "delete", to_set(list(ids))],
        *([["external_ids", "insert", to_map(values)]] if values else []),
    ]


class _Bridge:
    """The rows of one bridge as they are now."""

    def __init__(self, database: Ovsdb, name: str):
        found = database.select(
            {"Bridge": ["name", "ports"], "Port": _PORT_COLUMNS, "Interface": _INTERFACE_COLUMNS}
        )
        bridges = {row["name"]: row for row in found["Bridge"]}
        if name not in bridges:
            known = ", ".join(sorted(bridges)) or "none"
            raise VSwitchError(
                f"Open vSwitch at {database.target} has no bridge '{name}' (there are: {known})"
            )
        members = {uuid for _, uuid in as_set(bridges[name]["ports"])}
        self.ports = {row["name"]: row for row in found["Port"] if row["_uuid"][1] in members}
        self.interfaces = {row["_uuid"][1]: row for row in found["Interface"]}

    def interface(self, port: str) -> dict[str, Any]:
        (reference,) = as_set(self.ports[port]["interfaces"])[:1]
        return self.interfaces[reference[1]]


class OvsDriver:
    """Sets, on one bridge: tag and owner of VM ports, MAC of their interfaces, trunks of the uplink, tag of
    the bridge's own port. Nothing else is touched."""

    def __init__(self, wanted: Wanted):
        if wanted.vswitch.ovsdb is None or wanted.vswitch.uplink is None:
            raise ValueError("the driver needs 'ovsdb' and 'uplink', checked when the document was loaded")
        self._wanted = wanted
        self._target = wanted.vswitch.ovsdb
        self._uplink = wanted.vswitch.uplink
        self._bridge = wanted.vswitch.bridge

    def plan(self) -> VSwitchPlan:
        with self._opened() as database:
            return self._compute(_Bridge(database, self._bridge))[0]

    def apply(self) -> VSwitchPlan:
        with self._opened() as database:
            plan, operations = self._compute(_Bridge(database, self._bridge))
            # Also without any: what was written before may not have been taken over yet.
            self._commit(database, operations)
            return plan

    @contextmanager
    def _opened(self) -> Iterator[Ovsdb]:
        try:
            with Ovsdb(self._target) as database:
                yield database
        except OvsdbError as error:
            raise VSwitchError(str(error)) from None

    def _commit(self, database: Ovsdb, operations: list[dict[str, Any]]) -> None:
        """Do the transaction and wait until the switch has taken it, and all before it, over."""
        count = {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}
        read = {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]}
        steps = [*operations, count] if operations else []
        wanted = database.transact([*steps, read])[-1]["rows"][0]["next_cfg"]
        deadline = time.monotonic() + _SETTLE_SECONDS
        while database.select({"Open_vSwitch": ["cur_cfg"]})["Open_vSwitch"][0]["cur_cfg"] < wanted:
            if time.monotonic() > deadline:
                raise VSwitchError(
                    f"Open vSwitch at {self._target} did not take the change over in {_SETTLE_SECONDS:.0f} s:"
                    " is ovs-vswitchd running?"
                )
            time.sleep(0.02)

    def _compute(self, bridge: _Bridge) -> tuple[VSwitchPlan, list[dict[str, Any]]]:
        changes: list[Change] = []
        operations: list[dict[str, Any]] = []
        lets_go = False
        if self._uplink not in bridge.ports:
            raise VSwitchError(
                f"bridge '{self._bridge}' at {self._target} has no port '{self._uplink}' for the uplink"
            )

        def update(
            table: str,
            row: dict[str, Any],
            columns: dict[str, Any],
            after: str,
            ids: Mapping[str, str | None] = MappingProxyType({}),
        ) -> None:
            """``columns``: name → (plain value now, plain value wanted, value as OVSDB takes it). ``ids``: what keys
            of ``external_ids`` shall have; ``None``: they go."""
            nonlocal lets_go
            differing = {name: raw for name, (now, then, raw) in columns.items() if now != then}
            known = as_map(row["external_ids"])
            mutations = _mutations({key: value for key, value in ids.items() if known.get(key) != value})
            if not differing and not mutations:
                return
            before = [f"{name} {now}" for name, (now, _, _) in columns.items() if name in differing]
            before += [f"external_ids {known}"] if mutations else []
            name = f"{self._wanted.vswitch.name} {row['name']}"
            changes.append(Change("vswitch", name, ", ".join(before), after))
            where = [["_uuid", "==", row["_uuid"]]]
            if differing:
                operations.append({"op": "update", "table": table, "where": where, "row": differing})
            if mutations:
                operations.append({"op": "mutate", "table": table, "where": where, "mutations": mutations})
            # Without a tag it was in all VLANs.
            lets_go |= "tag" in differing and columns["tag"][0] != [NOWHERE]

        missing = []
        for item in self._wanted.attachments:
            if item.interface in bridge.ports:
                self._attach(bridge, item, update)
            else:
                missing.append(item.interface)
        wanted_ports = {item.interface for item in self._wanted.attachments}
        for name, row in bridge.ports.items():
            owners = as_map(row["external_ids"])
            if name == self._uplink:
                vlans = self._wanted.vlans or [NOWHERE]  # no trunks at all would mean every VLAN
                columns = {
                    "trunks": (sorted(as_set(row["trunks"])), vlans, to_set(vlans)),
                    "tag": (as_set(row["tag"]), [], to_set([])),
                    "vlan_mode": (as_set(row["vlan_mode"]), ["trunk"], "trunk"),
                }
                update("Port", row, columns, f"trunk of VLANs {', '.join(map(str, vlans))}")
            elif name == self._bridge:
                self._isolate(row, update, "VLAN of nobody")
            elif _OWNER in owners and name not in wanted_ports:
                self._isolate(row, update, f"VLAN of nobody: VM {owners[_OWNER]} left", forget=True)
        return VSwitchPlan(tuple(changes), tuple(missing), lets_go=lets_go), operations

    @staticmethod
    def _attach(bridge: _Bridge, item: Attachment, update: Any) -> None:
        mac = format_mac(item.mac)
        port = bridge.ports[item.interface]
        settings: dict[str, Any] = {
            "tag": (as_set(port["tag"]), [item.vlan], item.vlan),
            "trunks": (as_set(port["trunks"]), [], to_set([])),
            "vlan_mode": (as_set(port["vlan_mode"]), ["access"], "access"),
        }
        update("Port", port, settings, f"VLAN {item.vlan} for VM {item.vm}", {_OWNER: item.vm})
        interface = bridge.interface(item.interface)
        # `mac` takes effect on internal interfaces only; others carry it for whoever plugs the VM in.
        columns: dict[str, Any] = {"mac": (as_set(interface["mac"]), [mac], mac)}
        update("Interface", interface, columns, f"MAC {mac}", {"attached-mac": mac})

    @staticmethod
    def _isolate(row: dict[str, Any], update: Any, after: str, *, forget: bool = False) -> None:
        columns: dict[str, Any] = {
            "tag": (as_set(row["tag"]), [NOWHERE], NOWHERE),
            "trunks": (as_set(row["trunks"]), [], to_set([])),
            "vlan_mode": (as_set(row["vlan_mode"]), ["access"], "access"),
        }
        update("Port", row, columns, after, {_OWNER: None} if forget else {})
