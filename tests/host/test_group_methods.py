"""Group frames of a fabric with both methods, from a VM's frame to what other VMs get (SPEC §5)."""

import random

import pytest
from opentep.host.compile import compile_tep
from opentep.host.fabric import FabricError, State, allocate, loads
from opentep.sim.model import TepModel
from opentep.sim.packets import ethernet, ipv4, tag, to_group, udp

TEXT = """\
version: 1
teps:
  rack1:
    address: fd00:1::1
    ports: {srv: {role: access}, up: {role: fabric, mac: 02:00:5e:00:01:01, next_hop: 02:00:5e:00:02:01}}
  rack2:
    address: fd00:2::1
    ports: {srv: {role: access}, up: {role: fabric, mac: 02:00:5e:00:02:01, next_hop: 02:00:5e:00:01:01}}
  linux: {foreign: true, address: "fd00:3::1"}
tenants:
  red: {oui: 12:00:01, group: ingress}
  blue: {oui: 12:00:02}
  green: {oui: 12:00:03}
rules:
  - {from: red, to: blue}
  - {from: blue, to: green}
vswitches:
  s1: {tep: rack1, port: srv}
  s2: {tep: rack2, port: srv}
vms:
  r1: {tenant: red, vswitch: s1, mac: 12:00:01:00:00:01, vlan: 11}
  r2: {tenant: red, vswitch: s1, mac: 12:00:01:00:00:02, vlan: 12}
  r3: {tenant: red, vswitch: s2, mac: 12:00:01:00:00:03, vlan: 13}
  r4: {tenant: red, vswitch: s2, mac: 12:00:01:00:00:04, vlan: 14}
  r5: {tenant: red, tep: linux, mac: 12:00:01:00:00:05}
  b1: {tenant: blue, vswitch: s1, mac: 12:00:02:00:00:01, vlan: 21}
  b3: {tenant: blue, vswitch: s2, mac: 12:00:02:00:00:03, vlan: 23}
  b5: {tenant: blue, tep: linux, mac: 12:00:02:00:00:05}
  g3: {tenant: green, vswitch: s2, mac: 12:00:03:00:00:03, vlan: 33}
groups:
  video: {tenant: red, address: 239.129.2.3, members: [r2, r3]}
  video-of-blue: {tenant: blue, address: 239.129.2.3, members: [b3]}
"""
R1, B1 = 0x120001000001, 0x120002000001
BROADCAST, VIDEO, OTHER, PVST = 0xFFFFFFFFFFFF, 0x01005E010203, 0x01005E010204, 0x01000CCCCCCD


class Fabric:
    """Two TEPs by a wire between their fabric ports."""

    def __init__(self) -> None:
        fabric, source = loads(TEXT)
        state = State()
        complete = allocate(fabric, state, source)
        self.teps = [TepModel(compile_tep(complete, name, state, source)) for name in ("rack1", "rack2")]

    def send(self, frame: bytes, vid: int) -> tuple[dict[int, bytes], list[bytes], list[bytes]]:
        """What VMs get, by VLAN ID; the packets from rack 1 to rack 2, and to Linux."""
        left = self.teps[0].receive(0, tag(frame, vid))
        tunnels = [octets for port, octets in left if port == 1]
        packets = [octets for octets in tunnels if octets[38:42] == bytes.fromhex("fd000002")]
        got = [octets for port, octets in left if port == 0]
        for packet in packets:
            got += [octets for port, octets in self.teps[1].receive(1, packet) if port == 0]
        vids = {int.from_bytes(octets[14:16], "big") & 0xFFF: octets[:12] + octets[16:] for octets in got}
        assert len(vids) == len(got), "a VM gets each frame once"
        return vids, packets, [octets for octets in tunnels if octets not in packets]


def multicast(src: int, mac: int, group: int) -> bytes:
    packet = bytearray(ipv4(0x0A000001, 0, 17, udp(1, 2, bytes(40))))
    packet[16:20] = group.to_bytes(4, "big")
    return ethernet(mac, src, 0x0800, bytes(packet))


@pytest.fixture
def fabric() -> Fabric:
    return Fabric()


def test_a_broadcast_is_copied_once_per_receiving_tenant(fabric) -> None:
    frame = ethernet(BROADCAST, R1, 0x0806, bytes(46))
    got, packets, to_linux = fabric.send(frame, 11)
    assert got == dict.fromkeys((12, 13, 14, 21, 23), frame)
    assert {packet[54:60].hex() for packet in packets} == {"130001ffffff", "130002ffffff"}
    assert len(packets) == 2
    assert [packet[54:60].hex() for packet in to_linux] == ["ffffffffffff"], "Linux could not restore it"


def test_a_group_has_its_own_members_behind_either_bit_that_a_mac_address_lacks(fabric) -> None:
    for group in (0xEF810203, 0xEF010203):
        frame = multicast(R1, VIDEO, group)
        got, packets, to_linux = fabric.send(frame, 11)
        assert got == dict.fromkeys((12, 13, 23), frame)
        assert {packet[54:60] for packet in packets} == {
            b"\x13\0" + oui + frame[31:34] for oui in (b"\1", b"\2")
        }
        assert len(packets) == 2
        assert to_linux == []


def test_a_group_without_members_of_its_own_goes_to_all(fabric) -> None:
    frame = multicast(R1, OTHER, 0xEF810204)
    got, packets, _ = fabric.send(frame, 11)
    assert got == dict.fromkeys((12, 13, 14, 21, 23), frame)
    assert len(packets) == 2


@pytest.mark.parametrize(
    "frame",
    [
        ethernet(PVST, R1, 0x88B5, bytes(46)),
        multicast(R1, OTHER, 0xEF810205),
        multicast(R1, BROADCAST, 0xEF810204),
        ethernet(OTHER, R1, 0x0806, bytes(46)),
    ],
    ids=["not IP", "another group", "a group in a broadcast", "ARP in a multicast"],
)
def test_what_could_not_be_restored_travels_as_it_is(fabric, frame) -> None:
    got, packets, _ = fabric.send(frame, 11)
    assert got == dict.fromkeys((12, 13, 14, 21, 23), frame)
    assert [packet[54:60] for packet in packets] == [frame[:6]]


def test_the_other_method_beside_it(fabric) -> None:
    frame = ethernet(BROADCAST, B1, 0x0806, bytes(46))
    got, packets, _ = fabric.send(frame, 21)
    assert got == dict.fromkeys((23, 33), frame)
    assert [packet[54:60] for packet in packets] == [frame[:6]]


def test_a_group_address_of_a_tenant_is_no_way_around_the_rules(fabric) -> None:
    """Blue may not send to red, whatever it writes into its frames."""
    for low in (0xFFFFFF, 0x810203):
        frame = ethernet(0x130001 << 24 | low, B1, 0x0806, bytes(46))
        got, packets, _ = fabric.send(frame, 21)
        assert got == {}
        assert len(packets) == 1
    assert fabric.teps[1].counters()["ports"]["up"]["drops"]["policy"] == 2


def test_an_address_that_is_not_the_packets(fabric) -> None:
    rng = random.Random(1)
    frame = ethernet(0x130001000001, R1, 0x0800, to_group(rng, 0x0800, bytes(46), 0x01005E000002))
    got, packets, _ = fabric.send(frame, 11)
    assert got == dict.fromkeys((12, 21), frame), "here it is a group address like any other"
    assert len(packets) == 1
    assert fabric.teps[1].counters()["ports"]["up"]["drops"]["malformed"] == 1


def test_it_needs_ouis_that_identify() -> None:
    with pytest.raises(FabricError, match="'ingress' writes OUIs"):
        loads("version: 1\ntenant_key: vlan\n" + TEXT.removeprefix("version: 1\n"))


def test_no_list_is_for_an_address_that_frames_travel_with() -> None:
    wrong = TEXT.replace("address: 239.129.2.3, members: [b3]", "address: 13:00:01:81:02:03, members: [b3]")
    with pytest.raises(FabricError, match="may travel with group addresses like 13:00:01:81:02:03"):
        loads(wrong)
