"""Random configurations are valid, and random traffic meets every rule."""

import random
from collections import Counter
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentep.gateware.params import Params
from opentep.host.encode import encode_members
from opentep.host.tables import Group, KeyMask, Local, Remote, target_of
from opentep.sim.model import TepModel
from opentep.sim.model.reason import Reason
from opentep.sim.packets import (
    arp,
    echo_request,
    ethernet,
    ipv4,
    ipv6,
    neighbour_solicitation,
    tag,
    tunnel,
    udp,
)
from opentep.sim.traffic import Learning, Traffic, random_tables, schedule
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import bind_layers, split_layers

SMALL = Params(tenants=16, macs=64, teps=16, lists=16, members=16)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    params=st.sampled_from([SMALL, Params(access_ports=3, fabric_ports=2), Params(access_ports=1)]),
)
def test_random_tables_fit_the_core(seed: int, params: Params) -> None:
    tables = random_tables(random.Random(seed), params, Learning(source=True, remote=True))
    assert [port.role for port in tables.ports] == ["access"] * params.access_ports + [
        "fabric"
    ] * params.fabric_ports
    assert all(tenant.index < params.tenants for tenant in tables.tenants)
    assert all(tep.index < params.teps and tables.ports[tep.port].role == "fabric" for tep in tables.teps)
    assert all(entry.index < params.lists for entry in tables.lists)
    assert len(tables.macs) <= params.macs // 2
    places = [entry.place for entry in tables.macs if isinstance(entry.place, Local)]
    for things in (
        [tenant.index for tenant in tables.tenants],
        [oui for tenant in tables.tenants for oui in tenant.ouis],
        [tep.index for tep in tables.teps],
        [source for tep in tables.teps for source in tep.sources],
        [entry.index for entry in tables.lists],
        [(entry.tenant, entry.mac) for entry in tables.macs],
        [place for place in places if tables.ports[place.port].key_mask.vid != 0xFFF],
    ):
        assert len(set(things)) == len(things)
    # An OUI is an individual, locally administered address (SPEC §2).
    assert all(oui >> 16 & 3 == 2 for tenant in tables.tenants for oui in tenant.ouis)
    teps = {tep.index: tep.port for tep in tables.teps}
    members: Counter[int] = Counter()
    for entry in tables.lists:
        for port, some in entry.members.items():
            assert len(set(some)) == len(some) > 0
            members[port] += len(encode_members(some))
            if tables.ports[port].role == "fabric":
                assert all(teps[target_of(member)] == port for member in some)
    assert all(count <= params.members for count in members.values())
    lists = {entry.index for entry in tables.lists}
    assert all(index in lists for tenant in tables.tenants for index in tenant.flood_lists)
    assert all(tenant.flood_list in lists for tenant in tables.tenants)
    for mac in tables.macs:
        if isinstance(mac.place, Group):
            assert mac.place.list in lists
        elif isinstance(mac.place, Remote):
            assert mac.place.tep in teps
        else:
            assert 1 <= mac.place.vid <= 4094


def test_whole_vlan_ids_tell_tenants_apart() -> None:
    """Alone and beside the OUI, also for tenants one bit apart; who is behind such a port is in its tenant's VLAN."""
    masks: Counter[KeyMask] = Counter()
    near = 0
    for seed in range(60):
        tables = random_tables(random.Random(seed), Params(access_ports=2, lists=64))
        vlans = {tenant.index: tenant.vlan for tenant in tables.tenants}
        for entry in tables.macs:
            if (
                isinstance(entry.place, Local)
                and (mask := tables.ports[entry.place.port].key_mask).vid == 0xFFF
            ):
                assert entry.place.vid == vlans[entry.tenant]
                masks[mask] += 1
        near += any((one ^ other).bit_count() == 1 for one, other in combinations(vlans.values(), 2))
    assert {bool(mask.mac) for mask in masks} == {False, True}
    assert near > 15


@pytest.mark.parametrize("learning", [None, Learning(source=True, remote=True)])
def test_traffic_meets_every_rule(learning: Learning | None) -> None:
    seen: Counter[str] = Counter()
    left = 0
    for seed in range(80):
        rng = random.Random(seed)
        params = Params(access_ports=2, storm_tenants=1024)
        tables = random_tables(rng, params, learning, storm=not learning)
        model = TepModel(tables, params)
        for event in schedule(tables, rng, 150, gap=1_000 if learning else 0):
            left += len(model.receive(event.port, event.frame, event.time))
        counters = model.counters()
        for port in counters["ports"].values():
            seen.update(port["drops"])
        seen.update(counters["mac"])
    wanted = {reason.value for reason in Reason} - {"rx-error", "no-buffer"}
    if learning:
        wanted = wanted - {"storm"} | {"learned", "moved"}
    assert all(seen[name] > 20 for name in wanted), seen
    assert left > 12_000 * 0.6


def test_schedule_is_never_faster_than_the_wire() -> None:
    rng = random.Random(1)
    tables = random_tables(rng, Params(access_ports=2))
    events = schedule(tables, rng, 300, longest=300)
    for port in range(3):
        mine = [event for event in events if event.port == port]
        for one, other in pairwise(mine):
            assert other.time - one.time >= (len(one.frame) + 24) * 8
    spaced = schedule(tables, rng, 300, gap=5_000)
    for one, other in pairwise(spaced):
        assert other.time - one.time >= 5_000 + (len(one.frame) + 4) * 8


def test_wrong_port() -> None:
    with pytest.raises(ValueError, match="port must be from 0 to 1, not 2"):
        Traffic(random_tables(random.Random(1), Params()), random.Random(1), 2)


def test_packets_are_what_scapy_makes_of_them() -> None:
    packet = Ether(tag(ethernet(1, 2, 0x0800, ipv4(3, 4, 17, udp(5, 6, b"data"))), 7, 3))
    assert (packet[Dot1Q].vlan, packet[IP].src, packet[UDP].dport) == (7, "0.0.0.3", 6)
    good = bytes(packet)
    del packet[IP].chksum
    assert bytes(packet) == good
    assert Ether(ethernet(1, 2, 0x0806, arp(2, 3, 4, 5, 6)))[ARP].pdst == "0.0.0.6"
    for payload, kind in (
        (echo_request(1, 2, 3, 4, b"hello"), ICMPv6EchoRequest),
        (neighbour_solicitation(1, 2, 3, 4), ICMPv6ND_NS),
    ):
        frame = Ether(ethernet(1, 2, 0x86DD, payload))
        good = bytes(frame)
        frame[kind].cksum = None
        assert bytes(frame) == good


def test_tunnelled_frames_are_dissected_by_scapy() -> None:
    """Next header 143 is Ethernet: the outer headers that the model writes lead scapy to the inner frame."""
    bind_layers(IPv6, Ether, nh=143)
    try:
        inner = ethernet(0xA20000000001, 0xA20000000002, 0x86DD, ipv6(1, 2, 59, b""))
        packet = Ether(tunnel(3, 4, 5, 6, inner, flow=0x12345, traffic_class=0xB8))
        outer, within = packet[IPv6], packet[IPv6].payload
        assert (outer.nh, outer.fl, outer.tc, outer.plen, outer.hlim) == (143, 0x12345, 0xB8, len(inner), 64)
        assert isinstance(within, Ether)
        assert bytes(within) == inner
        assert within[IPv6].nh == 59
    finally:
        split_layers(IPv6, Ether, nh=143)
