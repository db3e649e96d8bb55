"""Each rule for frames from fabric ports, with frames written out by hand."""

from dataclasses import replace

import pytest
from opentep.host.tables import Rule, TepTables
from opentep.sim.model import TepModel

MAC = "020000000f01"
PEER = "020000000aaa"
OWN = "20010db8000000000000000000000001"
FAR = "20010db8000000000000000000000002"
KERNEL = "20010db8000000000000000000000103"
RED1, RED3, RED_FAR = "a20001000001", "a20001000003", "a20101000004"
BLUE_FAR = "b20001000002"
BROADCAST = "ffffffffffff"


def inner(dst: str, src: str, size: int = 46) -> bytes:
    return bytes.fromhex(dst + src + "0806").ljust(14 + size, b"\x55")


def outer(
    payload: bytes,
    *,
    dst_mac: str = MAC,
    ethertype: str = "86dd",
    version: str = "6",
    length: int | None = None,
    next_header: str = "8f",
    src: str = FAR,
    dst: str = OWN,
) -> bytes:
    size = len(payload) if length is None else length
    header = f"{dst_mac}{PEER}{ethertype}{version}0012345{size:04x}{next_header}40{src}{dst}"
    return (bytes.fromhex(header) + payload).ljust(60, b"\0")


def dropped(model: TepModel) -> dict[str, int]:
    return {label: n for label, n in model.counters()["ports"]["fabric"]["drops"].items() if n}


def test_delivery_pushes_the_tag(tables: TepTables) -> None:
    leaving = TepModel(tables).receive(2, outer(inner(RED1, RED_FAR)))
    assert leaving == [(0, inner(RED1, RED_FAR)[:12] + b"\x81\x00\x00\x0a" + inner(RED1, RED_FAR)[12:])]


def test_padding_of_the_wire_is_cut_off(tables: TepTables) -> None:
    [(port, octets)] = TepModel(tables).receive(2, outer(inner(RED3, RED_FAR, size=0)) + bytes(8))
    assert port == 1
    assert octets.hex() == RED3 + RED_FAR + "8100001e" + "0806"


@pytest.mark.parametrize(
    ("octets", "label"),
    [
        (outer(inner(RED1, RED_FAR), dst_mac=PEER), "not-mine"),
        (outer(inner(RED1, RED_FAR), dst_mac="333300000001"), "not-mine"),
        (outer(inner(RED1, RED_FAR), ethertype="0800"), "not-mine"),
        (outer(inner(RED1, RED_FAR), ethertype="8100"), "not-mine"),
        (outer(inner(RED1, RED_FAR), version="4"), "not-mine"),
        (outer(inner(RED1, RED_FAR), dst=FAR), "not-mine"),
        (outer(inner(RED1, RED_FAR), next_header="11"), "not-mine"),
        (outer(inner(RED1, RED_FAR), next_header="3a"), "not-mine"),
        (outer(inner(RED1, RED_FAR), src=OWN), "unknown-tep"),
        (outer(b"", src=OWN), "unknown-tep"),
        (outer(inner(RED1, "a30001000001"), src=OWN), "unknown-tep"),
        # A kernel's SID is where it receives, not where it sends from.
        (outer(inner(RED1, RED_FAR), src=KERNEL[:-3] + "003"), "unknown-tep"),
        (outer(inner(RED1, RED_FAR), length=13), "malformed"),
        (outer(inner(RED1, RED_FAR), length=0), "malformed"),
        (outer(inner(RED1, RED_FAR), length=61), "malformed"),
        (outer(inner(RED1, RED_FAR), length=0xFFFF), "malformed"),
        (outer(inner("0180c2000003", RED_FAR)), "link-local"),
        (outer(inner(RED1, "a30001000001")), "bad-source"),
        (outer(inner("0180c2000003", "a30001000001")), "bad-source"),
        (outer(inner(RED1, "000000000000")), "bad-source"),
        (outer(inner("c20001000001", RED_FAR)), "unknown-tenant"),
        (outer(inner(BROADCAST, "c20001000001")), "unknown-tenant"),
        (outer(inner(RED1, BLUE_FAR)), "policy"),
        (outer(inner(RED1, "c20001000001")), "policy"),
        (outer(inner(RED1, RED3)), "spoofed"),
        (outer(inner(BROADCAST, RED3)), "spoofed"),
        (outer(inner(RED_FAR, "a20001000055")), "split-horizon"),
        (outer(inner("b20001000055", BLUE_FAR)), "unknown-unicast"),
        (outer(inner(RED1, RED_FAR))[:59], "rx-error"),
    ],
)
def test_drop_reason(tables: TepTables, octets: bytes, label: str) -> None:
    model = TepModel(tables)
    assert model.receive(2, octets) == []
    assert dropped(model) == {label: 1}


def test_any_source_of_a_tep_is_known(tables: TepTables) -> None:
    [(port, octets)] = TepModel(tables).receive(2, outer(inner("b20001000001", BLUE_FAR), src=KERNEL))
    assert port == 0
    assert octets[12:16].hex() == "8100000b"


def test_group_frames_go_to_access_ports_only(tables: TepTables) -> None:
    leaving = TepModel(tables).receive(2, outer(inner(BROADCAST, RED_FAR)))
    assert [(port, octets[12:16].hex()) for port, octets in leaving] == [
        (0, "8100000a"),
        (0, "81000014"),
        (1, "8100001e"),
    ]


def test_group_with_a_list_of_its_own(tables: TepTables) -> None:
    leaving = TepModel(tables).receive(2, outer(inner("01005e000009", RED_FAR)))
    assert [(port, octets[12:16].hex()) for port, octets in leaving] == [(0, "8100000a")]


def test_unknown_unicast_is_flooded_where_the_tenant_wants_it(tables: TepTables) -> None:
    leaving = TepModel(tables).receive(2, outer(inner("a20001000055", RED_FAR)))
    assert [port for port, _ in leaving] == [0, 0, 1]


def test_inner_tag_is_kept_behind_the_pushed_one(tables: TepTables) -> None:
    tagged = bytes.fromhex(RED1 + RED_FAR + "81000007" + "0806") + bytes(42)
    [(_, octets)] = TepModel(tables).receive(2, outer(tagged))
    assert octets[12:22].hex() == "8100000a" + "81000007" + "0806"


def test_large_frames_arrive_whatever_the_mtu(tables: TepTables) -> None:
    model = TepModel(replace(tables, ports=(*tables.ports[:2], replace(tables.ports[2], mtu=1280))))
    [(_, octets)] = model.receive(2, outer(inner(RED1, RED_FAR, size=8000)))
    assert len(octets) == 8018


def test_a_rule_lets_another_tenant_in(tables: TepTables) -> None:
    tables = replace(tables, rules=(Rule(6, 5),))
    model = TepModel(tables)
    [(port, octets)] = model.receive(2, outer(inner(RED1, BLUE_FAR)))
    assert (port, octets[:6].hex(), octets[14:16].hex()) == (0, RED1, "000a")
    assert model.receive(2, outer(inner("b20001000001", "a20101000004"))) == []
    assert dropped(model) == {"policy": 1}
