"""What the fabric tells a controller of `hardware_vtep`: its TEPs, and which MAC addresses are there."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentep.host.controller.objects import Key
from opentep.host.fabric.addresses import parse_host
from opentep.host.ovsdb import as_map, as_set, to_map, to_set

from .derive import Derived, Refusal
from .document import Document
from .rows import UNKNOWN, Row, Rows

__all__ = ["Learned", "LocalMac", "Published", "operations", "published"]

_ENCAPSULATION = "vxlan_over_ipv4"
"""The only one that the schema has. Addresses are texts there, and those of opentep are IPv6."""

_DESCRIPTION = "opentep"
_OWNER = "opentep"
"""Key in ``other_config`` of switches that are kept here, and taken away with their TEP: by whom."""

Learned = Mapping[str, Iterable[Mapping[str, Any]]]
"""By TEP: ``tenant`` and ``mac`` of those that nobody placed."""


@dataclass(frozen=True, order=True)
class LocalMac:
    """Somebody behind a port."""

    switch: str
    mac: str
    address: str
    """Of the TEP."""
    ip: str = ""


@dataclass
class Switch:
    """A TEP as a physical switch."""

    address: str
    ports: dict[str, set[str]]
    """Faults by port."""
    faults: set[str] = field(default_factory=set)


@dataclass
class Published:
    """All that is written by us and nobody else."""

    switches: dict[str, Switch]
    macs: set[LocalMac]
    floods: dict[str, tuple[str, ...]]
    """By logical switch: addresses of the TEPs that have VMs of it."""


def _address(tep: dict[str, Any]) -> str:
    return str(ipaddress.ip_address(tep["address"]))


def published(
    document: Document, derived: Derived, refusals: Iterable[Refusal], learned: Learned
) -> Published:
    """What is to be told of a complete fabric."""
    switches = {
        name: Switch(_address(tep), {port: set() for port in document.ports(name)})
        for name, tep in document.served.items()
    }
    for refusal in refusals:
        for name, switch in switches.items():
            if refusal.tep in ("", name):
                switch.ports.get(refusal.port, switch.faults).add(refusal.fault)
    logical: dict[str, list[str]] = {}
    for switch_name, tenant in derived.tenants.items():
        logical.setdefault(tenant, []).append(switch_name)
    macs: dict[tuple[str, str, str], str] = {}
    for name, vm in document.vms.items():
        vswitch = document.vswitches.get(vm.get("vswitch", ""))
        if vswitch is None or vswitch["tep"] not in switches:
            continue
        port = document.ports(vswitch["tep"])[vswitch["port"]]
        if document.is_own(Key("vms", name)) and not document.key_at(port).mac:
            continue  # it only stands for whoever is behind it
        for host in map(parse_host, vm.get("addresses", [])[:1]):
            macs[vm["tenant"], vm["mac"], vswitch["tep"]] = str(host)
        macs.setdefault((vm["tenant"], vm["mac"], vswitch["tep"]), "")
    for tep, entries in learned.items():
        for entry in entries:
            macs.setdefault((entry["tenant"], entry["mac"], tep), "")
    present: dict[str, set[str]] = {}
    for vm in document.vms.values():
        vswitch = document.vswitches.get(vm.get("vswitch", ""))
        if vswitch is not None and vswitch["tep"] in switches:
            present.setdefault(vm["tenant"], set()).add(switches[vswitch["tep"]].address)
    return Published(
        switches,
        {
            LocalMac(switch_name, mac, switches[tep].address, ip)
            for (tenant, mac, tep), ip in macs.items()
            if tep in switches
            for switch_name in logical.get(tenant, ())
        },
        {
            switch_name: tuple(sorted(present[tenant]))
            for tenant, names in logical.items()
            if tenant in present
            for switch_name in names
        },
    )


class _Writer:
    """Collects the operations that turn ``rows`` into what is wanted."""

    def __init__(self, rows: Rows, owner: str):
        self.rows = rows
        self.owner = owner
        self.operations: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self._locators = {
            row["dst_ip"]: ["uuid", uuid]
            for uuid, row in rows.tables["Physical_Locator"].items()
            if row["encapsulation_type"] == _ENCAPSULATION and not as_set(row["tunnel_key"])
        }

    def insert(self, table: str, row: Row) -> list[str]:
        """A reference to the new row."""
        name = f"row{len(self.operations)}"
        self.operations.append({"op": "insert", "table": table, "row": row, "uuid-name": name})
        return ["named-uuid", name]

    def update(self, table: str, row: Row, columns: Row) -> None:
        where = [["_uuid", "==", row["_uuid"]]]
        self.operations.append({"op": "update", "table": table, "where": where, "row": columns})

    def mutate(self, table: str, row: Row, *mutations: list[Any]) -> None:
        """Of columns that others write, too."""
        where = [["_uuid", "==", row["_uuid"]]]
        self.operations.append({"op": "mutate", "table": table, "where": where, "mutations": list(mutations)})

    def delete(self, table: str, uuid: str) -> None:
        where = [["_uuid", "==", ["uuid", uuid]]]
        self.operations.append({"op": "delete", "table": table, "where": where})

    def locator(self, address: str) -> list[str]:
        if address not in self._locators:
            row = {"encapsulation_type": _ENCAPSULATION, "dst_ip": address}
            self._locators[address] = self.insert("Physical_Locator", row)
        return self._locators[address]

    def ports(self, row: Row | None, wanted: Mapping[str, set[str]]) -> list[list[str]]:
        """References to the ports of a switch, each as wanted. Bindings of those that were there stay."""
        before = {} if row is None else self.rows.referred("Physical_Port", row["ports"])
        known = {port["name"]: port for port in before}
        references = []
        for name, faults in wanted.items():
            port = known.get(name)
            if port is None:
                columns = {"name": name, "port_fault_status": to_set(sorted(faults))}
                references.append(self.insert("Physical_Port", columns))
                continue
            references.append(port["_uuid"])
            if set(as_set(port["port_fault_status"])) != faults:
                self.update("Physical_Port", port, {"port_fault_status": to_set(sorted(faults))})
        return references

    def switch(self, name: str, row: Row | None, wanted: Switch) -> list[str] | None:
        """A reference to it, if it is new."""
        ports = self.ports(row, wanted.ports)
        if row is None:
            return self.insert(
                "Physical_Switch",
                {
                    "name": name,
                    "description": _DESCRIPTION,
                    "ports": to_set(ports),
                    "tunnel_ips": wanted.address,
                    "other_config": to_map({_OWNER: self.owner}),
                    "switch_fault_status": to_set(sorted(wanted.faults)),
                },
            )
        columns: Row = {}
        if sorted(as_set(row["ports"])) != sorted(ports):
            columns["ports"] = to_set(ports)
        if as_set(row["tunnel_ips"]) != [wanted.address]:
            columns["tunnel_ips"] = wanted.address
        if set(as_set(row["switch_fault_status"])) != wanted.faults:
            columns["switch_fault_status"] = to_set(sorted(wanted.faults))
        if columns:
            self.update("Physical_Switch", row, columns)
        if _OWNER not in as_map(
            row["other_config"]
        ):  # made by hand, as for a switch that cannot do that itself
            self.mutate("Physical_Switch", row, ["other_config", "insert", to_map({_OWNER: self.owner})])
        return None

    def switches(self, wanted: Mapping[str, Switch]) -> set[str]:
        """Addresses that are, or were, ours."""
        known = self.rows.switches()
        owners = {name: as_map(row["other_config"]).get(_OWNER) for name, row in known.items()}
        ours = {name: row for name, row in known.items() if owners[name] == self.owner}
        addresses = {address for row in ours.values() for address in as_set(row["tunnel_ips"])}
        references = []
        for name, switch in wanted.items():
            if owners.get(name) in (None, self.owner):
                row = known.get(name)
                new = self.switch(name, row, switch)
                references.append(new if row is None else row["_uuid"])
                addresses.add(switch.address)
            else:
                self.problems.append(f"physical switch '{name}' is kept by another one, '{owners[name]}'")
        gone = [row["_uuid"] for name, row in ours.items() if name not in wanted]
        top = next(iter(self.rows.tables["Global"].values()), None)
        if top is None:
            self.insert("Global", {"switches": to_set(references)})
            return addresses
        listed = as_set(top["switches"])
        missing = [reference for reference in references if reference not in listed]
        changes = (("insert", missing), ("delete", [reference for reference in gone if reference in listed]))
        mutations = [["switches", mutator, to_set(some)] for mutator, some in changes if some]
        if mutations:
            self.mutate("Global", top, *mutations)
        return addresses

    def macs(self, wanted: set[LocalMac], ours: set[str]) -> None:
        logical = self.rows.logical()
        known: set[LocalMac] = set()
        for uuid, row in self.rows.tables["Ucast_Macs_Local"].items():
            (locator,) = self.rows.referred("Physical_Locator", row["locator"])
            entry = LocalMac(self.rows.logical_name(row), row["MAC"], locator["dst_ip"], row["ipaddr"])
            if entry in wanted and entry not in known:
                known.add(entry)
            elif locator["dst_ip"] in ours:
                self.delete("Ucast_Macs_Local", uuid)
        for entry in sorted(wanted - known):
            self.insert(
                "Ucast_Macs_Local",
                {
                    "MAC": entry.mac,
                    "logical_switch": logical[entry.switch]["_uuid"],
                    "locator": self.locator(entry.address),
                    "ipaddr": entry.ip,
                },
            )

    def floods(self, wanted: Mapping[str, tuple[str, ...]], ours: set[str]) -> None:
        logical = self.rows.logical()
        known = set()
        for uuid, row in self.rows.tables["Mcast_Macs_Local"].items():
            name = self.rows.logical_name(row)
            addresses = self.rows.addresses(row)
            if row["MAC"] == UNKNOWN and wanted.get(name) == addresses and name not in known:
                known.add(name)
            elif ours.issuperset(addresses):
                self.delete("Mcast_Macs_Local", uuid)
        for name in sorted(wanted.keys() - known):
            locators = to_set([self.locator(address) for address in wanted[name]])
            self.insert(
                "Mcast_Macs_Local",
                {
                    "MAC": UNKNOWN,
                    "logical_switch": logical[name]["_uuid"],
                    "locator_set": self.insert("Physical_Locator_Set", {"locators": locators}),
                },
            )


def operations(rows: Rows, wanted: Published, owner: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The transaction that makes the database say what is wanted, empty if it does; and what is somebody else's.

    ``owner``: who we are.
    """
    writer = _Writer(rows, owner)
    ours = writer.switches(wanted.switches)
    writer.macs(wanted.macs, ours)
    writer.floods(wanted.floods, ours)
    return writer.operations, writer.problems
