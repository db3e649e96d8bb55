"""The adapter between a real store and a real `hardware_vtep`, driven by vtep-ctl."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from opentep.host.controller.objects import Key

from .vtep_bench import BY_VLAN, DOCUMENT, Bench


def test_teps_are_physical_switches(bench: Bench) -> None:
    assert bench.vtep.ctl("list-ps") == ["rack1", "rack2"]
    assert bench.vtep.ctl("list-ports", "rack2") == ["a", "b"]
    assert bench.vtep.rows().switches()["rack1"]["tunnel_ips"] == "fd00:1::1"
    assert bench.vtep.local_macs() == set(), "no logical switch, nobody who wants to know"


def test_a_switch_made_by_hand_is_taken_over(make: Callable[[str], Bench]) -> None:
    bench = make(DOCUMENT)
    bench.vtep.ctl("add-ps", "rack1", "--", "add-port", "rack1", "srv", "--", "add-port", "rack1", "eth9")
    bench.vtep.ctl("add-ls", "red", "--", "bind-ls", "rack1", "srv", "7", "red", "--", "add-ps", "foreign")
    bench.go()
    assert bench.vtep.ctl("list-ps") == ["foreign", "rack1", "rack2"], "what is not ours stays"
    assert bench.vtep.ctl("list-ports", "rack1") == ["srv"]
    assert bench.complete("vms", "vtep.rack1.srv.7")["vlan"] == 7


def test_a_binding_becomes_a_vm_whose_mac_is_read(bench: Bench) -> None:
    bench.vtep.ctl("add-ls", "green", "--", "set", "Logical_Switch", "green", "tunnel_key=77")
    bench.vtep.ctl("bind-ls", "rack1", "srv", "5", "green", "--", "bind-ls", "rack2", "b", "5", "green")
    bench.go()
    assert bench.tenants() == {"vtep.green": {"network": 77}}
    assert bench.own("vswitches") == {"vtep.rack2.b": {"tep": "rack2", "port": "b"}}, "rack1 has one"
    assert bench.own("vms")["vtep.rack1.srv.5"] == {"tenant": "vtep.green", "vswitch": "sw1", "vlan": 5}
    mac1, mac2 = (bench.complete("vms", f"vtep.{place}.5")["mac"] for place in ("rack1.srv", "rack2.b"))
    assert bench.vtep.local_macs() == {("green", mac1, "fd00:1::1", ""), ("green", mac2, "fd00:2::1", "")}
    assert bench.vtep.local_floods() == {"green": ("fd00:1::1", "fd00:2::1")}
    assert any(mac1 in line for line in bench.vtep.ctl("list-local-macs", "green"))

    bench.vtep.ctl("unbind-ls", "rack2", "b", "5")
    bench.go()
    assert bench.vtep.local_macs() == {("green", mac1, "fd00:1::1", "")}
    assert set(bench.own("vms")) == {"vtep.rack1.srv.5"} and not bench.own("vswitches")
    bench.vtep.ctl("unbind-ls", "rack1", "srv", "5")
    bench.go()
    bench.vtep.ctl("del-ls", "green")
    bench.go()
    assert not any(bench.own(kind) for kind in ("tenants", "vswitches", "vms", "teps"))
    assert bench.vtep.local_macs() == set() and bench.vtep.local_floods() == {}


def test_tenants_of_the_fabric_are_used(bench: Bench) -> None:
    """By name, or by the network that the tunnel key is."""
    bench.vtep.ctl(
        "add-ls", "red", "--", "add-ls", "other", "--", "set", "Logical_Switch", "other", "tunnel_key=300"
    )
    bench.vtep.ctl("bind-ls", "rack1", "srv", "10", "red", "--", "bind-ls", "rack1", "srv", "11", "other")
    bench.go()
    assert not bench.own("tenants")
    assert bench.own("vms") == {"vtep.rack1.srv.11": {"tenant": "blue", "vswitch": "sw1", "vlan": 11}}, (
        "VLAN 10 is VM a already"
    )
    assert ("red", "12:00:01:00:00:0a", "fd00:1::1", "10.0.0.1") in bench.vtep.local_macs()


def test_a_logical_switch_of_a_tenant_with_vms_goes(bench: Bench) -> None:
    """Rows of ours name it: whoever deletes it deletes them as well."""
    bench.vtep.ctl("add-ls", "red")
    bench.go()
    assert bench.vtep.local_macs()
    bench.vtep.ctl("clear-local-macs", "red", "--", "del-ls", "red")
    bench.go()
    assert bench.vtep.local_macs() == set()


def test_what_cannot_be_is_told_and_the_rest_is_done(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.vtep.ctl("add-ls", "green")
    for port, vlan in (("srv", "10"), ("srv", "0"), ("srv", "4095"), ("srv", "6")):
        bench.vtep.ctl("bind-ls", "rack1", port, vlan, "green")
    bench.vtep.ctl("bind-ls", "rack2", "a", "0", "green")
    bench.go()
    assert set(bench.own("vms")) == {"vtep.rack1.srv.6", "vtep.rack2.a.99"}, "native VLAN"
    assert bench.faults("srv") == ["invalid_vlan_map"] and bench.faults("a") == []
    for reason in (
        "VLAN 10 of rack1 srv: it is a VM's of tenant 'red'",
        "VLAN 0 of rack1 srv: untagged frames are dropped, as the port has no 'native_vlan'",
        "VLAN 4095 of rack1 srv: IEEE 802.1Q reserves it",
    ):
        assert caplog.text.count(reason) == 1
    for vlan in ("10", "0", "4095"):
        bench.vtep.ctl("unbind-ls", "rack1", "srv", vlan)
    bench.go()
    assert bench.faults("srv") == []


def test_the_store_refuses_one_of_many(bench: Bench) -> None:
    """What only the whole fabric knows: a network that two tenants would have."""
    bench.vtep.ctl("add-ls", "red", "--", "set", "Logical_Switch", "red", "tunnel_key=300")
    for number in range(20):
        name = f"ls{number}"
        key = 16777215 if number == 13 else 1000 + number
        bench.vtep.ctl("add-ls", name, "--", "set", "Logical_Switch", name, f"tunnel_key={key}")
        bench.vtep.ctl("bind-ls", "rack2", "b", str(100 + number), name)
    bench.go()
    assert len(bench.own("vms")) == len(bench.own("tenants")) == 19
    assert "vtep.ls13" not in bench.own("tenants")
    assert bench.faults("b") == ["invalid_vlan_map"]


def test_remote_macs_are_vms_behind_foreign_teps(bench: Bench) -> None:
    bench.vtep.ctl("add-ls", "green", "--", "set", "Logical_Switch", "green", "tunnel_key=7")
    bench.vtep.ctl("bind-ls", "rack1", "srv", "5", "green")
    bench.go()
    oui = bench.complete("tenants", "vtep.green")["oui"]
    bench.vtep.ctl("add-ucast-remote", "green", f"{oui}:00:77:01", "vxlan_over_ipv4", "fd00:77::1")
    bench.vtep.ctl("add-ucast-remote", "green", f"{oui}:00:77:02", "fd00:77:0::1")
    bench.vtep.ctl("add-ucast-remote", "green", f"{oui}:00:77:03", "10.1.2.3")
    bench.vtep.ctl("add-ucast-remote", "green", "0a:00:00:00:00:01", "fd00:77::2")
    # What a controller heard from another VTEP, which here is of the same fabric.
    bench.vtep.ctl("add-ucast-remote", "green", f"{oui}:00:77:04", "fd00:2::1")
    bench.go()
    assert bench.own("teps") == {
        "vtep.fd00-77--1": {"foreign": True, "address": "fd00:77::1", "encapsulation": "vxlan"}
    }
    macs = {f"vtep.green.{oui.replace(':', '')}00770{number}" for number in (1, 2)}
    assert {name for name in bench.own("vms") if name.startswith("vtep.green")} == macs
    assert bench.switch_faults("rack1") == ["unspecified_fault"], "IPv4, and an address that is not green's"
    # The agent's part: all of it compiles.
    (entry,) = (tep for tep in bench.repository.tables("rack1").tables.teps if tep.name == "vtep.fd00-77--1")
    assert entry.encapsulation.name == "VXLAN"
    given = bench.complete("vms", "vtep.rack1.srv.5")["mac"]
    bench.vtep.ctl("clear-remote-macs", "green")
    bench.go()
    assert bench.complete("vms", "vtep.rack1.srv.5")["mac"] == given
    assert bench.own("teps") == {} and set(bench.own("vms")) == {"vtep.rack1.srv.5"}
    assert bench.switch_faults("rack1") == []


@pytest.mark.parametrize(("mode", "count"), [("source_node", 2), ("service_node", 1)])
def test_frames_for_many(bench: Bench, mode: str, count: int) -> None:
    bench.vtep.ctl(
        "add-ls", "green", "--", "set", "Logical_Switch", "green", "tunnel_key=7", f"replication_mode={mode}"
    )
    bench.vtep.ctl("bind-ls", "rack1", "srv", "5", "green")
    for address in ("fd00:77::1", "fd00:77::2"):
        bench.vtep.ctl("add-mcast-remote", "green", "unknown-dst", "vxlan_over_ipv4", address)
    bench.go()
    teps = ["vtep.fd00-77--1", "vtep.fd00-77--2"][:count]
    assert bench.tenants()["vtep.green"] == {"network": 7, "teps": teps}
    assert sorted(bench.own("teps")) == teps


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("ff02::1", "not a unicast address"),
        ("10.0.0.1", "IPv6 only"),
        ("x", "no IP address"),
        ("fd00:77::1", "without a"),
    ],
)
def test_a_wrong_address_harms_nobody_else(
    bench: Bench, address: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench.vtep.ctl("add-ls", "green", "--", "bind-ls", "rack1", "srv", "5", "green")
    bench.vtep.ctl("add-mcast-remote", "green", "unknown-dst", "vxlan_over_ipv4", address)
    bench.vtep.ctl("add-ucast-remote", "green", "12:00:09:00:00:01", "vxlan_over_ipv4", address)
    bench.go()
    assert bench.tenants() == {"vtep.green": {}} and "vtep.rack1.srv.5" in bench.own("vms")
    assert reason in caplog.text and bench.switch_faults("rack1") == ["unspecified_fault"]
    assert bench.own("teps") == {}


def test_tenants_by_vlan_learn(make: Callable[[str], Bench]) -> None:
    """The classic VTEP: a VLAN is a logical switch, and whoever is in it is found out."""
    bench = make(BY_VLAN)
    bench.go()
    bench.vtep.ctl("add-ls", "green", "--", "set", "Logical_Switch", "green", "tunnel_key=77")
    bench.vtep.ctl("bind-ls", "rack1", "srv", "5", "green", "--", "bind-ls", "rack2", "b", "6", "green")
    bench.go()
    expected = {"network": 77, "vlan": 5, "source": "learn", "remote": "learn", "unknown": "flood"}
    assert bench.tenants() == {"vtep.green": expected}
    assert bench.faults("b") == ["invalid_vlan_map"], "tenants go by VLAN ID, the same everywhere"
    bench.vtep.ctl("bind-ls", "rack2", "a", "5", "green", "--", "unbind-ls", "rack2", "b", "6")
    bench.vtep.ctl("add-ucast-remote", "green", "0a:00:00:00:00:01", "fd00:77::1")
    bench.go()
    assert bench.vtep.local_macs() == set(), "nobody was heard yet"
    assert bench.vtep.local_floods() == {"green": ("fd00:1::1", "fd00:2::1")}
    bench.store.note(
        "learned/rack1", '[{"tenant": "vtep.green", "mac": "0a:00:00:00:00:05", "port": "srv", "vlan": 5}]'
    )
    bench.go()
    assert bench.vtep.local_macs() == {("green", "0a:00:00:00:00:05", "fd00:1::1", "")}


def test_a_tunnel_key_goes_from_one_logical_switch_to_another(make: Callable[[str], Bench]) -> None:
    """By way of none, as OVN does it."""
    bench = make(BY_VLAN)
    bench.go()
    bench.vtep.ctl(
        "add-ls", "green", "--", "set", "Logical_Switch", "green", "tunnel_key=7", "--", "add-ls", "grey"
    )
    bench.vtep.ctl("bind-ls", "rack1", "srv", "5", "green", "--", "bind-ls", "rack1", "srv", "6", "grey")
    bench.go()
    bench.vtep.ctl("set", "Logical_Switch", "green", "tunnel_key=0")
    bench.go()
    assert {name: spec["network"] for name, spec in bench.tenants().items()} == {"vtep.green": 7}
    bench.vtep.ctl("set", "Logical_Switch", "grey", "tunnel_key=7")
    bench.go()
    assert {name: spec["network"] for name, spec in bench.tenants().items()} == {"vtep.grey": 7}
    assert set(bench.own("vms")) == {"vtep.rack1.srv.6"} and bench.faults("srv") == ["invalid_vlan_map"]


def test_a_tep_that_goes_takes_its_rows_along(bench: Bench) -> None:
    bench.vtep.ctl("add-ls", "red")
    bench.go()
    assert bench.vtep.local_macs()
    bench.repository.edit(
        "remove rack1",
        lambda _: {Key("vms", "a"): None, Key("vswitches", "sw1"): None, Key("teps", "rack1"): None},
    )
    bench.go()
    assert bench.vtep.ctl("list-ps") == ["rack2"]
    assert bench.vtep.local_macs() == set()


def test_odd_names(bench: Bench) -> None:
    """Logical switches may have any name."""
    names = ["ä ö", "a/b", "x" * 100, "x" * 101, ".", "🙂"]
    for number, name in enumerate(names):
        bench.vtep.ctl("add-ls", name, "--", "bind-ls", "rack2", "b", str(10 + number), name)
    bench.go()
    assert len(bench.own("tenants")) == len(names)
    assert len(bench.vtep.local_macs()) == len(names)


def test_it_follows_both_through_failures(bench: Bench) -> None:
    """As a service: a change on either side arrives, and a server that dies and comes back is found again."""
    stop = threading.Event()
    thread = threading.Thread(target=bench.adapter.run, args=(stop,))
    thread.start()
    try:

        def until(condition: Callable[[], bool]) -> None:
            deadline = time.monotonic() + 30
            while not condition():
                assert time.monotonic() < deadline
                time.sleep(0.05)

        until(lambda: bench.vtep.ctl("list-ps") == ["rack1", "rack2"])
        bench.vtep.ctl("add-ls", "red", "--", "bind-ls", "rack1", "srv", "5", "red")
        until(lambda: "vtep.rack1.srv.5" in bench.own("vms"))
        until(lambda: len(bench.vtep.local_macs()) == 2)
        bench.vtep.kill()
        bench.repository.edit("add", lambda _: {Key("vms", "b"): {"tenant": "red", "vswitch": "sw1"}})
        bench.vtep.start()
        until(lambda: len(bench.vtep.local_macs()) == 3)
        bench.vtep.ctl("del-ps", "rack1")
        until(lambda: bench.vtep.ctl("list-ps") == ["rack1", "rack2"])
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


class TestWhatIsWrongHoldsUpNobody:
    """Found by review: one row that stays refused, and changes elsewhere that go together."""

    @pytest.fixture
    def bench(self, make: Callable[[str], Bench]) -> Bench:
        bench = make(DOCUMENT)
        bench.go()
        bench.vtep.ctl("add-ls", "bad", "--", "set", "Logical_Switch", "bad", "tunnel_key=16777215")
        bench.vtep.ctl("add-ls", "green", "--", "set", "Logical_Switch", "green", "tunnel_key=7")
        bench.vtep.ctl("bind-ls", "rack1", "srv", "5", "green", "--", "bind-ls", "rack2", "b", "6", "bad")
        bench.go()
        assert bench.tenants() == {"vtep.green": {"network": 7}}
        return bench

    def test_another_name(self, bench: Bench) -> None:
        bench.vtep.ctl("set", "Logical_Switch", "green", "name=verde")
        bench.go()
        assert bench.tenants() == {"vtep.verde": {"network": 7}}
        assert bench.own("vms")["vtep.rack1.srv.5"]["tenant"] == "vtep.verde"

    def test_a_binding_that_goes_to_the_wrong_one_leaves_the_right_one(self, bench: Bench) -> None:
        bench.vtep.ctl("bind-ls", "rack2", "b", "7", "green")
        bench.vtep.ctl("unbind-ls", "rack1", "srv", "5", "--", "bind-ls", "rack1", "srv", "5", "bad")
        bench.go()
        assert set(bench.own("vms")) == {"vtep.rack2.b.7"}, "nobody stays where he should not be"
        assert bench.faults("srv") == ["invalid_vlan_map"]

    def test_a_vm_that_somebody_needs(self, bench: Bench) -> None:
        group = {"tenant": "vtep.green", "address": "239.1.1.1", "members": ["vtep.rack1.srv.5"]}
        bench.put(Key("groups", "g"), group)
        bench.vtep.ctl("unbind-ls", "rack1", "srv", "5")
        bench.go()
        assert "vtep.rack1.srv.5" in bench.own("vms") and bench.faults("srv") == ["unspecified_fault"]
        bench.put(Key("groups", "g"), None)
        bench.go()
        assert bench.own("vms") == {} and bench.faults("srv") == []

    def test_many_refused_at_once(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """In a few transactions, not one for each. That group addresses are nobody's, the store says."""
        edits = []
        edit = bench.adapter._edit
        monkeypatch.setattr(bench.adapter, "_edit", lambda *them: (edits.append(them), edit(*them)))
        for number in range(30):
            name = f"ls{number}"
            bench.vtep.ctl(
                "add-ls", name, "--", "set", "Logical_Switch", name, f"tunnel_key={(1 << 24) + number}"
            )
            bench.vtep.ctl("bind-ls", "rack2", "b", str(100 + number), name)
        bench.go()
        assert bench.faults("b") == ["invalid_vlan_map"] and len(edits) <= 4

    def test_a_tep_that_is_refused_takes_nobody_along(self, bench: Bench) -> None:
        """An address that another foreign TEP sends from."""
        bench.put(
            Key("teps", "kernel"),
            {"foreign": True, "address": "fd00:9::1", "sources": ["fd00:9::1", "fd00:9::2"]},
        )
        bench.vtep.ctl("add-mcast-remote", "green", "unknown-dst", "vxlan_over_ipv4", "fd00:9::2")
        bench.go()
        assert bench.tenants() == {"vtep.green": {"network": 7}}
        assert set(bench.own("vms")) == {"vtep.rack1.srv.5"}

    def test_a_tunnel_key_is_the_one_who_has_it(self, bench: Bench) -> None:
        bench.vtep.ctl("add-ls", "aa", "--", "set", "Logical_Switch", "aa", "tunnel_key=7")
        bench.vtep.ctl("bind-ls", "rack2", "b", "9", "aa")
        bench.go()
        assert set(bench.own("vms")) == {"vtep.rack1.srv.5"}
        bench.vtep.ctl("unbind-ls", "rack1", "srv", "5", "--", "bind-ls", "rack1", "srv", "5", "aa")
        bench.go()
        assert bench.tenants() == {"vtep.aa": {"network": 7}}, "nobody has it any more"
        assert set(bench.own("vms")) == {"vtep.rack1.srv.5", "vtep.rack2.b.9"}

    def test_names_with_dots(self, bench: Bench) -> None:
        """A field of one object reads like the name of another one."""
        for number, name in enumerate(("g", "g.network", "g.vlan")):
            bench.vtep.ctl("add-ls", name, "--", "bind-ls", "rack2", "b", str(50 + number), name)
        bench.vtep.ctl("set", "Logical_Switch", "g", "tunnel_key=16777215")
        bench.go()
        assert set(bench.own("tenants")) == {"vtep.green", "vtep.g.network", "vtep.g.vlan"}


def test_tunnel_keys_tell_logical_switches_apart(bench: Bench) -> None:
    """Tenant blue has network 300."""
    bench.vtep.ctl("add-ls", "blue", "--", "set", "Logical_Switch", "blue", "tunnel_key=500")
    bench.vtep.ctl("add-ls", "other", "--", "set", "Logical_Switch", "other", "tunnel_key=300")
    bench.vtep.ctl("bind-ls", "rack1", "srv", "5", "blue", "--", "bind-ls", "rack2", "b", "6", "other")
    bench.go()
    assert {name: vm["tenant"] for name, vm in bench.own("vms").items()} == {"vtep.rack2.b.6": "blue"}
    assert bench.faults("srv") == ["invalid_vlan_map"] and bench.faults("b") == []
    bench.vtep.ctl("set", "Logical_Switch", "blue", "tunnel_key=300")
    bench.go()
    assert {name: vm["tenant"] for name, vm in bench.own("vms").items()} == {"vtep.rack1.srv.5": "blue"}


def test_a_tep_of_opentep_is_never_its_own(make: Callable[[str], Bench]) -> None:
    bench = make(DOCUMENT.replace("rack2:", "vtep.rack2:"))
    bench.go()
    bench.go()
    assert bench.vtep.ctl("list-ps") == ["rack1", "vtep.rack2"]


def test_any_writing_of_addresses(make: Callable[[str], Bench]) -> None:
    """People write what controllers do not."""
    bench = make(
        DOCUMENT.replace("oui: 12:00:01", "oui: 12-AB-01, network: 9").replace(
            "12:00:01:00:00:0a", "12-AB-01-00-00-0A"
        )
    )
    bench.go()
    bench.vtep.ctl("add-ls", "red", "--", "set", "Logical_Switch", "red", "tunnel_key=9")
    bench.vtep.ctl("add-ucast-remote", "red", "12:AB:01:00:00:0B", "fd00:77::1")
    bench.go()
    assert bench.vtep.local_macs() == {("red", "12:ab:01:00:00:0a", "fd00:1::1", "10.0.0.1")}
    assert [vm["mac"] for vm in bench.own("vms").values()] == ["12:ab:01:00:00:0b"]


def test_two_adapters_at_one_database(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    other = Bench(bench.vtep, Path(bench.location).with_name("other.db"), DOCUMENT, name="second")
    with closing(other.store):
        other.go()
        bench.go()
        assert "physical switch 'rack1' is kept by another one, 'vtep'" in caplog.text
    assert {row["other_config"][1][0][1] for row in bench.vtep.rows().switches().values()} == {"vtep"}


def test_a_port_whose_vswitch_is_set_by_a_driver(make: Callable[[str], Bench], caplog) -> None:
    driven = "{tep: rack1, port: srv, driver: ovs, ovsdb: 'unix:/x', uplink: eth0}"
    bench = make(DOCUMENT.replace("{tep: rack1, port: srv}", driven))
    bench.go()
    bench.vtep.ctl("add-ls", "green", "--", "bind-ls", "rack1", "srv", "5", "green")
    bench.go()
    assert bench.own("vms") == {} and "set by driver 'ovs'" in caplog.text


@pytest.mark.parametrize("key", ["oui+vlan", "vlan"])
def test_ports_that_go_by_other_things(make: Callable[[str], Bench], key: str) -> None:
    """One port by VLAN ID, too: its tenants need one, and learn only if nothing else tells them."""
    document = BY_VLAN.replace("tenant_key: vlan\n", "")
    bench = make(document.replace("b: {role: access}", f"b: {{role: access, tenant_key: {key}}}"))
    bench.go()
    bench.vtep.ctl("add-ls", "green", "--", "set", "Logical_Switch", "green", "tunnel_key=7")
    bench.vtep.ctl("bind-ls", "rack1", "srv", "5", "green")
    bench.go()
    assert bench.own("vms") == {} and bench.faults("srv") == ["invalid_vlan_map"]
    bench.vtep.ctl("bind-ls", "rack2", "b", "6", "green")
    bench.go()
    assert set(bench.own("vms")) == {"vtep.rack1.srv.5", "vtep.rack2.b.6"}
    (tenant,) = bench.tenants().values()
    assert tenant["vlan"] == 6 and ("source" in tenant) == (key == "vlan")
