"""Known addresses from the document to the tables: whose they are, what is refused, what a change takes away first."""

from dataclasses import replace

import pytest
from opentep.gateware.params import Params
from opentep.host.compile import compile_tep
from opentep.host.diff import diff
from opentep.host.driver import Driver
from opentep.host.encode import decode_known, known_key
from opentep.host.fabric import FabricError, State, allocate, loads
from opentep.host.registers import RegisterAccess
from opentep.host.tables import KnownAddress, TepTables
from opentep.host.transition import vacate
from opentep.host.usage import usage

TEXT = """\
version: 1
teps:
  rack1:
    address: fd00:1::1
    core: {known_addresses: 16}
    ports:
      srv: {role: access}
      up: {role: fabric, mac: 02:00:5e:00:01:01, next_hop: 02:00:5e:00:00:f1}
  rack2:
    address: fd00:2::1
    core: {known_addresses: 16}
    ports:
      srv: {role: access}
      up: {role: fabric, mac: 02:00:5e:00:02:01, next_hop: 02:00:5e:00:00:f3}
tenants:
  red: {oui: 12:00:01, suppress: true}
  blue: {oui: 12:00:02, suppress: true}
  green: {oui: 12:00:03}
vswitches:
  s1: {tep: rack1, port: srv}
  s2: {tep: rack2, port: srv}
vms:
  r1: {tenant: red, vswitch: s1, mac: 12:00:01:00:00:01, addresses: [10.0.0.1/24, "fd10::1/64"]}
  r2: {tenant: red, vswitch: s2, mac: 12:00:01:00:00:02, addresses: [10.0.0.2]}
  b2: {tenant: blue, vswitch: s2, mac: 12:00:02:00:00:02, addresses: [10.0.0.1]}
  g1: {tenant: green, vswitch: s1, mac: 12:00:03:00:00:01, addresses: [10.0.0.1, 10.0.0.1]}
"""
RED1 = KnownAddress(0, 4, 0x0A000001, 0x120001000001)
RED = (
    RED1,
    KnownAddress(0, 4, 0x0A000002, 0x120001000002),
    KnownAddress(0, 6, 0xFD10 << 112 | 1, 0x120001000001),
)


def compiled(text: str, name: str) -> TepTables:
    fabric, source = loads(text)
    state = State()
    return compile_tep(allocate(fabric, state, source), name, state, source)


def test_known_are_the_vms_of_present_tenants_wherever_they_are() -> None:
    tables = compiled(TEXT, "rack1")
    assert tables.known == RED
    assert [tenant.suppresses for tenant in tables.tenants] == [True, False]
    assert compiled(TEXT, "rack2").known == (*RED, KnownAddress(1, 4, 0x0A000001, 0x120002000002))


def test_a_tenant_that_is_here_by_a_rule_only_has_nobody_who_asks() -> None:
    tables = compiled(TEXT + "rules: [{from: red, to: blue}]\n", "rack1")
    assert {tenant.name: tenant.suppresses for tenant in tables.tenants} == {
        "red": True,
        "blue": False,
        "green": False,
    }
    assert tables.known == RED


def test_a_core_without_is_refused() -> None:
    with pytest.raises(FabricError) as caught:
        compiled(TEXT.replace("    core: {known_addresses: 16}\n", ""), "rack1")
    (problem,) = caught.value.problems
    assert problem.message == "3 IP addresses of tenants with 'suppress', but the core has room for 0"
    assert "'known_addresses'" in problem.remedy


def test_a_core_with_too_few_is_refused() -> None:
    more = ", ".join(f"10.0.1.{k}" for k in range(12))
    with pytest.raises(FabricError, match=r"15 IP addresses .* room for 14"):
        compiled(TEXT.replace("10.0.0.2]", f"10.0.0.2, {more}]"), "rack1")


@pytest.mark.parametrize(
    "old, new, path, message",
    [
        ("[10.0.0.2]", "[10.0.0.1]", "vms.r2.addresses[0]", "already belongs to VM 'r1'"),
        ("[10.0.0.2]", "[10.0.0.2, 10.0.0.2/8]", "vms.r2.addresses[1]", "already belongs to VM 'r2'"),
        ("[10.0.0.2]", "[239.1.2.3]", "vms.r2.addresses[0]", "is not an address of a VM"),
        ("[10.0.0.2]", "[255.255.255.255]", "vms.r2.addresses[0]", "is not an address of a VM"),
        ("[10.0.0.2]", '["::"]', "vms.r2.addresses[0]", "is not an address of a VM"),
        ("[10.0.0.2]", '["::1"]', "vms.r2.addresses[0]", "is not an address of a VM"),
        ("[10.0.0.2]", "[10.0.0]", "vms.r2.addresses[0]", "10.0.0"),
    ],
)
def test_refused(old: str, new: str, path: str, message: str) -> None:
    with pytest.raises(FabricError) as caught:
        loads(TEXT.replace(old, new))
    (problem,) = caught.value.problems
    assert problem.path == path
    assert message in problem.message


def test_usage_has_no_stash_to_rely_on() -> None:
    tables = compiled(TEXT, "rack1")
    (known,) = [use for use in usage(tables, Params(known_addresses=1024)) if use.table == "known"]
    assert (known.used, known.room) == (3, 896)


def test_keys() -> None:
    keys = {known_key(known) for known in RED}
    assert len(keys) == len(RED)
    assert {decode_known(known_key(known), known.mac) for known in RED} == set(RED)
    # The same number in the other family, and in another tenant, is another address.
    assert known_key(RED1) != known_key(replace(RED1, version=6))
    assert known_key(RED1) != known_key(replace(RED1, tenant=4095))


def test_changes_in_words() -> None:
    before = compiled(TEXT, "rack1")
    after = replace(before, known=(replace(RED1, mac=0x120001000009), *RED[2:]))
    assert [(change.action, change.name, change.before, change.after) for change in diff(before, after)] == [
        ("change", "10.0.0.1 of red", "12:00:01:00:00:01", "12:00:01:00:00:09"),
        ("remove", "10.0.0.2 of red", "12:00:01:00:00:02", ""),
    ]


def test_an_index_that_means_another_tenant_has_no_addresses_meanwhile() -> None:
    before = compiled(TEXT, "rack1")
    red, green = before.tenants
    other = replace(red, ouis=(0x12000A,), name="other")
    after = replace(before, tenants=(other, green), known=(replace(RED1, mac=0x12000A000001),))
    assert vacate(before, after).known == ()


def test_no_answer_names_a_vm_that_is_not_there(memory_device) -> None:
    """Whoever is answered for is in the MAC table, at every instant of a change."""
    params = Params(known_addresses=16)
    device = memory_device(params)
    driver = Driver(RegisterAccess(device), drain_seconds=0)
    first = compiled(TEXT, "rack1")
    second = compiled(
        TEXT.replace("12:00:01:00:00:02", "12:00:01:00:00:22").replace("10.0.0.2", "10.0.0.3"), "rack1"
    )
    snoop = RegisterAccess(device).table("known_slots")

    def check(_) -> None:
        after, device.after = device.after, lambda request: None
        for entry in snoop.read_many():
            assert not entry["valid"] or (0, entry["value"]) in device.macs
        device.after = after

    device.after = check
    for tables in (first, second, first):
        driver.apply(tables)
        assert driver.read().tables.known == tables.known
