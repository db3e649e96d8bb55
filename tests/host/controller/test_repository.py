"""The fabric in a store: a change is checked against a part of it just as against the whole."""

import contextlib
import copy
import random
from contextlib import closing

import pytest
from opentep.host.compile import compile_tep
from opentep.host.controller import ConflictError, Repository, Share
from opentep.host.controller.objects import Key, as_document, objects_of
from opentep.host.fabric import FabricError, State
from opentep.host.fabric.allocate import allocate
from opentep.host.fabric.load import loaded
from opentep.host.fabric.source import Source, read_source
from opentep.host.store import SqliteStore
from opentep.host.tables import TepTables

from .integrity import check_integrity

BASE = """\
version: 1
teps:
  rack1:
    address: fd00:1::1
    ports:
      server: {role: access}
      uplink: {role: fabric, mac: 02:00:5e:01:00:01, next_hop: 02:00:5e:ff:00:01}
  rack2:
    address: fd00:2::1
    ports:
      server: {role: access}
      uplink: {role: fabric, mac: 02:00:5e:02:00:01, next_hop: 02:00:5e:ff:00:02}
tenants:
  red: {oui: 12:00:01}
  blue: {}
vswitches:
  s1: {tep: rack1, port: server}
  s2: {tep: rack2, port: server}
vms:
  r1: {tenant: red, vswitch: s1}
  r2: {tenant: red, vswitch: s2, vlan: 7}
  b1: {tenant: blue, vswitch: s1}
"""


@pytest.fixture
def repository():
    with closing(SqliteStore(None)) as store:
        repository = Repository(store, "tester")
        repository.replace("import", read_source(BASE, "fabric.yaml"))
        yield repository


def put(repository, kind, name, spec, **options):
    return repository.edit(f"{kind} {name}", lambda get: {Key(kind, name): spec}, **options)


def test_what_goes_in_comes_out(repository):
    revision, document = repository.document()
    assert revision == 1
    assert objects_of(document) == objects_of(read_source(BASE, "x").data)
    assert as_document(objects_of(document)) == document


def test_a_vm_gets_mac_and_vlan_and_keeps_them(repository):
    _, changes, fabric = put(repository, "vms", "r3", {"tenant": "red", "vswitch": "s1"})
    assert [change.action for change in changes] == ["add"]
    vm = fabric.vms["r3"]
    assert vm.mac >> 24 == 0x120001
    vlans = [vid for vswitch, vid in repository.allocations().vlans.values() if vswitch == "s1"]
    assert vm.vlan in vlans and len(set(vlans)) == 3
    _, _, fabric = put(repository, "vms", "r3", {"tenant": "red", "vswitch": "s1", "addresses": ["10.0.0.9"]})
    assert (fabric.vms["r3"].mac, fabric.vms["r3"].vlan) == (vm.mac, vm.vlan)


def test_released_values_rest(repository):
    _, _, fabric = put(repository, "vms", "r3", {"tenant": "red", "vswitch": "s1"})
    put(repository, "vms", "r3", None)
    _, _, again = put(repository, "vms", "r4", {"tenant": "red", "vswitch": "s1"})
    assert again.vms["r4"].mac == fabric.vms["r3"].mac + 1
    assert again.vms["r4"].vlan == fabric.vms["r3"].vlan + 1


def test_nothing_is_stored_of_a_wrong_change(repository):
    before = repository.document(), repository.history()
    for kind, name, spec, message in (
        ("vms", "r3", {"tenant": "green", "vswitch": "s1"}, "vms.r3.tenant: there is no tenant 'green'"),
        ("vms", "r3", {"tenant": "red", "vswitch": "s2", "vlan": 7}, "already belongs to VM 'r2'"),
        ("vms", "r3", {"tenant": "red", "colour": 1}, "unknown key 'colour'"),
        ("tenants", "green", {"oui": "12:00:01"}, "already belongs to tenant"),
        ("tenants", "red", None, "there is no tenant 'red'"),
        ("teps", "rack3", {"address": "fd00:1::1", "foreign": True}, "already belongs to 'rack1'"),
        ("vswitches", "s3", {"tep": "rack1", "port": "server"}, "already leads to vSwitch 's1'"),
    ):
        with pytest.raises(FabricError, match=message):
            put(repository, kind, name, spec)
    assert (repository.document(), repository.history()) == before


WRONG_FORMS = [
    "[]",
    "x",
    "teps: true",
    "teps: {a: 3}",
    "vms:",
    "rules: {x: 1}",
    "rules: [1]",
    "tenants: [red]",
    "vswitches: {s1: }",
]


@pytest.mark.parametrize("text", WRONG_FORMS)
def test_a_document_of_a_wrong_form_is_told_of(repository, text):
    with pytest.raises(FabricError) as caught:
        repository.replace("import", read_source(text, "x.yaml"), base=1)
    assert all(problem.message and problem.remedy for problem in caught.value.problems)
    assert repository.revision == 1


def test_a_dry_run_tells_and_stores_nothing(repository):
    _, changes, fabric = put(repository, "vms", "r3", {"tenant": "red", "vswitch": "s1"}, dry_run=True)
    assert fabric.vms["r3"].vlan and len(changes) == 1
    assert repository.revision == 1 and repository.get(Key("vms", "r3")) is None
    _, _, later = put(repository, "vms", "r3", {"tenant": "red", "vswitch": "s1"})
    assert later.vms["r3"] == fabric.vms["r3"]


def test_the_log(repository):
    put(repository, "vms", "r1", None)
    put(repository, "vms", "r2", {"tenant": "red", "vswitch": "s2", "vlan": 8})
    entries = repository.history()
    assert [(entry.revision, entry.author, entry.action) for entry in entries] == [
        (1, "tester", "import"),
        (2, "tester", "vms r1"),
        (3, "tester", "vms r2"),
    ]
    assert repository.history(1) == entries[-1:]
    (change,) = repository.changes_of(3)
    assert list(change.lines()) == ["~ vms.r2", "    vlan: 7 → 8"]
    assert len(repository.changes_of(1)) == entries[0].changes == 9
    assert [str(change.key) for change in repository.changes_of(1)][:2] == ["teps.rack1", "teps.rack2"]


def test_the_same_document_again_changes_nothing(repository):
    revision, changes, _ = repository.replace("apply", read_source(BASE, "fabric.yaml"))
    assert (revision, changes, repository.revision) == (1, [], 1)


def test_two_operators_are_told_of_each_other(repository):
    """A document goes by revision 1; meanwhile a VM is changed, one is removed, and one is added."""
    put(repository, "vms", "r2", {"tenant": "red", "vswitch": "s2", "vlan": 8})
    put(repository, "vms", "r1", None)
    put(repository, "vms", "b2", {"tenant": "blue", "vswitch": "s2"})
    mine = read_source(BASE + "  r9: {tenant: red, vswitch: s1}\n", "fabric.yaml")
    before = repository.document()
    with pytest.raises(ConflictError) as caught:
        repository.replace("apply", mine, base=1)
    assert {str(key) for key, _ in caught.value.conflicts} == {"vms.r1", "vms.r2", "vms.b2"}
    assert "tester" in str(caught.value) and "vms r2" in str(caught.value)
    assert repository.document() == before
    # What nobody else touched goes through, and so does what both want alike.
    theirs = BASE.replace("vlan: 7", "vlan: 8").replace("  r1: {tenant: red, vswitch: s1}\n", "")
    theirs += "  b2: {tenant: blue, vswitch: s2}\n  r9: {tenant: red, vswitch: s1}\n"
    _, changes, _ = repository.replace("apply", read_source(theirs, "fabric.yaml"), base=1)
    assert [str(change.key) for change in changes] == ["vms.r9"]
    _, changes, _ = repository.replace("apply", mine)
    assert {str(change.key) for change in changes} == {"vms.r1", "vms.r2", "vms.b2"}


def _random_edit(rng, objects):
    """Often a wrong one."""
    names = {
        kind: [key.name for key in objects if key.kind == kind]
        for kind in ("teps", "tenants", "vswitches", "vms")
    }

    def one(kind, *others):
        return rng.choice([*names[kind], *names[kind], *others, "nobody"])

    kind = rng.choice(("teps", "tenants", "vswitches", "vms", "vms", "vms", "groups", "rules", "settings"))
    number = rng.randrange(4)
    name = {"teps": f"rack{number}", "settings": "tenant_key"}.get(kind, f"{kind[0]}{number}")
    spec = None
    if kind == "rules":
        source, target = one("tenants"), one("tenants")
        return {Key(kind, f"{source}/{target}"): rng.choice((None, {"from": source, "to": target}))}
    if rng.randrange(4):
        match kind:
            case "settings":
                spec = rng.choice(("oui", "oui+vlan", {"mac": "ff:ff:ff:f0:00:00"}))
            case "teps":
                spec = {
                    "address": f"fd00:{rng.randrange(4)}::1",
                    "encapsulation": rng.choice(("ethernet", "vxlan")),
                    "ports": {
                        "server": {"role": "access"},
                        "uplink": {
                            "role": "fabric",
                            "mac": "02:00:5e:02:00:01",
                            "next_hop": "02:00:5e:ff:00:02",
                        },
                    },
                }
                if rng.randrange(4) == 0:
                    del spec["ports"]
                    spec["foreign"] = True
                elif rng.randrange(4) == 0:
                    spec["ports"]["server"]["tenant_key"] = rng.choice(
                        ("oui", "vlan", {"mac": "ff:ff:00:00:00:00"}, {"mac": "ff:ff:ff:ff:00:00"})
                    )
                if "ports" in spec and rng.randrange(4) == 0:
                    spec["next_hops"] = {one("teps"): {"mac": "02:00:5e:ff:00:07"}}
            case "tenants":
                spec = {}
                if rng.randrange(2):
                    spec["oui"] = f"12:00:0{rng.randrange(4)}"
                if rng.randrange(2):
                    spec["network"] = rng.randrange(1, 4)
                if rng.randrange(3) == 0:
                    spec["suppress"] = True
                if rng.randrange(3) == 0:
                    spec["teps"] = [one("teps")]
                if rng.randrange(4) == 0:
                    spec["group"] = "ingress"
            case "vswitches":
                spec = {"tep": one("teps"), "port": rng.choice(("server", "server", "uplink"))}
            case "vms":
                spec = {"tenant": one("tenants"), "vswitch": one("vswitches")}
                if rng.randrange(4) == 0:
                    spec = {"tenant": one("tenants"), "tep": one("teps")}
                elif rng.randrange(3) == 0:
                    spec["vlan"] = rng.randrange(1, 5)
                if rng.randrange(3) == 0:
                    spec["mac"] = f"12:00:0{rng.randrange(3)}:00:00:0{rng.randrange(4)}"
                if rng.randrange(2):
                    spec["addresses"] = [f"10.0.0.{rng.randrange(1, 4)}"]
            case "groups":
                spec = {
                    "tenant": one("tenants"),
                    "address": rng.choice(
                        (f"239.0.0.{rng.randrange(2)}", f"13:00:0{rng.randrange(4)}:00:00:01")
                    ),
                    "members": [one("vms")],
                }
    return {Key(kind, name): spec}


def test_a_mac_of_nobody_behind_a_foreign_tep(repository):
    """What tells tenants is said by access ports, which such a VM has nothing to do with."""
    put(repository, "teps", "kernel", {"address": "fd00:9::1", "foreign": True})
    with pytest.raises(FabricError, match="the document names no OUI for tenant 'blue'"):
        put(repository, "vms", "k", {"tenant": "blue", "tep": "kernel", "mac": "0a:00:00:00:00:01"})


@pytest.mark.parametrize("seed", range(40))
def test_a_part_is_judged_as_the_whole(seed):
    """Any edits: accepted just if the whole fabric is right with them, and then with the same allocations as if the
    whole had been looked at."""
    rng = random.Random(seed)
    with closing(SqliteStore(None)) as store:
        repository = Repository(store)
        repository.replace("import", read_source(BASE, "fabric.yaml"))
        document, state = repository.document()[1], repository.allocations()
        accepted = spared = 0
        for _ in range(60):
            objects = objects_of(document)
            wanted = _random_edit(rng, objects)
            if rng.randrange(3) == 0:
                wanted |= _random_edit(rng, objects)
            after = {key: spec for key, spec in {**objects, **wanted}.items() if spec is not None}
            whole = Source("whole", as_document(dict(sorted(after.items()))))
            expected = copy.deepcopy(state)
            try:
                allocate(loaded(whole), expected, whole)
            except FabricError as error:
                with pytest.raises(FabricError):
                    repository.edit("edit", lambda get, wanted=wanted: wanted)
                    raise AssertionError(f"{wanted} was accepted; {error}") from None
                continue
            shares = all_shares(repository)
            repository.edit("edit", lambda get, wanted=wanted: wanted)
            spared += check_concern(repository, shares)
            accepted += 1
            document, found = repository.document()[1], repository.allocations()
            assert objects_of(document) == after
            for part in ("ouis", "macs", "vlans", "cursors"):
                assert getattr(found, part) == getattr(expected, part), (wanted, part)
            state = found
            check_tables(repository, rng)
        assert accepted > 10 and spared
        check_integrity(repository)


def all_shares(repository) -> dict[str, Share]:
    shares = {}
    for key in (key for key, stored in repository.objects("teps").items() if not stored.spec.get("foreign")):
        with contextlib.suppress(FabricError):
            shares[key.name] = repository.tables(key.name)
    return shares


def check_concern(repository, before: dict[str, Share]) -> int:
    """What is said not to concern a TEP does not. How many TEPs that was said of."""
    after = all_shares(repository)
    spared = [name for name, share in before.items() if not repository.concerns(share, repository.revision)]
    for name in spared:
        assert after[name].tables == before[name].tables
        assert after[name].part == before[name].part
    return len(spared)


def check_tables(repository, rng) -> None:
    """A TEP's tables follow from its part of the fabric as from the whole."""
    whole: dict[str, TepTables] = {}

    def compile_all(fabric, state, source) -> None:
        for name in (name for name, tep in fabric.teps.items() if not tep.foreign):
            try:
                whole[name] = compile_tep(fabric, name, state, source)
            except FabricError as error:
                assert "no next hop" in str(error) or "room for" in str(error)

    repository.compile(compile_all)
    for name in rng.sample(sorted(whole), min(2, len(whole))):
        assert repository.tables(name).tables == whole[name]


def test_allocations_of_a_former_state_file_are_taken_over():
    with closing(SqliteStore(None)) as store:
        former = State(macs={"r1": 0x120001000077}, vlans={"r1": ("s1", 99)}, cursors={"vlans/s1": 100})
        _, _, fabric = Repository(store).replace("import", read_source(BASE, "f"), allocations=former)
        assert (fabric.vms["r1"].mac, fabric.vms["r1"].vlan) == (0x120001000077, 99)
        assert fabric.vms["b1"].vlan == 100
