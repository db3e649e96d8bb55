"""A VM goes to another vSwitch and keeps its VLAN ID: what becomes of the store."""

import pytest
from opentep.host.controller import Migration, Repository
from opentep.host.controller.objects import Key
from opentep.host.fabric import FabricError
from opentep.host.fabric.source import read_source

DOCUMENT = """\
version: 1
teps:
  rack1:
    address: fd00:1::1
    ports:
      server: {role: access}
      uplink: {role: fabric, mac: 02:00:5e:01:00:01, next_hop: 02:00:5e:ff:01:fe}
  rack2:
    address: fd00:2::1
    ports:
      server: {role: access, native_vlan: 3}
      uplink: {role: fabric, mac: 02:00:5e:02:00:01, next_hop: 02:00:5e:ff:02:fe}
tenants: {red: {oui: 12:00:01}, blue: {}}
vswitches:
  sw1: {tep: rack1, port: server, driver: ovs, ovsdb: "unix:/none", uplink: eth1}
  sw2: {tep: rack2, port: server, driver: ovs, ovsdb: "unix:/none", uplink: eth1}
vms:
  mover: {tenant: red, vswitch: sw1}
  other: {tenant: red, vswitch: sw1}
  local: {tenant: blue, vswitch: sw2}
"""


@pytest.fixture
def repository(store) -> Repository:
    repository = Repository(store, "test")
    repository.replace("import", read_source(DOCUMENT, "fabric.yaml"))
    return repository


def vlans(repository: Repository) -> dict[str, tuple[str, int]]:
    return repository.allocations().vlans


def test_the_mover_keeps_its_vlan_and_the_other_gets_one(repository):
    assert vlans(repository) == {"mover": ("sw1", 2), "other": ("sw1", 3), "local": ("sw2", 2)}
    migration = Migration(repository, "mover", "sw2")
    assert (migration.tep, migration.vlan, migration.is_done) == ("rack2", 2, False)
    revision, changes, _ = migration.prepare("vm migrate mover --to sw2")
    assert [change.key for change in changes] == [Key("vms", "local")]
    assert vlans(repository) == {"mover": ("sw1", 2), "other": ("sw1", 3), "local": ("sw2", 4)}
    assert not repository.is_current("rack2", revision - 1), "its agent has something to do"
    assert repository.is_current("rack1", revision - 1), "that one has not"
    assert repository.is_current("rack2", revision)
    migration.move("vm migrate mover --to sw2")
    assert vlans(repository) == {"mover": ("sw2", 2), "other": ("sw1", 3), "local": ("sw2", 4)}
    assert migration.is_done
    assert [entry.action for entry in repository.history()][1:] == ["vm migrate mover --to sw2"] * 2


def test_it_begins_again_where_it_was(repository):
    Migration(repository, "mover", "sw2").prepare("prepare")
    before = vlans(repository), repository.revision
    again = Migration(repository, "mover", "sw2")
    again.prepare("prepare")
    assert (vlans(repository), repository.revision) == before
    again.move("move")
    revision = repository.revision
    again.prepare("prepare")
    again.move("move")
    assert repository.revision == revision


def test_a_dry_run_changes_nothing(repository):
    before = vlans(repository), repository.revision
    _, changes, fabric = Migration(repository, "mover", "sw2").prepare("prepare", dry_run=True)
    assert changes and fabric is not None and fabric.vms["local"].vlan == 4
    assert (vlans(repository), repository.revision) == before


def test_a_vlan_that_the_document_gives_is_not_taken_away(repository):
    repository.edit("set", lambda get: {Key("vms", "local"): {**get(Key("vms", "local")), "vlan": 2}})
    before = vlans(repository)
    with pytest.raises(FabricError, match="--unset vlan"):
        Migration(repository, "mover", "sw2").prepare("prepare")
    assert vlans(repository) == before


def test_a_vlan_that_cannot_be_used_there_changes(repository):
    """It is the native one of the other port."""
    migration = Migration(repository, "other", "sw2")
    assert migration.prepare("prepare")[1] == []
    migration.move("move")
    vswitch, vlan = vlans(repository)["other"]
    assert vswitch == "sw2" and vlan not in (2, 3)


def test_a_vlan_of_the_document_goes_along(repository):
    repository.edit("set", lambda get: {Key("vms", "mover"): {**get(Key("vms", "mover")), "vlan": 2}})
    migration = Migration(repository, "mover", "sw2")
    migration.prepare("prepare")
    migration.move("move")
    assert repository.get(Key("vms", "mover")).spec == {"tenant": "red", "vswitch": "sw2", "vlan": 2}
    assert vlans(repository)["local"] == ("sw2", 4)


@pytest.mark.parametrize(
    ("vm", "vswitch", "message"), [("nobody", "sw2", "no VM .nobody"), ("mover", "sw9", "no vSwitch .sw9")]
)
def test_what_is_not_there(repository, vm, vswitch, message):
    with pytest.raises(FabricError, match=rf"{message}[^`]*`opentep (vm|vswitch) list`"):
        Migration(repository, vm, vswitch).prepare("prepare")


def test_where_a_person_sets_the_ports(repository):
    """Nobody can know when the port has changed."""
    for name in ("sw1", "sw2"):
        spec = {"tep": f"rack{name[-1]}", "port": "server"}
        repository.edit("set", lambda get, name=name, spec=spec: {Key("vswitches", name): spec})
    before = vlans(repository)
    with pytest.raises(FabricError, match="nothing sets the ports there"):
        Migration(repository, "mover", "sw2").prepare("prepare")
    assert vlans(repository) == before
    migration = Migration(repository, "other", "sw2")
    migration.prepare("prepare")
    migration.move("move")
    assert vlans(repository)["other"] == ("sw2", 4), "a VLAN ID that has rested, not its own"


def test_what_changes_between_the_steps(repository):
    migration = Migration(repository, "mover", "sw2")
    migration.prepare("prepare")
    vm = {"tenant": "blue", "vswitch": "sw2", "vlan": 2}
    repository.edit("add", lambda get: {Key("vms", "late"): vm})
    with pytest.raises(FabricError, match=r"'late' has VLAN ID 2 .* by now"):
        migration.move("move")
    repository.edit("remove", lambda get: {Key("vms", "mover"): None})
    with pytest.raises(FabricError, match="no VM 'mover'"):
        migration.move("move")


def test_a_full_vswitch(repository):
    """Every other VLAN ID is taken: the one there has nowhere to go."""
    reserved = [vid for vid in range(1, 4095) if vid != 2]
    repository.edit(
        "set",
        lambda get: {Key("vswitches", "sw2"): {**get(Key("vswitches", "sw2")), "reserved_vlans": reserved}},
    )
    with pytest.raises(FabricError, match="no free VLAN ID"):
        Migration(repository, "mover", "sw2").prepare("prepare")
    assert vlans(repository)["local"] == ("sw2", 2)
