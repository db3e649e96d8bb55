"""Group frames by multicast of the underlay: one packet, whatever the number of TEPs (SPEC §5)."""

import pytest
from opentep.host.compile import compile_tep
from opentep.host.fabric import FabricError, State, allocate, loads
from opentep.sim.model import TepModel
from opentep.sim.packets import ethernet, tag

TEXT = """\
version: 1
underlay: {groups: "ff3e:30:fd00::/96"}
teps:
  rack1:
    address: fd00:1::1
    ports: {srv: {role: access}, up: {role: fabric, mac: 02:00:5e:00:01:01, next_hop: 02:00:5e:00:00:01}}
  rack2:
    address: fd00:2::1
    ports: {srv: {role: access}, up: {role: fabric, mac: 02:00:5e:00:02:01, next_hop: 02:00:5e:00:00:01}}
  rack3:
    address: fd00:3::1
    ports: {srv: {role: access}, up: {role: fabric, mac: 02:00:5e:00:03:01, next_hop: 02:00:5e:00:00:01}}
  linux: {foreign: true, address: "fd00:9::1"}
tenants:
  red: {oui: 12:00:01, underlay_group: "ff3e:30:fd00::1"}
  blue: {oui: 12:00:02, group: ingress, underlay_group: "ff3e:30:fd00::2"}
  green: {oui: 12:00:03, group: ingress}
rules:
  - {from: blue, to: green}
vswitches:
  s1: {tep: rack1, port: srv}
  s2: {tep: rack2, port: srv}
  s3: {tep: rack3, port: srv}
vms:
  r1: {tenant: red, vswitch: s1, mac: 12:00:01:00:00:01, vlan: 11}
  r2: {tenant: red, vswitch: s2, mac: 12:00:01:00:00:02, vlan: 12}
  r3: {tenant: red, vswitch: s3, mac: 12:00:01:00:00:03, vlan: 13}
  r9: {tenant: red, tep: linux, mac: 12:00:01:00:00:09}
  b1: {tenant: blue, vswitch: s1, mac: 12:00:02:00:00:01, vlan: 21}
  b2: {tenant: blue, vswitch: s2, mac: 12:00:02:00:00:02, vlan: 22}
  g2: {tenant: green, vswitch: s2, mac: 12:00:03:00:00:02, vlan: 32}
  g3: {tenant: green, vswitch: s3, mac: 12:00:03:00:00:03, vlan: 33}
groups:
  video: {tenant: red, address: "ff05::1:2", members: [r2], underlay_group: "ff3e:30:fd00::1:2"}
  audio: {tenant: red, address: "ff05::1:3", members: [r3]}
"""
R1, B1 = 0x120001000001, 0x120002000001
BROADCAST = 0xFFFFFFFFFFFF


class Fabric:
    """TEPs behind a router that floods multicast, and passes everything else on to all of them as well."""

    def __init__(self) -> None:
        fabric, source = loads(TEXT)
        state = State()
        complete = allocate(fabric, state, source)
        self.teps = [
            TepModel(compile_tep(complete, name, state, source)) for name in ("rack1", "rack2", "rack3")
        ]

    def send(self, frame: bytes, vid: int) -> tuple[set[int], list[str]]:
        """VLAN IDs of the VMs that a frame of rack 1 gets to, and the outer destinations that carried it."""
        left = self.teps[0].receive(0, tag(frame, vid))
        packets = [octets for port, octets in left if port == 1]
        got = [octets for port, octets in left if port == 0]
        for packet in packets:
            for tep in self.teps[1:]:
                routed = packet
                if packet[:2] != b"\x33\x33":
                    routed = tep.config.ports[1].mac.to_bytes(6, "big") + packet[6:]
                got += [octets for port, octets in tep.receive(1, routed) if port == 0]
        assert all(octets[:12] + octets[16:] == frame for octets in got)
        vids = [int.from_bytes(octets[14:16], "big") & 0xFFF for octets in got]
        assert len(set(vids)) == len(vids), "a VM gets each frame once"
        return set(vids), sorted(f"{packet[:6].hex()} {packet[38:54].hex()}" for packet in packets)


RED_GROUP = "333300000001 ff3e0030fd0000000000000000000001"
BLUE_GROUP = "333300000002 ff3e0030fd0000000000000000000002"
VIDEO_GROUP = "333300010002 ff3e0030fd0000000000000000010002"


def to(address: str) -> str:
    return f"02005e000001 {address}"


@pytest.fixture
def fabric() -> Fabric:
    return Fabric()


def test_one_packet_reaches_all_teps_that_listen_and_foreign_ones_get_their_own(fabric) -> None:
    got, packets = fabric.send(ethernet(BROADCAST, R1, 0x0806, bytes(46)), 11)
    assert got == {12, 13}
    assert packets == sorted([to("fd000009000000000000000000000001"), RED_GROUP])


def test_a_tenant_that_receives_has_its_own_group_and_one_without_gets_copies(fabric) -> None:
    got, packets = fabric.send(ethernet(BROADCAST, B1, 0x0806, bytes(46)), 21)
    assert got == {22, 32, 33}
    assert packets == sorted([BLUE_GROUP, *(to(f"fd00000{rack}000000000000000000000001") for rack in (2, 3))])


def test_a_group_may_have_its_own(fabric) -> None:
    def frame(group: int) -> bytes:
        return ethernet(0x333300010000 | group, R1, 0x86DD, bytes(46))

    assert fabric.send(frame(2), 11) == ({12}, [VIDEO_GROUP])
    assert fabric.send(frame(3), 11) == ({13}, [RED_GROUP])


def test_another_groups_address_and_an_unknown_source_are_not_taken(fabric) -> None:
    left = fabric.teps[0].receive(0, tag(ethernet(BROADCAST, R1, 0x0806, bytes(46)), 11))
    packet = next(octets for port, octets in left if port == 1 and octets[:2] == b"\x33\x33")
    for wrong, reason in (
        (packet[:45] + b"\x01" + packet[46:], "not-mine"),  # another prefix
        (b"\x33\x32" + packet[2:], "not-mine"),
        (packet[:22] + bytes(16) + packet[38:], "unknown-tep"),
    ):
        assert fabric.teps[1].receive(1, wrong) == []
        assert fabric.teps[1].counters()["ports"]["up"]["drops"][reason] > 0


@pytest.mark.parametrize(
    "before, after, where, message",
    [
        ('underlay: {groups: "ff3e:30:fd00::/96"}\n', "", "tenants.red.underlay_group", "has no groups"),
        ('"ff3e:30:fd00::/96"', '"ff3e:30:fd00::/64"', "underlay.groups", "is not 96 bits"),
        ('"ff3e:30:fd00::/96"', '"fd00::/96"', "underlay.groups", "is not 96 bits"),
        ('"ff3e:30:fd00::1:2"', '"ff3e:30:fd01::1:2"', "groups.video.underlay_group", "is not among"),
        ("red: {oui", "red: {vlan: 0x100, oui", "tenants.red.underlay_group", "VLAN IDs tell"),
    ],
)
def test_mistakes(before, after, where, message) -> None:
    text = TEXT.replace(before, after)
    if "vlan: 0x100" in after:
        text = text.replace("version: 1\n", "version: 1\ntenant_key: {mac: ff:ff:ff:00:00:00, vlan: 0xf00}\n")
    with pytest.raises(FabricError) as caught:
        loads(text)
    assert any(where in str(problem) and message in str(problem) for problem in caught.value.problems)
