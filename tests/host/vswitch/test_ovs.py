"""The Open vSwitch driver against unmodified Open vSwitch."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentep.host.fabric import VSwitch
from opentep.host.ovsdb import Ovsdb
from opentep.host.vswitch import Attachment, VSwitchError, Wanted, driver_for
from opentep.host.vswitch.ovs import NOWHERE, OvsDriver

from .open_vswitch import IS_INSTALLED, Ovs

pytestmark = pytest.mark.skipif(not IS_INSTALLED, reason="Open vSwitch is not installed")


@pytest.fixture(scope="module")
def ovs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ovs]:
    instance = Ovs(tmp_path_factory.mktemp("ovs"))
    try:
        yield instance
    finally:
        instance.close()


def wanted(ovs: Ovs, *attachments: Attachment) -> Wanted:
    return Wanted(VSwitch("sw1", "rack1", "srv", "ovs", ovs.target, "br0", "uplink"), attachments)


A = Attachment("vm-a", "a", 0x120001000001, 10)
B = Attachment("vm-b", "b", 0x120001000002, 11)


def test_apply_is_idempotent_and_complete(ovs: Ovs) -> None:
    driver = driver_for(wanted(ovs, A, B))
    planned = driver.plan()
    assert {change.name for change in planned.changes} == {"sw1 a", "sw1 b", "sw1 uplink", "sw1 br0"}
    assert driver.plan() == planned, "a plan changes nothing"
    assert driver.apply() == planned
    assert driver.plan().changes == driver.apply().changes == ()
    assert ovs.get("port", "a", "tag") == 10
    assert ovs.get("port", "b", "tag") == 11
    assert ovs.get("port", "uplink", "trunks") == ["set", [10, 11]]
    assert ovs.get("port", "uplink", "tag") == ["set", []]
    assert ovs.get("port", "br0", "tag") == NOWHERE
    assert ovs.get("port", "other", "tag") == ["set", []], "not ours"
    assert ovs.get("interface", "a", "mac") == "12:00:01:00:00:01"
    assert dict(ovs.get("interface", "a", "external_ids")[1])["attached-mac"] == "12:00:01:00:00:01"  # type: ignore[index]


def test_a_vm_that_leaves_is_cut_off(ovs: Ovs) -> None:
    driver_for(wanted(ovs, A, B)).apply()
    driver_for(wanted(ovs, A)).apply()
    assert ovs.get("port", "b", "tag") == NOWHERE
    assert ovs.get("port", "b", "external_ids") == ["map", []]
    assert ovs.get("port", "uplink", "trunks") == 10
    driver_for(wanted(ovs)).apply()
    assert ovs.get("port", "uplink", "trunks") == NOWHERE, "no trunks at all would be all VLANs"


def test_a_changed_vlan(ovs: Ovs) -> None:
    driver_for(wanted(ovs, A)).apply()
    (change, uplink) = driver_for(wanted(ovs, replace(A, vlan=12))).apply().changes
    assert (change.name, change.before, change.after) == ("sw1 a", "tag [10]", "VLAN 12 for VM vm-a")
    assert uplink.after == "trunk of VLANs 12"


def test_what_others_write_meanwhile_stays(ovs: Ovs, monkeypatch: pytest.MonkeyPatch) -> None:
    driver_for(wanted(ovs, A)).apply()
    commit = OvsDriver._commit

    def late(driver: OvsDriver, database: Ovsdb, operations: list[Any]) -> None:
        ovs.vsctl(
            "set", "interface", "a", "external_ids:iface-id=x", "--", "set", "port", "a", "external_ids:y=z"
        )
        commit(driver, database, operations)

    monkeypatch.setattr(OvsDriver, "_commit", late)
    for attachments in ([Attachment("vm-x", "a", 0x120001000003, 10)], []):
        ovs.vsctl("clear", "interface", "a", "external_ids", "--", "remove", "port", "a", "external_ids", "y")
        driver_for(wanted(ovs, *attachments)).apply()
        names = [item.vm for item in attachments]
        assert ovs.get("port", "a", "external_ids") == [
            "map",
            [*(["opentep-vm", name] for name in names), ["y", "z"]],
        ]
        assert dict(ovs.get("interface", "a", "external_ids")[1])["iface-id"] == "x"  # type: ignore[index]
    ovs.vsctl("clear", "port", "a", "external_ids")


def test_an_interface_that_is_not_there_yet(ovs: Ovs) -> None:
    assert driver_for(wanted(ovs, replace(A, interface="later"))).plan().missing == ("later",)


def test_errors(ovs: Ovs, tmp_path: Path) -> None:
    target = wanted(ovs, A)
    with pytest.raises(VSwitchError, match=r"no bridge 'br9' \(there are: br0\)"):
        driver_for(replace(target, vswitch=replace(target.vswitch, bridge="br9"))).plan()
    with pytest.raises(VSwitchError, match="no port 'eth9'"):
        driver_for(replace(target, vswitch=replace(target.vswitch, uplink="eth9"))).plan()
    with pytest.raises(VSwitchError, match="cannot reach"):
        driver_for(replace(target, vswitch=replace(target.vswitch, ovsdb=f"unix:{tmp_path}/x"))).plan()
    with pytest.raises(VSwitchError, match="refuses"):
        driver_for(wanted(ovs, replace(A, vlan=5000))).apply()


def test_print_driver() -> None:
    plan = driver_for(Wanted(VSwitch("sw1", "rack1", "srv"), (A, B))).plan()
    assert plan.changes == ()
    assert "VM vm-a: interface a, MAC 12:00:01:00:00:01, access port in VLAN 10" in plan.instructions
    assert "tagged VLANs 10, 11" in plan.instructions
