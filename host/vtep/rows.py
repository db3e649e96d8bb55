"""The database `hardware_vtep` (vtep(5)) as it is at one moment, and what a network controller wrote there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentep.host.ovsdb import Ovsdb, as_map, as_set

__all__ = [
    "DATABASE",
    "UNKNOWN",
    "WATCHED",
    "Binding",
    "Flood",
    "LogicalSwitch",
    "RemoteMac",
    "Requests",
    "Rows",
]

DATABASE = "hardware_vtep"

UNKNOWN = "unknown-dst"
"""Stands for a MAC address, in the tables of group addresses: all that go to many, or that nobody knows."""

Row = dict[str, Any]

_COLUMNS = {
    "Global": ["_uuid", "switches"],
    "Physical_Switch": [
        "_uuid",
        "name",
        "description",
        "ports",
        "tunnel_ips",
        "other_config",
        "switch_fault_status",
    ],
    "Physical_Port": ["_uuid", "name", "vlan_bindings", "port_fault_status"],
    "Logical_Switch": ["_uuid", "name", "tunnel_key", "replication_mode"],
    "Physical_Locator": ["_uuid", "encapsulation_type", "dst_ip", "tunnel_key"],
    "Physical_Locator_Set": ["_uuid", "locators"],
    "Ucast_Macs_Local": ["_uuid", "MAC", "logical_switch", "locator", "ipaddr"],
    "Ucast_Macs_Remote": ["_uuid", "MAC", "logical_switch", "locator", "ipaddr"],
    "Mcast_Macs_Local": ["_uuid", "MAC", "logical_switch", "locator_set"],
    "Mcast_Macs_Remote": ["_uuid", "MAC", "logical_switch", "locator_set"],
}

WATCHED = {
    "Global": ["switches"],
    "Physical_Switch": ["ports", "tunnel_ips"],
    "Physical_Port": ["vlan_bindings"],
    "Logical_Switch": ["name", "tunnel_key", "replication_mode"],
    "Ucast_Macs_Local": ["MAC", "logical_switch"],
    "Ucast_Macs_Remote": ["MAC", "logical_switch", "locator", "ipaddr"],
    "Mcast_Macs_Local": ["MAC", "logical_switch"],
    "Mcast_Macs_Remote": ["MAC", "logical_switch", "locator_set"],
}
"""What others write, and what they should not: columns by table."""


@dataclass(frozen=True, order=True)
class LogicalSwitch:
    """A layer-2 domain: a tenant."""

    name: str
    tunnel_key: int | None = None
    """Of the model with a key per logical switch. OVN writes 0 for none."""
    source_node: bool = False
    """Whoever has a frame for many sends it to each of them; else to one that sends it on."""


@dataclass(frozen=True, order=True)
class Binding:
    """VLAN ID ``vlan`` of a port is a logical switch. 0: untagged frames."""

    tep: str
    port: str
    vlan: int
    switch: str


@dataclass(frozen=True, order=True)
class RemoteMac:
    """Somebody behind a tunnel end point at ``address``."""

    switch: str
    mac: str
    address: str
    ip: str = ""


@dataclass(frozen=True, order=True)
class Flood:
    """Where frames for many go, beside those at ``RemoteMac``."""

    switch: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Requests:
    """What a controller wants. Logical switches go by their names."""

    switches: tuple[LogicalSwitch, ...] = ()
    bindings: tuple[Binding, ...] = ()
    remotes: tuple[RemoteMac, ...] = ()
    floods: tuple[Flood, ...] = ()


def _first(value: Any) -> Any:
    """Of an optional column."""
    return next(iter(as_set(value)), None)


class Rows:
    """All rows, by table and UUID."""

    def __init__(self, database: Ovsdb):
        results = database.transact(
            [
                {"op": "select", "table": table, "where": [], "columns": columns}
                for table, columns in _COLUMNS.items()
            ]
        )
        self.tables: dict[str, dict[str, Row]] = {
            table: {row["_uuid"][1]: row for row in result["rows"]}
            for table, result in zip(_COLUMNS, results, strict=True)
        }

    def referred(self, table: str, value: Any) -> list[Row]:
        """Rows of ``table`` that a column names."""
        return [self.tables[table][uuid] for _, uuid in as_set(value)]

    def switches(self) -> dict[str, Row]:
        """Physical switches by name."""
        return {row["name"]: row for row in self.tables["Physical_Switch"].values()}

    def logical(self) -> dict[str, Row]:
        """Logical switches by name."""
        return {row["name"]: row for row in self.tables["Logical_Switch"].values()}

    def addresses(self, mac_row: Row) -> tuple[str, ...]:
        """Where a row of ``Mcast_Macs_…`` leads to."""
        (locators,) = self.referred("Physical_Locator_Set", mac_row["locator_set"])
        return tuple(sorted(row["dst_ip"] for row in self.referred("Physical_Locator", locators["locators"])))

    def logical_name(self, mac_row: Row) -> str:
        """Of the logical switch that a row of ``…_Macs_…`` is about."""
        (row,) = self.referred("Logical_Switch", mac_row["logical_switch"])
        return str(row["name"])

    def requests(self) -> Requests:
        """In an order that does not depend on UUIDs."""
        return Requests(
            tuple(
                sorted(
                    LogicalSwitch(row["name"], _first(row["tunnel_key"]) or None, mode == "source_node")
                    for row in self.tables["Logical_Switch"].values()
                    for mode in (_first(row["replication_mode"]),)
                )
            ),
            tuple(sorted(self._bindings())),
            tuple(
                sorted(
                    RemoteMac(self.logical_name(row), row["MAC"], locator["dst_ip"], row["ipaddr"])
                    for row in self.tables["Ucast_Macs_Remote"].values()
                    for locator in self.referred("Physical_Locator", row["locator"])
                )
            ),
            tuple(
                sorted(
                    Flood(self.logical_name(row), self.addresses(row))
                    for row in self.tables["Mcast_Macs_Remote"].values()
                    if row["MAC"] == UNKNOWN
                )
            ),
        )

    def _bindings(self) -> Iterator[Binding]:
        for switch in self.tables["Physical_Switch"].values():
            for port in self.referred("Physical_Port", switch["ports"]):
                for vlan, logical in as_map(port["vlan_bindings"]).items():
                    (row,) = self.referred("Logical_Switch", logical)
                    yield Binding(switch["name"], port["name"], vlan, row["name"])
