"""A database `hardware_vtep` of its own, with the tools of Debian's openvswitch-vtep."""

from pathlib import Path

from opentep.host.ovsdb import Ovsdb
from opentep.host.vtep.rows import DATABASE, UNKNOWN, Rows

from ..ovsdb_server import OvsdbServer, find_programs

__all__ = ["IS_INSTALLED", "Vtep"]

_SCHEMA = Path("/usr/share/openvswitch/vtep.ovsschema")
IS_INSTALLED = _SCHEMA.exists() and find_programs("ovsdb-server", "ovsdb-tool", "vtep-ctl") is not None


class Vtep(OvsdbServer):
    """What a network controller sees, and does."""

    def __init__(self, folder: Path):
        super().__init__(folder, "vtep", _SCHEMA)

    def ctl(self, *arguments: str) -> list[str]:
        """Lines that it prints."""
        return [line.strip() for line in self.command("vtep-ctl", *arguments).splitlines()]

    def rows(self) -> Rows:
        with Ovsdb(self.target, DATABASE) as database:
            return Rows(database)

    def ports(self) -> list[dict]:
        """All physical ports."""
        return list(self.rows().tables["Physical_Port"].values())

    def local_macs(self) -> set[tuple[str, str, str, str]]:
        """Logical switch, MAC address, address of the TEP, IP address."""
        rows = self.rows()
        return {
            (rows.logical_name(row), row["MAC"], locator["dst_ip"], row["ipaddr"])
            for row in rows.tables["Ucast_Macs_Local"].values()
            for locator in rows.referred("Physical_Locator", row["locator"])
        }

    def local_floods(self) -> dict[str, tuple[str, ...]]:
        """Addresses by logical switch."""
        rows = self.rows()
        macs = rows.tables["Mcast_Macs_Local"].values()
        return {rows.logical_name(row): rows.addresses(row) for row in macs if row["MAC"] == UNKNOWN}
