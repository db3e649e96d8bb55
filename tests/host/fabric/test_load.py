"""Errors of a document name file, line, column, key and remedy."""

import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from opentep.host.fabric import FabricError, Problem, load, load_schema, loads
from opentep.host.fabric.source import Source, read_source
from opentep.host.fabric.validate import is_sound, schema_problems

GOOD = textwrap.dedent("""\
    version: 1
    teps:
      rack1:
        address: fd00:1::1
        ports:
          server: {role: access}
          uplink: {role: fabric, mac: 02:00:5e:01:00:01, next_hop: 02:00:5e:ff:00:01}
      site2: {foreign: true, address: "fd00:2::1", sources: ["fd00:2::2"]}
    tenants:
      red: {oui: 12:00:01}
    vswitches:
      sw1: {tep: rack1, port: server}
    vms:
      a: {tenant: red, vswitch: sw1}
      b: {tenant: red, vswitch: sw1, mac: 12:00:01:00:00:09, vlan: 7}
      c: {tenant: red, tep: site2, mac: 12:00:01:00:00:0a}
    groups:
      g: {tenant: red, address: 239.1.2.3, members: [a, c]}
    """)


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(FabricError) as caught:
        loads(text, "f.yaml")
    for problem in caught.value.problems:
        assert problem.file == "f.yaml"
        assert problem.message and problem.remedy
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.column >= 1
    return caught.value.problems


def only(text: str) -> Problem:
    (problem,) = problems_of(text)
    return problem


def place(problem: Problem) -> tuple[int, int, str]:
    return problem.line, problem.column, problem.path


def test_a_good_document() -> None:
    fabric, _ = loads(GOOD)
    tep = fabric.teps["rack1"]
    assert tep.address == 0xFD000001 << 96 | 1
    assert [port.name for port in tep.ordered_ports] == ["server", "uplink"]
    assert tep.ports["uplink"].mac == 0x02005E010001
    assert fabric.teps["site2"].sources == (0xFD000002 << 96 | 2,)
    assert tep.sources == (tep.address,)
    assert fabric.vms["b"].vlan == 7
    assert fabric.vms["a"].mac is None
    assert fabric.groups["g"].mac == 0x01005E010203
    assert fabric.tep_of(fabric.vms["c"]) == "site2"
    assert tep.params.ports == 2


def test_the_text_of_an_error() -> None:
    error = only(GOOD.replace("vlan: 7", "vlan: 4095"))
    assert str(error) == (
        "f.yaml:15:64: vms.b.vlan: 4095 is out of range\n    fix: give a VLAN ID, 1 to 4094"
    )


def test_the_mac_of_a_tep_is_that_of_its_fabric_ports() -> None:
    text = GOOD.replace("mac: 02:00:5e:01:00:01, ", "").replace(
        "    ports:\n", "    mac: 02-00-5E-01-00-02\n    ports:\n"
    )
    ports = loads(text)[0].teps["rack1"].ports
    assert (ports["server"].mac, ports["uplink"].mac) == (0, 0x02005E010002)


def test_base_60_numbers_stay_text() -> None:
    text = GOOD.replace("12:00:01", "12:34:56").replace("12:34:56:00:00:09", "12:34:56:10:20:30")
    assert loads(text)[0].vms["b"].mac == 0x123456102030


def test_several_schema_errors_at_once() -> None:
    text = GOOD.replace("role: access", "roel: access").replace("version: 1", "version: 2")
    text = text.replace("members: [a, c]", "members: a")
    found = {place(problem) for problem in problems_of(text)}
    assert found == {
        (1, 10, "version"),
        (6, 7, "teps.rack1.ports.server"),
        (6, 16, "teps.rack1.ports.server.roel"),
        (18, 49, "groups.g.members"),
    }


@pytest.mark.parametrize(
    ("old", "new", "line", "at", "path", "message", "remedy"),
    [
        ("version: 1\n", "", 1, "teps", "(document)", "'version' is missing", "add 'version'"),
        (
            "version: 1\n",
            "version: 1\nrouters: {}\n",
            2,
            "routers",
            "routers",
            "in a fabric document",
            "rules",
        ),
        (
            "vswitch: sw1}",
            "vswitch: sw1, addresses: [1]}",
            14,
            "1]",
            "vms.a.addresses[0]",
            "found a number",
            "fd10",
        ),
        (
            "oui: 12:00:01",
            "oi: 12:00:01",
            10,
            "oi",
            "tenants.red.oi",
            "unknown key 'oi'",
            "did you mean 'oui'",
        ),
        ("red: {oui", "r/d: {oui", 10, "r/d", "tenants.r/d", "not a valid name", "letters"),
        ("address: fd00:1::1", "address: fd00:1::g", 4, "fd00:1::g", "teps.rack1.address", "", "IPv6"),
        ("address: fd00:1::1", "address: 10.0.0.1", 4, "10.0", "teps.rack1.address", "", "IPv6"),
        ("address: fd00:1::1", "address: fe80::1%eth0", 4, "fe80", "teps.rack1.address", "zone", "IPv6"),
        ("address: fd00:1::1", "address: ff02::1", 4, "ff02", "teps.rack1.address", "unicast", "routes"),
        (
            "address: fd00:1::1",
            'address: "fd00:2::2"',
            8,
            '"fd00:2::2"',
            "",
            "already belongs to 'rack1'",
            "own",
        ),
        (
            "12:00:01:00:00:09",
            "12:00:01:00:09",
            15,
            "12:00:01:00:09",
            "vms.b.mac",
            "not valid",
            "MAC address",
        ),
        (
            "12:00:01:00:00:09",
            "12:00:02:00:00:09",
            15,
            "12:00:02",
            "vms.b.mac",
            "outside tenant 'red'",
            "OUI",
        ),
        ("12:00:01:00:00:09", "12:00:01:00:00:0a", 16, "12:00:01:", "vms.c.mac", "MAC of VM 'b'", "own MAC"),
        (
            "{tenant: red, vswitch: sw1}",
            "{tenant: rot, vswitch: sw1}",
            14,
            "rot",
            "",
            "no tenant 'rot'",
            "red",
        ),
        ("oui: 12:00:01", "oui: 12:00:01, network: 0", 10, "0}", "tenants.red.network", "", "1 to 16777214"),
        ("oui: 12:00:01", "network: 16777215", 10, "16777215", "tenants.red.network", "", "1 to 16777214"),
        (
            "red: {oui: 12:00:01}",
            "blue: {network: 7}\n  red: {oui: 12:00:01, network: 7}",
            11,
            "7",
            "tenants.red.network",
            "belongs to tenant 'blue'",
            "own network",
        ),
        (
            "foreign: true",
            "foreign: true, encapsulation: gre",
            8,
            "gre",
            "teps.site2.encapsulation",
            "",
            "nvgre",
        ),
        (
            "foreign: true",
            "foreign: true, encapsulation: vxlan",
            10,
            "red",
            "tenants.red",
            "frames to 'site2' name the network",
            "VNI",
        ),
        ("version: 1", "version: 1\nunderlay: {dscp: 64}", 2, "64", "underlay.dscp", "", "0 to 63"),
        ("port: server}", "port: servr}", 12, "servr", "vswitches.sw1.port", "'servr'", "mean 'server'"),
        ("port: server}", "port: uplink}", 12, "uplink", "vswitches.sw1.port", "fabric port", "access"),
        ("{tep: rack1,", "{tep: site2,", 12, "server", "", "no port of TEP 'site2'", "define"),
        ("vswitch: sw1}", "vswitch: sw1, vlan: 7}", 15, "7}", "vms.b.vlan", "belongs to VM 'a'", "own VLAN"),
        ("tep: site2,", "vlan: 3, tep: site2,", 16, "vlan", "vms.c.vlan", "foreign", "remove"),
        ("tep: site2,", "tep: rack1,", 16, "rack1", "vms.c.tep", "opentep TEP", "vswitch"),
        (", tep: site2", "", 16, "c:", "vms.c", "no place", "vswitch"),
        ("address: 239.1.2.3", "address: 10.1.2.3", 18, "10.1", "groups.g.address", "multicast", "239."),
        ("address: 239.1.2.3", "address: 01:80:c2:00:00:0e", 18, "01:80", "", "link-local", ""),
        ("members: [a, c]", "members: [a, x]", 18, "x]", "groups.g.members[1]", "no VM 'x'", ""),
        ("role: access", "role: fabric", 6, "server", "", "own MAC", ""),
        (", mac: 02:00:5e:01:00:01", ", mac: 03:00:5e:01:00:01", 7, "03:00", "", "not a unicast", ""),
        (
            "ports:\n",
            "mac: 01:00:00:00:00:01\n    ports:\n",
            5,
            "01:00",
            "teps.rack1.mac",
            "not a unicast",
            "",
        ),
        ("{role: access}", "{role: access, mac: 02:00:00:00:00:01}", 6, "mac", "", "no meaning", "remove"),
        ("{role: access}", '{role: access, router: "fe80::1"}', 6, "router", "", "no meaning", "remove"),
        ("next_hop: ", 'router: "fe80::1", next_hop: ', 7, "router", "", "both", "remove"),
        ("next_hop: 02:00:5e:ff:00:01", 'router: "ff02::1"', 7, '"ff02', "", "not a unicast", "fe80::1"),
        ("{oui: 12:00:01}", "{storm: {rate: 0, burst: 9}}", 10, "0", "", "out of range", "frames per second"),
        ("{oui: 12:00:01}", "{storm: {rate: 9}}", 10, "storm", "tenants.red.storm", "'burst'", "at once"),
        ("{oui: 12:00:01}", "{storm: {rate: 8193, burst: 2}}", 10, "2}", "", "bursts of 2", "3 or more"),
        ("foreign: true", "foreign: true, ports: {}", 8, "ports", "teps.site2.ports", "foreign", ""),
        (
            'sources: ["fd00:2::2"]',
            'sources: ["fd00:2::2", "fd00:2:0::2"]',
            8,
            '"fd00:2:0',
            "teps.site2.sources[1]",
            "listed twice",
            "once",
        ),
        ("oui: 12:00:01", "ouis: [12:00:01, 12-00-01]", 10, "12-00", "tenants.red.ouis[1]", "twice", "once"),
        (
            "    ports:\n",
            "    next_hops: {site2: {mac: 'ff:ff:ff:ff:ff:ff'}}\n    ports:\n",
            5,
            "",
            "teps.rack1.next_hops.site2",
            "not a unicast",
            "",
        ),
        (
            "address: 239.1.2.3",
            "address: '+1:00:5e:01:02:03'",
            18,
            "'+1",
            "groups.g.address",
            "",
            "multicast",
        ),
        ("address: 239.1.2.3", "address: 'ff02::1%eth0'", 18, "'ff02", "groups.g.address", "zone", ""),
        ("vlan: 7}", 'vlan: 7, interface: "\\ud800"}', 15, '"', "vms.b.interface", "surrogate", "character"),
        ("12:00:01:00:00:09", '"12:00:01:00:00:09\\n"', 15, '"', "vms.b.mac", "not valid", "MAC address"),
        ("  a: {", '  "a\\n": {', 14, '"', "", "not a valid name", "letters"),
        ("port: server}", "port: server, driver: ovs}", 12, "sw1", "vswitches.sw1", "'ovs' needs", "unix:"),
        (
            "port: server}",
            "port: server, driver: libvirt}",
            12,
            "sw1",
            "vswitches.sw1",
            "needs 'libvirt'",
            "qemu",
        ),
    ],
)
def test_places(old: str, new: str, line: int, at: str, path: str, message: str, remedy: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    found = problems_of(text)
    matching = [
        p for p in found if p.line == line and text.splitlines()[line - 1][p.column - 1 :].startswith(at)
    ]
    assert matching, [str(problem) for problem in found]
    assert any(message in p.message and remedy in p.remedy for p in matching), [str(p) for p in found]
    assert not path or path in {p.path for p in matching}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("address: fd00:1::1", "address: 10.0.0.1"),
        ("next_hop: 02:00:5e:ff:00:01", "router: fe80::g"),
    ],
)
def test_what_cannot_be_read_is_told_once(old: str, new: str) -> None:
    assert old in GOOD
    assert "IPv6" in only(GOOD.replace(old, new)).remedy


@pytest.mark.parametrize("mac", ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"])
def test_no_vm_has_an_address_of_nobody_or_of_all(mac: str) -> None:
    text = GOOD.replace("version: 1", "version: 1\ntenant_key: vlan").replace("12:00:01:00:00:09", mac)
    assert any("not a unicast" in p.message and p.path == "vms.b.mac" for p in problems_of(text))


def test_a_bridge_is_one_vswitch() -> None:
    """Two would give the same VLAN ID to different VMs there, and each take the other's for gone."""
    ovs = "driver: ovs, ovsdb: 'unix:/x', uplink: eth1"
    text = GOOD.replace("server: {role: access}", "server: {role: access}\n      second: {role: access}")
    text = text.replace("port: server}", f"port: server, {ovs}}}\n  sw2: {{tep: rack1, port: second, {ovs}}}")
    problem = only(text)
    assert problem.path == "vswitches.sw2" and "is already vSwitch 'sw1'" in problem.message
    loads(text.replace("port: second, ", "port: second, bridge: br1, "))


@pytest.mark.parametrize(("name", "what"), [("eth1", "uplink"), ("br0", "bridge")])
def test_a_vm_has_neither_the_uplink_nor_the_bridge(name: str, what: str) -> None:
    text = GOOD.replace("port: server}", "port: server, driver: ovs, ovsdb: 'unix:/x', uplink: eth1}")
    problem = only(text.replace("vlan: 7}", f"vlan: 7, interface: {name}}}"))
    assert place(problem) == (15, 78, "vms.b.interface")
    assert problem.message == f"'{name}' is the {what} of 'sw1'" and "plugged in" in problem.remedy
    problem = only(text.replace("  a: {", f"  {name}: {{").replace("[a, c]", "[c]"))
    assert place(problem) == (14, 3, f"vms.{name}")
    loads(
        text.replace("driver: ovs, ovsdb: 'unix:/x', ", "").replace(
            "vlan: 7}", f"vlan: 7, interface: {name}}}"
        )
    )


def test_duplicate_key() -> None:
    error = only(GOOD + "tenants: {}\n")
    assert place(error) == (19, 1, "tenants")
    assert "first given in line 9" in error.message


def test_nested_duplicate_keys_are_all_reported() -> None:
    text = GOOD.replace("vlan: 7", "vlan: 7, vlan: 8").replace(
        "oui: 12:00:01", "oui: 12:00:01, oui: 12:00:02"
    )
    assert {p.path for p in problems_of(text)} == {"vms.b.vlan", "tenants.red.oui"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("version: 1\nteps: [\n", 3),
        ("version: 1\n\tteps: {}\n", 2),
        ("version: 1\nteps: {a: fd00::}\n  x: 1\n", 2),
        ("version: 1\nteps: !!python/object:os.system {}\n", 2),
        ("", 1),
        ("a: &a\n  b: *a\n", 1),
        ("- 1\n", 1),
        ("? [1]\n: 2\n", 1),
        ("a: \x00\n", 1),
        ("version: 1\nteps: &a {x: *a, y: *a}\n", 2),
        ("a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)), 2),
        (f"version: {'9' * 5000}\n", 1),
        (f"version: 0x{'f' * 5000}\n", 1),
    ],
)
def test_bad_yaml(text: str, line: int) -> None:
    assert line in {problem.line for problem in problems_of(text)}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FabricError, match="cannot read: No such file"):
        load(tmp_path / "fabric.yaml")


def test_every_key_of_the_schema_is_described() -> None:
    def walk(node: object) -> None:
        if isinstance(node, dict):
            for key, value in node.get("properties", {}).items():
                target = value.get("$ref", "").rsplit("/", 1)[-1]
                described = load_schema()["$defs"][target] if target else value
                assert "description" in described or "enum" in described or key == "link", key
            if node.get("type") == "object":
                assert "additionalProperties" in node, "unknown keys must be rejected"
            for value in node.values():
                walk(value)

    walk({key: value for key, value in load_schema().items() if key != "description"})


@given(st.data())
def test_any_damage_gives_problems_not_exceptions(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(GOOD)))
    length = data.draw(st.integers(0, 10))
    insert = data.draw(st.text(st.sampled_from("abc:{}[],-\n \"'&*!%#?0159"), max_size=4))
    try:
        loads(GOOD[:position] + insert + GOOD[position + length :])
    except FabricError as error:
        assert error.problems


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 70000),
    st.floats(allow_nan=False),
    st.sampled_from(
        ["", "red", "12:00:01", "12:00:01:00:00:09", "copy", "fd00::1", "access", "access\n", "\ud800", "é"]
    ),
)


@given(st.data())
def test_the_fast_yes_is_the_schema(data: st.DataObject) -> None:
    """Any value, a wrong one in most cases, in any place of a good document."""
    document = read_source(GOOD, "f.yaml").data
    node = document
    while True:
        key = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else list(range(len(node)))))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.integers(0, 3)) == 0:
            break
        node = node[key]
    value = data.draw(st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=2), max_leaves=3))
    if isinstance(node, dict) and data.draw(st.booleans()):
        key = data.draw(st.sampled_from([key, "address", "vlan", "storm", "x", "a/b"]))
    node[key] = value
    if is_sound(document):
        assert Draft202012Validator(load_schema()).is_valid(document)
    else:
        assert schema_problems(Source("f.yaml", document)), "a no has its reasons"
