"""Compilation against tables written by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentep.gateware.headers import Encapsulation
from opentep.gateware.params import Params
from opentep.host.compile import compile_tep, number
from opentep.host.fabric import FabricError, State, allocate, loads
from opentep.host.groups import number_pairs
from opentep.host.tables import (
    Group,
    Local,
    MacTableEntry,
    Port,
    Remote,
    RemoteTep,
    ReplicaList,
    Storm,
    Tenant,
    TepTables,
    Way,
)
from opentep.host.usage import usage

TEXT = """\
version: 1
underlay: {mtu: 9000, hop_limit: 32}
teps:
  rack1:
    address: fd00:1::1
    age_seconds: 60
    ports:
      up1: {role: fabric, mac: 02:00:5e:00:01:01, next_hop: 02:00:5e:00:00:f1}
      srv1: {role: access, native_vlan: 5}
      up2: {role: fabric, mac: 02:00:5e:00:01:02, mtu: 1500}
      srv2: {role: access}
    next_hops:
      site3: {mac: 02:00:5e:00:00:f2, port: up2}
  rack2:
    address: fd00:2::1
    ports:
      srv: {role: access}
      up: {role: fabric, mac: 02:00:5e:00:02:01, next_hop: 02:00:5e:00:00:f3}
  site3: {foreign: true, address: "fd00:3::d2", encapsulation: etherip, sources: ["fd00:3::1", "fd00:3::2"]}
  lonely:
    address: fd00:4::1
    ports: {srv: {role: access}, up: {role: fabric, mac: 02:00:5e:00:04:01}}
tenants:
  red: {ouis: [12:00:01, 12:00:11], source: learn, unknown: flood}
  blue: {oui: 12:00:02, network: 5000, remote: learn}
  green: {oui: 12:00:03}
vswitches:
  s1: {tep: rack1, port: srv1}
  s2: {tep: rack1, port: srv2}
  s3: {tep: rack2, port: srv}
vms:
  r1: {tenant: red, vswitch: s1, mac: 12:00:01:00:00:01, vlan: 10}
  r2: {tenant: red, vswitch: s2, mac: 12:00:11:00:00:02, vlan: 10}
  r3: {tenant: red, vswitch: s3, mac: 12:00:01:00:00:03, vlan: 30}
  r4: {tenant: red, tep: site3, mac: 12:00:01:00:00:04}
  b1: {tenant: blue, vswitch: s1, mac: 12:00:02:00:00:01, vlan: 11}
  g3: {tenant: green, vswitch: s3, mac: 12:00:03:00:00:01, vlan: 31}
groups:
  video: {tenant: red, address: 239.1.2.3, members: [r2, r4]}
  none: {tenant: green, address: "ff05::99", members: [g3]}
"""
FD = 0xFD00 << 112
HOP1, HOP2 = 0x02005E0000F1, 0x02005E0000F2
SITE3 = (FD | 3 << 96 | 1, FD | 3 << 96 | 2)

EXPECTED = TepTables(
    name="rack1",
    address=FD | 1 << 96 | 1,
    ports=(
        Port("srv1", "access", native_vid=5, mtu=9000),
        Port("srv2", "access", mtu=9000),
        Port("up1", "fabric", mac=0x02005E000101, mtu=9000),
        Port("up2", "fabric", mac=0x02005E000102, mtu=1500),
    ),
    tenants=(
        Tenant(0, "red", (0x120001, 0x120011), learn_source=True, unknown_list=0, flood_list=0),
        Tenant(1, "blue", (0x120002,), learn_remote=True, flood_list=1, network=5000),
    ),
    macs=(
        MacTableEntry(0, 0x01005E010203, Group(2)),
        MacTableEntry(0, 0x120001000001, Local(0, 10)),
        MacTableEntry(0, 0x120001000003, Remote(0)),
        MacTableEntry(0, 0x120001000004, Remote(1)),
        MacTableEntry(0, 0x120011000002, Local(1, 10)),
        MacTableEntry(1, 0x120002000001, Local(0, 11)),
    ),
    teps=(
        RemoteTep(0, "rack2", FD | 2 << 96 | 1, (FD | 2 << 96 | 1,), (Way(2, HOP1),), 32),
        RemoteTep(1, "site3", FD | 3 << 96 | 0xD2, SITE3, (Way(3, HOP2),), 32, Encapsulation.ETHERIP),
    ),
    lists=(
        ReplicaList(0, {0: (10,), 1: (10,), 2: (0,), 3: (1,)}),
        ReplicaList(1, {0: (11,)}),
        ReplicaList(2, {1: (10,), 3: (1,)}),
    ),
    age_seconds=60,
)


def compiled(text: str, tep: str, state: State | None = None) -> TepTables:
    fabric, source = loads(text)
    state = State() if state is None else state
    return compile_tep(allocate(fabric, state, source), tep, state, source)


def test_none_may_fill_the_table() -> None:
    assert compiled(TEXT, "rack1").learned_limit == 1024
    assert compiled(TEXT.replace("age_seconds: 60", "core: {macs: 64}"), "rack2").learned_limit == 1024
    assert compiled(TEXT.replace("age_seconds: 60", "core: {macs: 256}"), "rack1").learned_limit == 128
    assert compiled(TEXT.replace("age_seconds: 60", "learned_limit: 5"), "rack1").learned_limit == 5


def test_by_hand() -> None:
    assert compiled(TEXT, "rack1") == EXPECTED


def test_only_what_is_present() -> None:
    tables = compiled(TEXT, "rack2")
    assert [tenant.name for tenant in tables.tenants] == ["red", "green"]
    assert {entry.mac for entry in tables.macs if entry.tenant == 1} == {0x333300000099, 0x120003000001}
    assert compiled(TEXT, "lonely").tenants == ()


def test_presence_without_vms() -> None:
    text = TEXT.replace("oui: 12:00:03", "oui: 12:00:03, teps: [rack1]")
    tables = compiled(text, "rack1")
    assert [tenant.name for tenant in tables.tenants] == ["red", "blue", "green"]
    far = compiled(text, "rack2")
    green = next(tenant for tenant in far.tenants if tenant.name == "green")
    rack1 = next(tep for tep in far.teps if tep.name == "rack1")
    flood = next(entry for entry in far.lists if entry.index == green.flood_list)
    assert flood.members == {0: (31,), 1: (rack1.index,)}


def test_entries_keep_their_place() -> None:
    state = State()
    compiled(TEXT, "rack1", state)
    text = TEXT.replace("  red: {ouis", "  aaa: {oui: 12:00:09}\n  red: {ouis")
    text = text.replace("  b1:", "  a1: {tenant: aaa, vswitch: s1, vlan: 99}\n  b1:")
    tables = compiled(text, "rack1", state)
    assert {tenant.name: tenant.index for tenant in tables.tenants} == {"red": 0, "blue": 1, "aaa": 2}
    assert {tep.name: tep.index for tep in tables.teps} == {"rack2": 0, "site3": 1}
    assert tables.lists[:3] == EXPECTED.lists
    del state.indices["rack1/tenants"]["red"]
    assert {t.name: t.index for t in compiled(text, "rack1", state).tenants} == {
        "red": 0,
        "blue": 1,
        "aaa": 2,
    }


def test_rules() -> None:
    """Both tenants of a rule are present wherever one of them is; group frames follow the rule."""
    text = TEXT + "rules:\n  - {from: red, to: green}\n  - {from: blue, to: red}\n"
    tables = compiled(text, "rack1")
    names = {tenant.index: tenant.name for tenant in tables.tenants}
    assert [(names[rule.source], names[rule.target]) for rule in tables.rules] == [
        ("red", "green"),
        ("blue", "red"),
    ]
    lists = {
        names[t.index]: entry.members
        for t in tables.tenants
        for entry in tables.lists
        if entry.index == t.flood_list
    }
    teps = {tep.name: tep.index for tep in tables.teps}
    rack2, site3 = teps["rack2"], teps["site3"]
    # Here: r1 and b1 behind srv1, r2 behind srv2; green has only g3 in rack2.
    assert lists["red"] == {0: (10,), 1: (10,), 2: (rack2,), 3: (site3,)}
    assert lists["blue"] == {0: (10, 11), 1: (10,), 2: (rack2,), 3: (site3,)}
    assert lists["green"] == {2: (rack2,)}
    assert 0x120003000001 in {entry.mac for entry in tables.macs}


def test_rules_are_not_for_unknown_addresses() -> None:
    tables = compiled(TEXT + "rules:\n  - {from: red, to: blue}\n", "rack1")
    red, blue = tables.tenants[:2]
    lists = {entry.index: entry.members for entry in tables.lists}
    assert lists[red.flood_list][0] == (10, 11)
    assert red.unknown_list is not None and lists[red.unknown_list][0] == (10,)
    assert blue.unknown_list is None


def test_a_missing_next_hop() -> None:
    with pytest.raises(FabricError) as caught:
        compiled(TEXT.replace(", next_hop: 02:00:5e:00:00:f3", ""), "rack2")
    assert {problem.path for problem in caught.value.problems} == {"teps.rack2.ports.up"}
    assert "no next hop towards TEP" in str(caught.value)


def test_a_router_to_be_discovered() -> None:
    by_mac = compiled(TEXT, "rack2")
    by_address = compiled(TEXT.replace("next_hop: 02:00:5e:00:00:f3", 'router: "fe80::1"'), "rack2")
    router = 0xFE80 << 112 | 1
    assert by_address.teps == tuple(replace(tep, ways=(Way(1, 0, router),)) for tep in by_mac.teps)


def test_several_ways() -> None:
    """Through every port that leads on, each TEP with another one first; or as the document says."""
    both = TEXT.replace("mac: 02:00:5e:00:01:02, mtu: 1500", "mac: 02:00:5e:00:01:02, router: fe80::1")
    rack2, site3 = compiled(both, "rack1").teps
    assert rack2.ways == (Way(2, HOP1), Way(3, 0, 0xFE80 << 112 | 1))
    assert site3.ways == (Way(3, HOP2),)
    listed = both.replace(
        "{mac: 02:00:5e:00:00:f2, port: up2}",
        "[{mac: 02:00:5e:00:00:f2, port: up2}, {mac: 02:00:5e:00:00:f4}]",
    )
    assert compiled(listed, "rack1").teps[1].ways == (Way(3, HOP2), Way(2, 0x02005E0000F4))
    twice = listed.replace("f4}", "f4, port: up2}")
    with pytest.raises(FabricError, match="two next hops towards 'site3' on one port"):
        loads(twice)


def test_a_table_that_is_too_small() -> None:
    text = TEXT.replace("age_seconds: 60", "core: {macs: 64, members: 16}")
    text += "".join(f"  x{n}: {{tenant: red, vswitch: s1}}\n" for n in range(70))
    text = text.replace(text[text.index("groups:") : text.index("  x0:")], "")
    with pytest.raises(FabricError) as caught:
        compiled(text, "rack1")
    assert [problem.line for problem in caught.value.problems] == [4, 4]
    messages = "\n".join(problem.message for problem in caught.value.problems)
    assert "75 MAC addresses" in messages and "room for 64" in messages
    assert "replica list members on port 'srv1'" in messages and "room for 16" in messages


LIMIT = "green: {oui: 12:00:03, storm: {rate: 100, burst: 20}"
PRESENT = TEXT.replace("green: {oui: 12:00:03", LIMIT + ", teps: [rack1]")


def test_limited_tenants_come_first() -> None:
    text = PRESENT.replace("age_seconds: 60", "core: {storm_tenants: 16}")
    tenants = {tenant.name: tenant for tenant in compiled(text, "rack1").tenants}
    assert tenants["green"].index == 0
    assert tenants["green"].storm == Storm(100, 20)
    assert tenants["red"].storm is None


def test_a_tenant_moves_to_where_it_can_have_a_limit() -> None:
    state = State()
    kept = {"red": 3, "blue": 0, "green": 17}
    state.indices["rack1/tenants"] = dict(kept)
    text = PRESENT.replace("age_seconds: 60", "core: {storm_tenants: 16}")
    assert {tenant.name: tenant.index for tenant in compiled(text, "rack1", state).tenants} == kept | {
        "green": 1
    }


def test_no_storm_control() -> None:
    with pytest.raises(FabricError) as caught:
        compiled(PRESENT, "rack1")
    (problem,) = caught.value.problems
    assert problem.path == "tenants.green.storm"
    assert "no storm control on TEP 'rack1'" in problem.message and "room for 0 tenants" in problem.message
    assert "storm_tenants" in problem.remedy


def test_tenants_without_limits_hold_the_places_of_those_with() -> None:
    state = State()
    others = [f"other{number}" for number in range(16)]
    state.indices["rack1/tenants"] = {name: index for index, name in enumerate(others)}
    text = PRESENT.replace("age_seconds: 60", "core: {storm_tenants: 16}")
    head, tail = text.split("tenants:\n", 1)

    def present(names: list[str]) -> str:
        return "".join([head, "tenants:\n", *(f"  {name}: {{teps: [rack1]}}\n" for name in names), tail])

    with pytest.raises(FabricError) as caught:
        compiled(present(others), "rack1", state)
    (problem,) = caught.value.problems
    assert "taken, 16 of them by tenants without a limit, which keep them until they leave" in problem.message
    tenants = {tenant.name: tenant for tenant in compiled(present(others[1:]), "rack1", state).tenants}
    assert tenants["green"].index == 0


def test_dscp_is_copied_or_fixed() -> None:
    assert {tep.dscp for tep in compiled(TEXT, "rack1").teps} == {None}
    for dscp in (0, 46):
        fixed = TEXT.replace("hop_limit: 32", f"hop_limit: 32, dscp: {dscp}")
        assert {tep.dscp for tep in compiled(fixed, "rack1").teps} == {dscp}


def test_usage() -> None:
    found = {
        use.table: (use.used, use.room) for use in usage(EXPECTED, Params(access_ports=2, fabric_ports=2))
    }
    assert found == {
        "tenants": (2, 1024),
        "tenant_keys": (4, 1792),
        "macs": (6, 2048),
        "known": (0, 0),
        "rules": (0, 256),
        "teps": (2, 128),
        "lists": (3, 1024),
        "members": (2, 1024),
    }


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True), max_size=6))
def test_numbers_are_unique_dense_and_kept(history: list[list[str]]) -> None:
    kept: dict[str, int] = {}
    for names in history:
        new = number(kept, names)
        assert set(new) == set(names)
        assert len(set(new.values())) == len(names)
        assert all(new[name] == kept[name] for name in names if name in kept)
        assert all(index < 8 for index in new.values())
        kept = new


def test_a_pair_of_lists_takes_nobodys_place() -> None:
    kept = {"a": 0, "b": 1, "c": 2}
    assert number_pairs(kept, ["pair"], kept, 16) == kept | {"pair": 4}


def test_a_list_gives_way_to_a_pair_that_finds_no_other_place() -> None:
    assert number_pairs({"a": 0, "b": 2}, ["pair"], ["a", "b"], 4) == {"pair": 0, "b": 2, "a": 3}
