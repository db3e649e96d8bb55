"""What a controller binds carries frames: the model of each TEP with the tables that its agent would write."""

from collections.abc import Callable

from opentep.sim.model import TepModel
from opentep.sim.packets import ethernet, tag

from .vtep_bench import BY_VLAN, DOCUMENT, Bench

HYPERVISOR = "fd00:77::1"
BROADCAST = 0xFFFFFFFFFFFF


def frame_of(to: int, sender: int, text: bytes) -> bytes:
    return ethernet(to, sender, 0x88B5, text.ljust(46))


def model(bench: Bench, tep: str) -> TepModel:
    return TepModel(bench.repository.tables(tep).tables)


def sent(left: list[tuple[int, bytes]], port: int) -> list[bytes]:
    return [octets for number, octets in left if number == port]


def arrive(tep: TepModel, port: int, packet: bytes) -> list[tuple[int, bytes]]:
    """As routed: with the next hop's work done."""
    return tep.receive(port, tep.config.ports[port].mac.to_bytes(6, "big") + packet[6:])


def test_between_bindings_and_a_hypervisor(make: Callable[[str], Bench]) -> None:
    bench = make(DOCUMENT)
    bench.go()
    bench.vtep.ctl("add-ls", "green", "--", "set", "Logical_Switch", "green", "tunnel_key=7")
    bench.vtep.ctl("bind-ls", "rack1", "srv", "5", "green", "--", "bind-ls", "rack2", "b", "6", "green")
    bench.go()
    near, far = (
        int(bench.complete("vms", name)["mac"].replace(":", ""), 16)
        for name in ("vtep.rack1.srv.5", "vtep.rack2.b.6")
    )
    hypervisor = near & 0xFFFFFF000000 | 0x7701
    text = ":".join(f"{octet:02x}" for octet in hypervisor.to_bytes(6, "big"))
    bench.vtep.ctl("add-ucast-remote", "green", text, HYPERVISOR)
    bench.vtep.ctl("add-mcast-remote", "green", "unknown-dst", HYPERVISOR)
    bench.go()
    rack1, rack2 = model(bench, "rack1"), model(bench, "rack2")

    frame = frame_of(far, near, b"unicast")
    (packet,) = sent(rack1.receive(0, tag(frame, 5)), 1)
    assert sent(arrive(rack2, 2, packet), 1) == [tag(frame, 6)]

    frame = frame_of(hypervisor, near, b"to the hypervisor")
    (packet,) = sent(rack1.receive(0, tag(frame, 5)), 1)
    assert packet[38:54].hex() == "fd000077" + "00" * 11 + "01"
    assert packet[20] == 17 and packet[66:69] == bytes([0, 0, 7]), "VXLAN, and its VNI"

    frame = frame_of(BROADCAST, near, b"to all")
    packets = sent(rack1.receive(0, tag(frame, 5)), 1)
    assert {packet[20] for packet in packets} == {17, 143} and len(packets) == 2


def test_a_vlan_of_which_nobody_is_known(make: Callable[[str], Bench]) -> None:
    """Tenants by VLAN ID: who is behind a binding is learned, and so is who is behind a hypervisor."""
    bench = make(BY_VLAN.replace("fabric, mac", "fabric, mtu: 1600, mac"))
    bench.go()
    bench.vtep.ctl("add-ls", "green", "--", "set", "Logical_Switch", "green", "tunnel_key=7")
    bench.vtep.ctl("bind-ls", "rack1", "srv", "5", "green", "--", "bind-ls", "rack2", "a", "5", "green")
    bench.vtep.ctl("add-mcast-remote", "green", "unknown-dst", HYPERVISOR)
    bench.go()
    rack1, rack2 = model(bench, "rack1"), model(bench, "rack2")
    one, two = 0x0A0000000001, 0x0A0000000002
    packets = sent(rack1.receive(0, tag(frame_of(BROADCAST, one, b"who is there"), 5)), 1)
    assert len(packets) == 2
    (packet,) = (
        packet for packet in packets if packet[38:40] == b"\xfd\x00" and packet[40:42] == b"\x00\x02"
    )
    assert len(sent(arrive(rack2, 2, packet), 0)) == 1
    (answer,) = sent(rack2.receive(0, tag(frame_of(one, two, b"I am"), 5)), 2)
    assert sent(arrive(rack1, 1, answer), 0) == [tag(frame_of(one, two, b"I am"), 5)]
    (packet,) = sent(rack1.receive(0, tag(frame_of(two, one, b"only you"), 5)), 1)
    assert packet[40:42] == b"\x00\x02", "learned"
