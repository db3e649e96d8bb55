"""What may tell tenants apart, and what is refused."""

import pytest
from opentep.host.compile import compile_tep
from opentep.host.fabric import FabricError, State, allocate, loads
from opentep.host.tables import OUI_KEY, KeyMask, Local, TepTables

TEXT = """\
version: 1
tenant_key: {vlan: 0xf00}
teps:
  rack1:
    address: "fd00:1::"
    sid_function: true
    ports:
      srv: {role: access}
      old: {role: access, tenant_key: oui}
      up: {role: fabric, mac: 02:00:5e:01:00:01, next_hop: 02:00:5e:ff:00:01}
  site2: {foreign: true, address: "fd00:2::1", encapsulation: vxlan}
tenants:
  red: {oui: 12:00:01, vlan: 0x100, network: 7}
  blue: {oui: 12:00:02, vlan: 0x200, network: 8}
vswitches:
  s1: {tep: rack1, port: srv}
  s2: {tep: rack1, port: old}
vms:
  a: {tenant: red, vswitch: s1}
  b: {tenant: red, vswitch: s1}
  c: {tenant: blue, vswitch: s1}
  d: {tenant: blue, vswitch: s2}
  e: {tenant: red, tep: site2}
rules:
  - {from: red, to: blue}
"""


def compiled(text: str) -> TepTables:
    fabric, source = loads(text)
    state = State()
    return compile_tep(allocate(fabric, state, source), "rack1", state, source)


def keys(tables: TepTables) -> dict[str, set[tuple[int, int]]]:
    return {
        tenant.name: {key for mask in tables.key_masks for key in tenant.keys(mask)}
        for tenant in tables.tenants
    }


def test_vlan_and_oui_side_by_side() -> None:
    tables = compiled(TEXT)
    assert [port.key_mask for port in tables.ports] == [KeyMask(0, 0xF00), OUI_KEY, OUI_KEY]
    assert keys(tables) == {
        "red": {(0, 0x100), (0x120001000000, 0)},
        "blue": {(0, 0x200), (0x120002000000, 0)},
    }
    assert tables.sid_function
    places = {entry.place for entry in tables.macs if isinstance(entry.place, Local)}
    assert places == {Local(0, 0x100), Local(0, 0x101), Local(0, 0x200), Local(1, 2)}


def test_vlan_only_needs_no_oui() -> None:
    text = TEXT.replace(", tenant_key: oui", "").replace("oui: 12:00:01, ", "").split("rules:")[0]
    text = text.replace(
        "a: {tenant: red, vswitch: s1}", "a: {tenant: red, vswitch: s1, mac: 52:54:00:00:00:01}"
    )
    tables = compiled(text)
    assert keys(tables) == {"red": {(0, 0x100)}, "blue": {(0, 0x200)}}
    assert {tenant.ouis for tenant in tables.tenants} == {()}


def test_oui_and_vlan() -> None:
    tables = compiled(TEXT.replace("{vlan: 0xf00}", "{mac: ff:ff:ff:00:00:00, vlan: 0xf00}"))
    assert keys(tables)["red"] == {(0x120001000000, 0x100), (0x120001000000, 0)}


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        ("{vlan: 0xf00}", "{vlan: 0}", "tenant_key", "no tenants apart"),
        ("oui: 12:00:01", "block: 12:00:01:10:00:00", "tenants.red.block", "no port goes by"),
        ("oui: 12:00:01", "oui: 12:00:01, block: 12:00:01:10:00:00", "tenants.red.block", "both 'oui' and"),
        ("{vlan: 0xf00}", "port", "tenant_key", ""),
        ("vlan: 0x200", "vlan: 0x201", "tenants.blue.vlan", "bits that no access port goes by"),
        ("vlan: 0x200, ", "", "tenants.blue", "the tenant has none"),
        ("vlan: 0x200", "vlan: 0x100", "tenants.blue", "tenants 'red' and 'blue' have the same key"),
        ("12:00:02", "12:00:01", "tenants.blue.oui", "already belongs"),
        ("    sid_function: true\n", "", "teps.rack1", "do not carry them"),
        ('"fd00:1::"', "fd00:1::1", "teps.rack1.address", "function of its SIDs"),
        ("encapsulation: vxlan", "encapsulation: vxlan, sid_function: true", "teps.site2.sid_function", ""),
        (", network: 8", "", "tenants.blue", "this one has none"),
        ("tenant: red, vswitch: s1", "tenant: red, vswitch: s1, vlan: 0x201", "vms.a.vlan", "not one of"),
        (", tenant_key: oui", "", "rules", "a rule needs"),
        ("mac: 02:00:5e:01:00:01,", "mac: 02:00:5e:01:00:01, tenant_key: oui,", "", "no meaning"),
        (
            "{vlan: 0xf00}",
            "{mac: ff:ff:00:00:00:00}",
            "tenants.blue",
            "tenants 'red' and 'blue' have the same key under ff:ff:00",
        ),
    ],
)
def test_refused(old: str, new: str, path: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(FabricError) as caught:
        loads(TEXT.replace(old, new, 1))
    found = [problem for problem in caught.value.problems if message in problem.message]
    assert found, [str(problem) for problem in caught.value.problems]
    assert not path or path in {problem.path for problem in found}
    assert all(problem.remedy for problem in found)


BLOCKS = """\
version: 1
tenant_key: {mac: ff:ff:ff:f0:00:00}
teps:
  rack1:
    address: "fd00:1::1"
    ports:
      srv: {role: access}
      up: {role: fabric, mac: 02:00:5e:01:00:01, next_hop: 02:00:5e:ff:00:01}
tenants:
  red: {block: 12:00:01:10:00:00}
  blue: {block: 12:00:01:20:00:00}
  green: {}
vswitches:
  s1: {tep: rack1, port: srv}
vms:
  a: {tenant: red, vswitch: s1}
  b: {tenant: blue, vswitch: s1, mac: 12:00:01:2f:ff:ff}
  c: {tenant: blue, vswitch: s1}
  d: {tenant: green, vswitch: s1}
"""


def test_blocks_smaller_than_an_oui() -> None:
    tables = compiled(BLOCKS)
    green = next(tenant for tenant in tables.tenants if tenant.name == "green")
    assert tables.ports[0].key_mask == KeyMask(0xFFFFFFF00000)
    assert keys(tables) == {
        "red": {(0x120001100000, 0)},
        "blue": {(0x120001200000, 0)},
        "green": {(green.ouis[0] << 24, 0)},
    }
    owners = {entry.mac >> 20: entry.tenant for entry in tables.macs}
    names = {tenant.index: tenant.name for tenant in tables.tenants}
    assert {prefix: names[index] for prefix, index in owners.items()} == {
        0x1200011: "red",
        0x1200012: "blue",
        green.ouis[0] << 4: "green",
    }


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        ("01:20:00:00", "01:10:00:00", "tenants.blue", "have the same key"),
        ("01:20:00:00", "01:28:00:00", "tenants.blue.block", "bits that no port goes by"),
        ("12:00:01:2f:ff:ff", "12:00:01:1f:ff:ff", "vms.b.mac", "outside tenant 'blue'"),
        ("block: 12:00:01:20:00:00", "oui: 12:00:01, group: ingress", "tenants.blue.group", "writes OUIs"),
    ],
)
def test_refused_blocks(old: str, new: str, path: str, message: str) -> None:
    assert old in BLOCKS
    with pytest.raises(FabricError) as caught:
        loads(BLOCKS.replace(old, new))
    assert [p for p in caught.value.problems if message in p.message and p.path == path]


def test_a_block_is_full_when_its_addresses_are_given_out() -> None:
    """Two bits are the VM's own, neither at the end; 00 and 11 are left out."""
    text = BLOCKS.replace("ff:ff:ff:f0:00:00", "ff:ff:ff:f7:ff:fb").replace(
        "mac: 12:00:01:2f:ff:ff", "vlan: 7"
    )
    macs = {entry.mac for entry in compiled(text).macs}
    assert {0x120001200004, 0x120001280000} < macs
    with pytest.raises(FabricError, match="tenant 'blue' has no free MAC address"):
        compiled(text + "  e: {tenant: blue, vswitch: s1}\n")


def test_a_vlan_that_no_longer_tells_the_tenant_is_given_up() -> None:
    state = State()
    fabric, source = loads(TEXT)
    before = allocate(fabric, state, source)
    assert before.vms["c"].vlan == 0x200
    fabric, source = loads(TEXT.replace("vlan: 0x200", "vlan: 0x300"))
    after = allocate(fabric, state, source)
    assert after.vms["c"].vlan == 0x300
    assert after.vms["a"].vlan == before.vms["a"].vlan
