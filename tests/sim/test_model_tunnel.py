"""Tunnels that a TEP takes frames out of, with headers written out by hand, and what scapy makes of ours."""

from dataclasses import replace

import pytest
from opentep.host.tables import TepTables
from opentep.sim.model import TepModel
from opentep.sim.packets import encapsulated, ethernet, ipv6, options, routing, tunnel
from scapy.contrib.etherip import EtherIP
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrSegmentRouting
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN

MAC, PEER = 0x020000000F01, 0x020000000AAA
OWN, FAR = 0x20010DB8 << 96 | 1, 0x20010DB8 << 96 | 2
RED1, RED_FAR, STRANGER = 0xA20001000001, 0xA20101000004, 0x020000000001
NETWORK = 0xABCDEF
INNER = ethernet(RED1, RED_FAR, 0x0806, bytes(46))
DELIVERED = INNER[:12] + bytes.fromhex("8100000a") + INNER[12:]


@pytest.fixture
def tables(tables: TepTables) -> TepTables:
    red, blue = tables.tenants
    return replace(tables, tenants=(replace(red, network=NETWORK), blue))


@pytest.fixture
def model(tables: TepTables) -> TepModel:
    return TepModel(tables)


def packet(next_header: int, payload: bytes, **more: int) -> bytes:
    return tunnel(MAC, PEER, FAR, OWN, payload, next_header=next_header, **more)


def received(model: TepModel, frame: bytes) -> bytes | str:
    """What leaves, or why nothing does."""
    leaving = model.receive(2, frame)
    drops = {label: n for label, n in model.counters()["ports"]["fabric"]["drops"].items() if n}
    if drops:
        assert leaving == []
        return next(iter(drops))
    [(port, octets)] = leaving
    assert port == 0
    return octets


GOOD = {
    "Ethernet": (143, INNER),
    "EtherIP": (97, bytes.fromhex("3000") + INNER),
    "NVGRE": (47, bytes.fromhex("20006558 abcdef 77") + INNER),
    "VXLAN": (17, bytes.fromhex("c123 12b5 004c 0000 08000000 abcdef 00") + INNER),
    "routing header": (43, bytes.fromhex("8f 00 04 00 00000000") + INNER),
    "destination options": (60, bytes.fromhex("8f 01 01 0c") + bytes(12) + INNER),
    "both, then VXLAN": (
        60,
        bytes.fromhex("2b00010400000000 1100fd0012345678 c123 12b5 004c 0000 08000000 abcdef 00") + INNER,
    ),
    "56 octets of options": (60, bytes.fromhex("8f 06 01 34") + bytes(52) + INNER),
}


@pytest.mark.parametrize("name", GOOD)
def test_taken(model: TepModel, name: str) -> None:
    assert received(model, packet(*GOOD[name])) == DELIVERED


@pytest.mark.parametrize("name", GOOD)
def test_a_foreign_oui_needs_a_network(model: TepModel, name: str) -> None:
    kind, payload = GOOD[name]
    frame = packet(kind, payload.replace(RED_FAR.to_bytes(6, "big"), STRANGER.to_bytes(6, "big")))
    taken = received(model, frame)
    assert isinstance(taken, bytes) == ("VXLAN" in name or "NVGRE" in name)


@pytest.mark.parametrize(
    ("next_header", "header", "label"),
    [
        (97, "3001", "malformed"),
        (97, "2000", "malformed"),
        (47, "00006558", "not-mine"),
        (47, "20000800 abcdef00", "not-mine"),
        (47, "30006558 abcdef00 00000000", "not-mine"),
        (47, "20006558 abcdee00", "unknown-tenant"),
        (17, "c123 12b6 004c 0000 08000000 abcdef 00", "not-mine"),
        (17, "c123 12b5 004d 0000 08000000 abcdef 00", "malformed"),
        (17, "c123 12b5 004c 0000 00000000 abcdef 00", "malformed"),
        (17, "c123 12b5 004c 0000 08000000 000000 00", "unknown-tenant"),
        (43, "8f00040100000000", "not-mine"),
        (60, "8f070139" + 60 * "00", "not-mine"),
        (60, "0600010400000000", "not-mine"),
        (0, "8f00010400000000", "not-mine"),
        (44, "8f00000000000000", "not-mine"),
    ],
)
def test_not_taken(model: TepModel, next_header: int, header: str, label: str) -> None:
    assert received(model, packet(next_header, bytes.fromhex(header) + INNER)) == label


@pytest.mark.parametrize("name", GOOD)
def test_every_truncation(tables: TepTables, name: str) -> None:
    """A length that cuts the packet short never brings out a frame that is longer."""
    kind, payload = GOOD[name]
    overhead = len(payload) - len(INNER)
    for size in range(len(payload)):
        taken = received(TepModel(tables), packet(kind, payload, length=size))
        if size < overhead + 14 or "VXLAN" in name:  # which has a length of its own
            assert taken in ("not-mine", "malformed")
        else:
            assert taken == DELIVERED[: size - overhead + 4]


def test_headers_are_what_scapy_makes_of_them() -> None:
    def parsed(next_header: int, payload: bytes) -> IPv6:
        return IPv6(ipv6(1, 2, next_header, payload))

    def fields(next_header: int) -> bytes:
        return encapsulated(next_header, INNER, NETWORK, 0x77)

    etherip = EtherIP(fields(97))
    assert (etherip.version, etherip.reserved, bytes(etherip.payload)) == (3, 0, INNER)
    gre = parsed(47, fields(47))[GRE]
    assert (gre.key, gre.proto, bytes(gre.payload)) == (NETWORK << 8 | 0x77, 0x6558, INNER)
    vxlan = parsed(17, fields(17))
    assert (vxlan[UDP].sport, vxlan[UDP].dport, vxlan[UDP].chksum) == (0xC077, 4789, 0)
    assert (vxlan[VXLAN].vni, vxlan[VXLAN].flags, bytes(vxlan[VXLAN].payload)) == (NETWORK, 8, INNER)
    chain = parsed(60, options(43, 16) + routing(143, 4, 0, bytes(12)) + INNER)
    assert chain[IPv6ExtHdrDestOpt].len == 1
    assert (chain[IPv6ExtHdrSegmentRouting].type, chain[IPv6ExtHdrSegmentRouting].segleft) == (4, 0)
    assert Ether(INNER).src == "a2:01:01:00:00:04"
