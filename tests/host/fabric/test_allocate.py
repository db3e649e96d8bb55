"""Allocation is unique, deterministic and kept, whatever the history of the document."""

import copy
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentep.host.fabric import Fabric, FabricError, State, Tenant, Vm, VSwitch, allocate, loads
from opentep.host.fabric.addresses import oui_of, refusal
from opentep.host.fabric.source import Source

TEXT = """\
version: 1
teps:
  rack1:
    address: fd00:1::1
    ports:
      p1: {role: access, native_vlan: 3}
      p2: {role: access}
      up: {role: fabric, mac: 02:00:5e:01:00:01}
tenants: {red: {oui: 12:00:01}, blue: {}}
vswitches:
  s1: {tep: rack1, port: p1, reserved_vlans: [2, 5]}
  s2: {tep: rack1, port: p2}
"""
BASE, SOURCE = loads(TEXT)
NAMES = [f"vm{number}" for number in range(12)]

documents = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(st.sampled_from(["red", "blue"]), st.sampled_from(["s1", "s2"]), st.booleans()),
)


def fabric_with(vms: dict[str, tuple[str, str, bool]]) -> Fabric:
    """VMs by name: tenant, vSwitch, and whether the document names MAC and VLAN itself."""
    made = {}
    for name, (tenant, vswitch, explicit) in vms.items():
        number = NAMES.index(name)
        made[name] = Vm(name, tenant, vswitch)
        if explicit and tenant == "red":
            made[name] = replace(made[name], mac=0x120001F00000 + number, vlan=1000 + number)
    return replace(BASE, vms=made)


@settings(max_examples=60)
@given(st.lists(documents, min_size=1, max_size=6))
def test_history(history: list[dict[str, tuple[str, str, bool]]]) -> None:
    state = State()
    before: dict[str, Vm] = {}
    for vms in history:
        fabric = fabric_with(vms)
        twin = copy.deepcopy(state)
        result = allocate(fabric, state, SOURCE)
        assert allocate(fabric, twin, SOURCE) == result, "deterministic"
        assert twin == state
        assert allocate(fabric, state, SOURCE) == result, "kept"
        macs = [vm.mac for vm in result.vms.values()]
        places = [(vm.vswitch, vm.vlan) for vm in result.vms.values()]
        assert len(set(macs)) == len(macs)
        assert len(set(places)) == len(places)
        for name, vm in result.vms.items():
            assert vm.mac is not None and vm.vlan is not None
            assert oui_of(vm.mac) in result.tenants[vm.tenant].ouis
            assert 1 <= vm.vlan <= 4094
            assert vm.vswitch != "s1" or vm.vlan not in (2, 3, 5)
            old, given_now = before.get(name), fabric.vms[name]
            if old is not None and given_now.mac is None and old.tenant == vm.tenant:
                assert vm.mac == old.mac or old.mac >= 0x120001F00000
            if old is not None and given_now.vlan is None and old.vswitch == vm.vswitch:
                assert vm.vlan == old.vlan or old.vlan >= 1000
        assert set(state.macs) | set(state.vlans) <= set(vms), "nothing leaks"
        before = result.vms


def test_released_values_rest() -> None:
    state = State()
    first = allocate(fabric_with({"vm0": ("red", "s2", False)}), state, SOURCE).vms["vm0"]
    allocate(fabric_with({}), state, SOURCE)
    second = allocate(fabric_with({"vm1": ("red", "s2", False)}), state, SOURCE).vms["vm1"]
    assert (first.mac, first.vlan) != (second.mac, second.vlan)
    assert first.mac != second.mac and first.vlan != second.vlan


def test_vlan_1_is_given_out_last() -> None:
    vms = {f"v{number}": Vm(f"v{number}", "red", "s2") for number in range(4094)}
    result = allocate(replace(BASE, vms=vms), State(), SOURCE)
    assert result.vms["v4093"].vlan == 1
    assert {vm.vlan for vm in result.vms.values()} == set(range(1, 4095))


def test_exhausted_vlans_are_an_error_that_says_where() -> None:
    text = TEXT.replace("[2, 5]", str(list(range(1, 4093))))
    text += "vms:\n" + "".join(f"  v{n}: {{tenant: red, vswitch: s1}}\n" for n in range(3))
    fabric, source = loads(text)
    with pytest.raises(FabricError) as caught:
        allocate(fabric, State(), source)
    (problem,) = caught.value.problems
    assert "no free VLAN ID" in problem.message
    assert problem.line == len(text.splitlines())


def test_an_address_in_use_is_not_taken_away() -> None:
    state = State()
    kept = allocate(fabric_with({"vm0": ("red", "s1", False)}), state, SOURCE).vms["vm0"]
    thief = Vm("vm1", "red", "s1", mac=kept.mac, vlan=kept.vlan)
    fabric = replace(BASE, vms={"vm0": Vm("vm0", "red", "s1"), "vm1": thief})
    with pytest.raises(FabricError) as caught:
        allocate(fabric, state, SOURCE)
    assert len(caught.value.problems) == 2
    assert all("before" in problem.message for problem in caught.value.problems)


def test_tenant_ouis() -> None:
    state = State()
    result = allocate(BASE, state, SOURCE)
    assert result.tenants["red"].ouis == (0x120001,)
    (blue,) = result.tenants["blue"].ouis
    assert refusal(blue) is None
    again = replace(BASE, tenants={"blue": Tenant("blue")})
    assert allocate(again, state, SOURCE).tenants["blue"].ouis == (blue,)


def test_a_vm_that_changes_tenant_gets_another_mac() -> None:
    state = State()
    allocate(replace(BASE, vms={"a": Vm("a", "red", "s1")}), state, SOURCE)
    result = allocate(replace(BASE, vms={"a": Vm("a", "blue", "s1")}), state, SOURCE)
    assert oui_of(result.vms["a"].mac or 0) == result.tenants["blue"].ouis[0]


def test_removed_vswitch_does_not_disturb() -> None:
    state = State()
    allocate(replace(BASE, vms={"a": Vm("a", "red", "s1")}), state, SOURCE)
    without = replace(BASE, vswitches={"s2": VSwitch("s2", "rack1", "p2")}, vms={"a": Vm("a", "red", "s2")})
    assert allocate(without, state, Source("x", {})).vms["a"].vlan is not None


def test_a_tenant_gets_addresses_from_all_its_ouis() -> None:
    """With all but two bits of a MAC address for the tenant; 00 and 11 are left out."""
    text = TEXT.replace("version: 1", "version: 1\ntenant_key: {mac: ff:ff:ff:ff:ff:fc}")
    fabric, source = loads(text.replace("oui: 12:00:01", "ouis: [12:00:05, 12:00:01]"))
    state = State()

    def allocated(count: int) -> list[int | None]:
        vms = {name: Vm(name, "red", "s1") for name in NAMES[:count]}
        return [vm.mac for vm in allocate(replace(fabric, vms=vms), state, source).vms.values()]

    four = [0x120005000001, 0x120005000002, 0x120001000001, 0x120001000002]
    assert allocated(3) == four[:3]
    assert allocated(4) == four
    with pytest.raises(FabricError) as caught:
        allocated(5)
    (problem,) = caught.value.problems
    assert problem.message == ("tenant 'red' has no free MAC address in 12:00:05:00:00:00, 12:00:01:00:00:00")
    assert problem.remedy == "remove unused VMs, or list a further OUI under the tenant's 'ouis'"
