"""The TEP as an IPv6 node; every answer is checked by scapy, which computes the checksums on its own."""

import pytest
from opentep.host.tables import TepTables
from opentep.sim.model import TepModel
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

MAC = "02:00:00:00:0f:01"
PEER = "02:00:00:00:0a:aa"
OWN = "2001:db8::1"
HOST = "2001:db8::99"
GROUP = "ff02::1:ff00:1"
GROUP_MAC = "33:33:ff:00:00:01"


def ask(tables: TepTables, packet: Packet, extra: bytes = b"") -> tuple[TepModel, list[Ether]]:
    model = TepModel(tables)
    octets = bytes(packet).ljust(60, b"\0") + extra
    leaving = model.receive(2, octets)
    assert all(port == 2 for port, _ in leaving)
    return model, [Ether(octets) for _, octets in leaving]


def with_true_checksum(frame: Ether) -> bytes:
    """``frame`` with the checksum that scapy finds right."""
    copy = frame.copy()
    copy[IPv6].payload.cksum = None
    return bytes(copy)


def solicitation(
    *,
    dst_mac: str = GROUP_MAC,
    src: str = HOST,
    dst: str = GROUP,
    target: str = OWN,
    hop_limit: int = 255,
    code: int = 0,
) -> Packet:
    message = ICMPv6ND_NS(tgt=target, code=code) / ICMPv6NDOptSrcLLAddr(lladdr=PEER)
    return Ether(dst=dst_mac, src=PEER) / IPv6(src=src, dst=dst, hlim=hop_limit) / message


@pytest.mark.parametrize(("dst_mac", "dst"), [(GROUP_MAC, GROUP), (MAC, OWN), (MAC, GROUP)])
def test_solicitation_is_answered(tables: TepTables, dst_mac: str, dst: str) -> None:
    _, [reply] = ask(tables, solicitation(dst_mac=dst_mac, dst=dst))
    assert (reply.dst, reply.src) == (PEER, MAC)
    assert (reply[IPv6].src, reply[IPv6].dst, reply[IPv6].hlim) == (OWN, HOST, 255)
    advert = reply[ICMPv6ND_NA]
    assert (advert.tgt, advert.R, advert.S, advert.O) == (OWN, 0, 1, 1)
    assert reply[ICMPv6NDOptDstLLAddr].lladdr == MAC
    assert bytes(reply) == with_true_checksum(reply)
    assert len(bytes(reply)) == 86


def test_duplicate_address_detection_is_answered_to_all_nodes(tables: TepTables) -> None:
    _, [reply] = ask(tables, solicitation(src="::"))
    assert (reply.dst, reply[IPv6].dst) == ("33:33:00:00:00:01", "ff02::1")
    assert (reply[ICMPv6ND_NA].S, reply[ICMPv6ND_NA].O) == (0, 1)
    assert bytes(reply) == with_true_checksum(reply)


@pytest.mark.parametrize(
    "packet",
    [
        solicitation(target="2001:db8::2"),
        solicitation(hop_limit=254),
        solicitation(code=1),
        solicitation(dst="ff02::1:ff00:2"),
        solicitation(dst_mac=PEER),
        solicitation(dst_mac="01:00:5e:00:00:01"),
        Ether(dst=MAC, src=PEER) / IPv6(src=HOST, dst=OWN, nh=58, hlim=255) / Raw(b"\x87\0" + bytes(21)),
        Ether(dst=MAC, src=PEER) / IPv6(src=HOST, dst=OWN, nh=58, hlim=255) / Raw(b"\x88\0" + bytes(22)),
    ],
)
def test_other_solicitations_are_not_mine(tables: TepTables, packet: Packet) -> None:
    model, replies = ask(tables, packet)
    assert replies == []
    assert model.counters()["ports"]["fabric"]["drops"]["not-mine"] == 1


def echo(data: bytes = b"hello", dst_mac: str = MAC, dst: str = OWN, **fields: int) -> Packet:
    packet = IPv6(src=HOST, dst=dst, hlim=3, tc=0xB8, fl=0x12345)
    return Ether(dst=dst_mac, src=PEER) / packet / ICMPv6EchoRequest(id=7, seq=9, data=data, **fields)


@pytest.mark.parametrize("data", [b"", b"x", b"hello", bytes(range(256)) * 5, b"\xff" * 57])
def test_echo_is_answered(tables: TepTables, data: bytes) -> None:
    _, [reply] = ask(tables, echo(data), extra=b"trailer")
    assert (reply.dst, reply.src) == (PEER, MAC)
    packet = reply[IPv6]
    assert (packet.src, packet.dst, packet.hlim, packet.tc, packet.fl) == (OWN, HOST, 64, 0xB8, 0x12345)
    answer = reply[ICMPv6EchoReply]
    assert (answer.id, answer.seq, answer.data) == (7, 9, data)
    assert bytes(reply) == with_true_checksum(reply)
    assert len(bytes(reply)) == 62 + len(data)


def test_damaged_echo_stays_damaged(tables: TepTables) -> None:
    good, bad = (ask(tables, echo(cksum=cksum))[1][0] for cksum in (None, 0x1234))
    assert with_true_checksum(bad) == bytes(good)
    assert bytes(bad) != bytes(good)


@pytest.mark.parametrize(
    "packet",
    [
        echo(dst="2001:db8::2"),
        echo(dst_mac="33:33:00:00:00:01"),
        echo(dst_mac=PEER),
        echo(code=1),
        Ether(dst=MAC, src=PEER) / IPv6(src=HOST, dst=OWN, nh=58, plen=900) / Raw(b"\x80\0" + bytes(100)),
        Ether(dst=MAC, src=PEER) / IPv6(src=HOST, dst=OWN, nh=58, plen=7) / Raw(b"\x80\0" + bytes(100)),
    ],
)
def test_other_echo_requests_are_not_mine(tables: TepTables, packet: Packet) -> None:
    model, replies = ask(tables, packet)
    assert replies == []
    assert model.counters()["ports"]["fabric"]["drops"]["not-mine"] == 1
