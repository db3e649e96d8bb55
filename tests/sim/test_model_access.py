"""Each rule for frames from access ports, with frames written out by hand."""

from dataclasses import replace

import pytest
from opentep.gateware.headers import Drop
from opentep.host.tables import Rule, TepTables
from opentep.sim.model import TepModel
from opentep.sim.model.reason import Reason
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw, bind_layers, split_layers

BODY = bytes.fromhex("0800 45b8001c 00010000 40110000 0a000001 0a000002 1111 2222 0008 0000".replace(" ", ""))
RED1, RED2, RED3, RED_FAR = "a20001000001", "a20001000002", "a20001000003", "a20101000004"
BLUE1 = "b20001000001"
BROADCAST = "ffffffffffff"


def frame(dst: str, src: str, vid: int | None, pcp: int = 0, body: bytes = BODY, size: int = 60) -> bytes:
    tag = b"" if vid is None else b"\x81\x00" + (pcp << 12 | vid).to_bytes(2, "big")
    return (bytes.fromhex(dst + src) + tag + body).ljust(size, b"\0")


def dropped(model: TepModel, port: int = 0) -> dict[str, int]:
    name = model.config.ports[port].name
    return {label: n for label, n in model.counters()["ports"][name]["drops"].items() if n}


def test_reasons_are_those_of_the_gateware() -> None:
    assert [reason.value for reason in Reason] == [drop.label for drop in Drop if drop is not Drop.NONE]


def test_hairpin_replaces_the_tag_and_keeps_the_priority(tables: TepTables) -> None:
    model = TepModel(tables)
    assert model.receive(0, frame(RED2, RED1, 10, pcp=0xB)) == [(0, frame(RED2, RED1, 20, pcp=0xB))]
    counters = model.counters()["ports"]["server0"]
    assert (counters["rx_frames"], counters["rx_octets"]) == (1, 60)
    assert (counters["tx_frames"], counters["tx_octets"]) == (1, 60)


def test_other_access_port(tables: TepTables) -> None:
    assert TepModel(tables).receive(0, frame(RED3, RED1, 10)) == [(1, frame(RED3, RED1, 30))]


def test_remote_is_encapsulated(tables: TepTables) -> None:
    inner = frame(RED_FAR, RED1, None, size=56)
    # The flow label by hand: rotl20(u[k], 7*k mod 20) of addresses (15 to 18), protocol (13), ports (19, 20).
    label = 0
    for k, unit in ((15, 0x0A00), (16, 1), (17, 0x0A00), (18, 2), (13, 17), (19, 0x1111), (20, 0x2222)):
        turn = 7 * k % 20
        label ^= (unit << turn | unit >> (20 - turn)) & 0xFFFFF
    outer = bytes.fromhex("020000000aaa020000000f0186dd") + (0x6B800000 | label).to_bytes(4, "big")
    outer += bytes.fromhex("00388f4020010db800000000000000000000000120010db8000000000000000000000002")
    assert TepModel(tables).receive(0, frame(RED_FAR, RED1, 10)) == [(2, outer + inner)]


def test_hop_limit_and_address_per_tep(tables: TepTables) -> None:
    [(port, octets)] = TepModel(tables).receive(0, frame("b20001000002", BLUE1, 11))
    assert port == 2
    assert octets[:6].hex() == "020000000bbb"
    assert octets[21] == 9
    assert octets[38:54].hex() == "20010db8000000000000000000000003"


@pytest.mark.parametrize(
    ("octets", "label"),
    [
        (frame(RED2, RED1, 10)[:59], "rx-error"),
        (frame(RED2, RED1, 10, size=9217), "rx-error"),
        (frame(RED2, RED1, None), "untagged"),
        (frame(RED2, RED1, 0), "untagged"),
        (frame(RED2, RED1, 4095), "untagged"),
        (frame("0180c2000000", RED1, 10), "link-local"),
        (frame("0180c200000f", RED1, 10), "link-local"),
        (frame("0180c2000000", RED1, None), "untagged"),
        (frame("0180c2000000", "a30001000001", 10), "link-local"),
        (frame(RED2, "a30001000001", 10), "bad-source"),
        (frame(RED2, "000000000000", 10), "bad-source"),
        (frame(RED2, "a20002000001", 10), "unknown-tenant"),
        (frame(RED2, RED1, 20), "spoofed"),
        (frame(RED2, RED3, 30), "spoofed"),
        (frame(RED2, RED_FAR, 10), "spoofed"),
        (frame(RED2, BLUE1, 10), "spoofed"),
        (frame(RED2, "a20001000077", 10), "spoofed"),
        (frame(BROADCAST, RED1, 20), "spoofed"),
        (frame(BLUE1, RED1, 10), "policy"),
        (frame("c20001000001", RED1, 10), "policy"),
        (frame("b20001000077", BLUE1, 11), "unknown-unicast"),
        (frame(RED1, RED1, 10), "reflected"),
        (frame(RED_FAR, RED1, 10, size=1465), "too-big"),
    ],
)
def test_drop_reason(tables: TepTables, octets: bytes, label: str) -> None:
    model = TepModel(tables)
    assert model.receive(0, octets) == []
    assert dropped(model) == {label: 1}
    assert model.counters()["ports"]["server0"]["rx_octets"] == len(octets)


def test_bad_fcs(tables: TepTables) -> None:
    model = TepModel(tables)
    assert model.receive(0, frame(RED2, RED1, 10), error=True) == []
    assert dropped(model) == {"rx-error": 1}


def test_largest_frames_pass(tables: TepTables) -> None:
    model = TepModel(tables)
    [(_, octets)] = model.receive(0, frame(RED_FAR, RED1, 10, size=1464))
    assert len(octets) == 14 + 1500
    assert len(model.receive(0, frame(RED2, RED1, 10, size=9216))) == 1


def test_a_service_tag_is_no_tag(tables: TepTables) -> None:
    model = TepModel(tables)
    octets = frame(RED2, RED1, 10)
    assert model.receive(0, octets[:12] + b"\x88\xa8" + octets[14:]) == []
    assert dropped(model) == {"untagged": 1}


def test_inner_tag_of_the_vm_passes(tables: TepTables) -> None:
    body = b"\x81\x00\x00\x07" + BODY
    assert TepModel(tables).receive(0, frame(RED2, RED1, 10, body=body)) == [
        (0, frame(RED2, RED1, 20, body=body))
    ]


@pytest.mark.parametrize(("octets", "pcp"), [(frame(RED1, RED3, None), 0), (frame(RED1, RED3, 0, pcp=7), 7)])
def test_native_vlan(tables: TepTables, octets: bytes, pcp: int) -> None:
    inner = octets if pcp == 0 else octets[:12] + octets[16:]
    tagged = inner[:12] + b"\x81\x00" + (pcp << 12 | 10).to_bytes(2, "big") + inner[12:]
    assert TepModel(tables).receive(1, octets) == [(0, tagged)]


def test_broadcast_goes_to_everyone_but_the_sender(tables: TepTables) -> None:
    leaving = TepModel(tables).receive(0, frame(BROADCAST, RED1, 10, size=200))
    assert leaving[:2] == [
        (0, frame(BROADCAST, RED1, 20, size=200)),
        (1, frame(BROADCAST, RED1, 30, size=200)),
    ]
    [(port, encapsulated)] = leaving[2:]
    assert port == 2
    assert encapsulated[54:] == frame(BROADCAST, RED1, None, size=196)


def test_group_with_a_list_of_its_own(tables: TepTables) -> None:
    leaving = TepModel(tables).receive(0, frame("01005e000009", RED2, 20))
    assert [port for port, _ in leaving] == [0, 2]
    assert leaving[0][1] == frame("01005e000009", RED2, 10)


def test_group_without_a_list_is_flooded(tables: TepTables) -> None:
    assert [port for port, _ in TepModel(tables).receive(0, frame("01005e00000a", RED2, 20))] == [0, 1, 2]


def test_a_group_of_another_tenant_is_no_group_here(tables: TepTables) -> None:
    leaving = TepModel(tables).receive(0, frame("01005e000009", BLUE1, 11))
    assert [port for port, _ in leaving] == [2]
    assert leaving[0][1][38:54].hex().endswith("3")


def test_unknown_unicast_is_flooded_where_the_tenant_wants_it(tables: TepTables) -> None:
    assert [port for port, _ in TepModel(tables).receive(0, frame("a20001000099", RED1, 10))] == [0, 1, 2]


def test_too_big_group_frame_still_reaches_local_vms(tables: TepTables) -> None:
    model = TepModel(tables)
    assert [port for port, _ in model.receive(0, frame(BROADCAST, RED1, 10, size=2000))] == [0, 1]
    assert dropped(model, 2) == {"too-big": 1}
    assert dropped(model, 0) == {}


def test_two_entries_for_one_address_are_refused(tables: TepTables) -> None:
    with pytest.raises(ValueError, match="two entries"):
        TepModel(replace(tables, macs=(*tables.macs, tables.macs[0])))


@pytest.mark.parametrize(
    ("inner", "traffic_class"),
    [
        (IP(src="10.0.0.1", dst="10.0.0.2", tos=0x2E) / UDP(sport=1, dport=2), 0x2E),
        (IPv6(src="fd00::1", dst="fd00::2", tc=0xB9) / UDP(sport=1, dport=2), 0xB9),
        (ARP(pdst="10.0.0.2"), 0),
    ],
)
def test_outer_headers_by_scapy(tables: TepTables, inner: Packet, traffic_class: int) -> None:
    def ethernet(layer: Packet) -> Packet:
        return Ether(dst="a2:01:01:00:00:04", src="a2:00:01:00:00:01") / layer

    bind_layers(IPv6, Ether, nh=143)
    try:
        sent = bytes(ethernet(Dot1Q(vlan=10) / inner)).ljust(60, b"\0")
        [(_, octets)] = TepModel(tables).receive(0, sent)
        packet = Ether(octets)
        within = packet[IPv6].payload
        assert isinstance(within, Ether)
        assert bytes(within) == sent[:12] + sent[16:]
        assert packet[IPv6].tc == traffic_class
        wanted = Ether(dst="02:00:00:00:0a:aa", src="02:00:00:00:0f:01")
        label = packet[IPv6].fl
        wanted /= IPv6(src="2001:db8::1", dst="2001:db8::2", tc=traffic_class, fl=label, nh=143, hlim=64)
        assert octets == bytes(wanted / Raw(bytes(within)))
        assert label != 0
    finally:
        split_layers(IPv6, Ether, nh=143)


def test_a_port_without_receivers_does_not_count_too_big(tables: TepTables) -> None:
    model = TepModel(
        replace(tables, lists=(replace(tables.lists[0], members={0: (10, 20)}), *tables.lists[1:]))
    )
    assert len(model.receive(0, frame(BROADCAST, RED1, 10, size=2000))) == 1
    assert dropped(model, 2) == {}


def test_a_rule_opens_one_direction(tables: TepTables) -> None:
    tables = replace(tables, rules=(Rule(5, 6),))
    model = TepModel(tables)
    assert model.receive(0, frame(BLUE1, RED1, 10)) == [(0, frame(BLUE1, RED1, 11))]
    assert model.receive(0, frame(RED1, BLUE1, 11)) == []
    assert dropped(model) == {"policy": 1}
    # Red floods what it does not know, but not into another tenant, and not what is another tenant's.
    assert model.receive(0, frame("b20001000077", RED1, 10)) == []
    assert dropped(model) == {"policy": 1, "unknown-unicast": 1}
    # A rule does not let anybody send with another tenant's address.
    assert model.receive(0, frame(BLUE1, BLUE1, 10)) == []
    assert dropped(model)["spoofed"] == 1
