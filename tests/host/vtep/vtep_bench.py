"""A fabric, a database `hardware_vtep`, and the adapter between them."""

from pathlib import Path

from opentep.host.agent import learned
from opentep.host.controller import Repository
from opentep.host.controller.objects import Key
from opentep.host.fabric.source import read_source
from opentep.host.ovsdb import Ovsdb, as_set
from opentep.host.store import open_store
from opentep.host.vtep import Adapter
from opentep.host.vtep.rows import DATABASE, WATCHED

from ..controller.integrity import check_integrity
from .controller import Vtep

__all__ = ["BY_VLAN", "DOCUMENT", "Bench"]

DOCUMENT = """\
version: 1
teps:
  rack1:
    address: fd00:1::1
    ports:
      srv: {role: access}
      up: {role: fabric, mac: 02:00:5e:01:00:01, next_hop: 02:00:5e:ff:01:fe}
  rack2:
    address: fd00:2::1
    ports:
      a: {role: access, native_vlan: 99}
      b: {role: access}
      up: {role: fabric, mac: 02:00:5e:02:00:01, next_hop: 02:00:5e:ff:02:fe}
tenants: {red: {oui: 12:00:01}, blue: {network: 300}}
vswitches: {sw1: {tep: rack1, port: srv}}
vms:
  a: {tenant: red, vswitch: sw1, vlan: 10, mac: 12:00:01:00:00:0a, addresses: [10.0.0.1/24]}
"""
BY_VLAN = (
    DOCUMENT.partition("tenants:")[0]
    .replace("version: 1\n", "version: 1\ntenant_key: vlan\n")
    .replace("::1\n    ports", "::1\n    encapsulation: vxlan\n    ports")
)


class Bench:
    """A fabric, a database, and the adapter between them, which acts when it is told to."""

    def __init__(self, vtep: Vtep, location: Path, document: str, name: str = "vtep"):
        self.vtep = vtep
        self.location = str(location)
        self.store = open_store(self.location)
        self.repository = Repository(self.store, "tester")
        self.repository.replace("import", read_source(document, "fabric.yaml"))
        self.adapter = Adapter(self.location, vtep.target, name=name)

    def go(self) -> None:
        """Until both agree, as the adapter follows them; then another look finds nothing to do."""
        repository = Repository(self.store, "opentep vtep")
        with Ovsdb(self.vtep.target, DATABASE) as database:
            for _ in range(3):
                revision = self.adapter.synchronize(repository, database, learned(repository))
                if revision == repository.revision:
                    break
            database.watch(WATCHED)
            revision = self.adapter.synchronize(repository, database, learned(repository))
            assert revision == repository.revision and not database.changed(0.05), "it agreed before"
        check_integrity(self.repository)

    def put(self, key: Key, spec: object) -> None:
        """As an operator."""
        self.repository.edit("edit", lambda _: {key: spec})

    def own(self, kind: str) -> dict[str, object]:
        return {key.name: stored.spec for key, stored in self.repository.objects(kind, "vtep.").items()}

    def tenants(self) -> dict[str, object]:
        """Of the adapter's own, without the OUIs that they were given."""
        return {
            name: {key: value for key, value in spec.items() if key != "oui"}
            for name, spec in self.own("tenants").items()
        }

    def complete(self, kind: str, name: str) -> dict[str, object]:
        return self.repository.document(complete=True)[1][kind][name]

    def faults(self, port: str) -> list[str]:
        (row,) = (row for row in self.vtep.rows().tables["Physical_Port"].values() if row["name"] == port)
        return as_set(row["port_fault_status"])

    def switch_faults(self, name: str) -> list[str]:
        return as_set(self.vtep.rows().switches()[name]["switch_fault_status"])
