"""Requests for known addresses are answered as scapy would read them; everything else goes its usual way."""

import random
from dataclasses import replace

import pytest
from opentep.gateware.params import Params
from opentep.host.tables import KnownAddress, TepTables
from opentep.sim.model import TepModel
from opentep.sim.packets import arp, ethernet, neighbour_solicitation, solicited_node, tag
from opentep.sim.traffic import random_tables, schedule
from opentep.sim.wire import pad
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether

BROADCAST = 0xFFFFFFFFFFFF
ASKER, TARGET, BLUE = 0xA20001000001, 0xA20101000004, 0xB20001000002
IP4, OWN4, UNKNOWN4 = 0x0A000004, 0x0A000001, 0x0A000009
NET6 = 0xFD10 << 112
IP6, OWN6 = NET6 | 4, NET6 | 1


@pytest.fixture
def tep(tables: TepTables) -> TepModel:
    """Red and blue both know 10.0.0.4, which is another VM's in each; only red knows the others."""
    known = (
        KnownAddress(5, 4, OWN4, ASKER),
        KnownAddress(5, 4, IP4, TARGET),
        KnownAddress(5, 6, IP6, TARGET),
        KnownAddress(6, 4, IP4, BLUE),
    )
    tenants = tuple(replace(tenant, suppresses=True) for tenant in tables.tenants)
    return TepModel(replace(tables, tenants=tenants, known=known), Params(known_addresses=16))


def request(
    target: int = IP4,
    sender: int = OWN4,
    *,
    src: int = ASKER,
    sha: int = ASKER,
    dst: int = BROADCAST,
    operation: int = 1,
) -> bytes:
    return pad(ethernet(dst, src, 0x0806, arp(operation, sha, sender, 0, target)))


def solicitation(
    target: int = IP6,
    sender: int = OWN6,
    *,
    dst: int | None = None,
    hop_limit: int = 255,
    options: bytes = b"",
) -> bytes:
    group = solicited_node(target)
    mac = 0x333300000000 | group & 0xFFFFFFFF if dst is None else dst
    packet = neighbour_solicitation(sender, group, target, ASKER, hop_limit, options=options)
    return ethernet(mac, ASKER, 0x86DD, packet)


def is_answered(tep: TepModel, frame: bytes) -> bool:
    before = tep.counters()["suppression"]["answered"]
    tep.receive(0, tag(frame, 10, 6))
    return tep.counters()["suppression"]["answered"] > before


def test_arp_reply(tep: TepModel) -> None:
    ((port, frame),) = tep.receive(0, tag(request(), 10, 6))
    reply = Ether(frame)
    assert port == 0
    assert (reply.src, reply.dst) == ("a2:01:01:00:00:04", "a2:00:01:00:00:01")
    assert (reply[Dot1Q].vlan, reply[Dot1Q].prio, reply[Dot1Q].dei) == (10, 3, 0)
    told = reply[ARP]
    assert (told.op, told.hwsrc, told.psrc) == (2, "a2:01:01:00:00:04", "10.0.0.4")
    assert (told.hwdst, told.pdst, told.hwtype, told.ptype) == ("a2:00:01:00:00:01", "10.0.0.1", 1, 0x0800)
    assert len(frame) == 46
    assert tep.counters()["suppression"] == {"answered": 1, "overrun": 0}
    assert tep.counters()["ports"]["server0"]["tx_frames"] == 1


def test_neighbour_advertisement(tep: TepModel) -> None:
    ((port, frame),) = tep.receive(0, tag(solicitation(), 10))
    reply = Ether(frame)
    assert port == 0
    assert (reply.src, reply.dst) == ("a2:01:01:00:00:04", "a2:00:01:00:00:01")
    packet = reply[IPv6]
    assert (packet.src, packet.dst, packet.hlim, packet.plen) == ("fd10::4", "fd10::1", 255, 32)
    told = reply[ICMPv6ND_NA]
    assert (told.tgt, told.R, told.S, told.O) == ("fd10::4", 0, 1, 1)
    assert reply[ICMPv6NDOptDstLLAddr].lladdr == "a2:01:01:00:00:04"
    checksum = told.cksum
    del told.cksum
    assert Ether(bytes(reply))[ICMPv6ND_NA].cksum == checksum


def test_each_tenant_gets_its_own_answer(tep: TepModel) -> None:
    blue = request(src=0xB20001000001, sha=0xB20001000001)
    ((_, frame),) = tep.receive(0, tag(blue, 11))
    assert Ether(frame)[ARP].hwsrc == "b2:00:01:00:00:02"
    ((_, frame),) = tep.receive(0, tag(request(), 10))
    assert Ether(frame)[ARP].hwsrc == "a2:01:01:00:00:04"


def test_a_target_of_another_tenant_is_flooded(tep: TepModel) -> None:
    asked = request(target=OWN4, sender=UNKNOWN4, src=0xB20001000001, sha=0xB20001000001)
    leaving = tep.receive(0, tag(asked, 11))
    assert [port for port, _ in leaving] == [2]
    assert tep.counters()["suppression"]["answered"] == 0


def test_untagged_requester_of_a_native_vlan(tep: TepModel) -> None:
    asked = request(src=0xA20001000003, sha=0xA20001000003)
    ((port, frame),) = tep.receive(1, asked)
    assert port == 1 and Ether(frame)[Dot1Q].vlan == 30 and Ether(frame)[Dot1Q].prio == 0


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(request(target=UNKNOWN4), id="unknown"),
        pytest.param(request(target=IP4, sender=IP4), id="gratuitous"),
        pytest.param(request(sender=0), id="probe"),
        pytest.param(request(operation=2), id="reply"),
        pytest.param(request(operation=0x0101), id="operation"),
        pytest.param(request(dst=TARGET), id="unicast"),
        pytest.param(request(sha=TARGET), id="other sender"),
        pytest.param(request(target=OWN4, sender=UNKNOWN4), id="own address"),
        pytest.param(request()[:14] + b"\0\6" + request()[16:], id="hardware"),
        pytest.param(request()[:18] + b"\x08" + request()[19:], id="hlen"),
        pytest.param(ethernet(BROADCAST, ASKER, 0x8035, request()[14:]), id="RARP"),
        pytest.param(request() + bytes(64), id="long"),
        pytest.param(solicitation(target=IP6 ^ 1 << 127), id="unknown IPv6"),
        pytest.param(solicitation(target=IP4), id="IPv4 as IPv6"),
        pytest.param(solicitation(sender=0), id="DAD"),
        pytest.param(solicitation(sender=IP6), id="sender is target"),
        pytest.param(solicitation(sender=0xFF02 << 112 | 1), id="group as sender"),
        pytest.param(solicitation(hop_limit=254), id="routed"),
        pytest.param(solicitation(dst=TARGET), id="unicast IPv6"),
        pytest.param(solicitation(options=bytes(8)), id="option without length"),
        pytest.param(solicitation(options=b"\x0e\x02" + bytes(6)), id="option cut off"),
        pytest.param(solicitation(options=b"\x0e\x01" + bytes(7)), id="odd length"),
        pytest.param(solicitation()[:56] + b"\0\0" + solicitation()[58:], id="checksum"),
        pytest.param(solicitation()[:54] + b"\x88" + solicitation()[55:], id="advertisement"),
        pytest.param(solicitation()[:55] + b"\1" + solicitation()[56:], id="code"),
        pytest.param(solicitation()[:-1], id="truncated"),
        pytest.param(pad(solicitation()[:18] + b"\0\x10" + solicitation()[20:]), id="short message"),
    ],
)
def test_passes(tep: TepModel, frame: bytes) -> None:
    assert not is_answered(tep, frame)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(solicitation(options=b"\x0e\x01" + bytes(6)), id="nonce"),
        pytest.param(solicitation() + b"padding", id="padding"),
        pytest.param(request() + bytes(63), id="127 octets"),
    ],
)
def test_is_answered(tep: TepModel, frame: bytes) -> None:
    assert is_answered(tep, frame)


def test_only_where_it_is_wanted(tables: TepTables, tep: TepModel) -> None:
    tenants = tuple(replace(tenant, suppresses=tenant.name == "blue") for tenant in tables.tenants)
    tep = TepModel(replace(tep.config, tenants=tenants), Params(known_addresses=16))
    assert not is_answered(tep, request())


def test_random_traffic_asks() -> None:
    """Some requests are answered, others are not, with both protocols."""
    rng = random.Random(3)
    params = Params(known_addresses=64)
    answered = 0
    kinds = set()
    for _ in range(20):
        tables = random_tables(rng, params)
        assert list(tables.known) == sorted(set(tables.known))
        model = TepModel(tables, params)
        for event in schedule(tables, rng, 200, longest=400):
            before = model.counters()["suppression"]["answered"]
            leaving = model.receive(event.port, event.frame, event.time)
            if model.counters()["suppression"]["answered"] > before:
                answered += 1
                assert len(leaving) == 1 or model.config.ports[event.port].retag
                kinds.update(frame[16:18] for _, frame in leaving)
    assert kinds == {b"\x08\x06", b"\x86\xdd"}
    assert answered > 50
