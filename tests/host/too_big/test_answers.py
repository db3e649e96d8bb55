"""Answers to what is too big, read by Scapy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentep.host.too_big.answers import answer, wanted
from opentep.sim import packets
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6ND_Redirect,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

VM, FAR = "12:00:01:00:00:01", "12:00:01:00:00:02"
LARGEST = 1500 - 40
ROOM = 512
BODY = Raw(bytes(1500))
TAG = Dot1Q(vlan=302, prio=5)


def asked(packet: Packet, link: Packet = TAG, largest: int = LARGEST, room: int = ROOM) -> Packet | None:
    """The answer to a frame with ``packet``, of which the host has what it asked for."""
    frame = bytes(Ether(dst=FAR, src=VM) / link / packet)
    found = answer(frame[: wanted(room)], largest, room)
    if found is None:
        return None
    assert len(found.frame) <= room
    return Ether(found.frame)


def sums_are_right(reply: Packet) -> bool:
    """Scapy computes a checksum that is missing."""
    again = reply.copy()
    for layer in (IP, ICMP, ICMPv6PacketTooBig):
        if layer in again:
            del again[layer].fields["cksum" if layer is ICMPv6PacketTooBig else "chksum"]
    return bytes(again) == bytes(reply)


def test_ipv6() -> None:
    packet = IPv6(src="fd10::1", dst="fd10::2") / TCP(sport=5000, dport=80, seq=7) / BODY
    reply = asked(packet)
    assert reply is not None
    assert (reply.src, reply.dst, reply[Dot1Q].vlan, reply[Dot1Q].prio) == (FAR, VM, 302, 5)
    assert (reply[IPv6].src, reply[IPv6].dst, reply[IPv6].nh) == ("fd10::2", "fd10::1", 58)
    message = reply[ICMPv6PacketTooBig]
    assert (message.type, message.code, message.mtu) == (2, 0, 1446)
    assert bytes(reply)[18 + 48 :] == bytes(packet)[: ROOM - 18 - 48]
    assert reply[IPv6].plen == len(bytes(message)) and sums_are_right(reply)


def test_ipv4() -> None:
    packet = IP(src="10.0.0.1", dst="10.0.0.2", flags="DF", tos=0x28, id=9) / UDP(sport=5000) / BODY
    reply = asked(packet)
    assert reply is not None
    assert (reply.src, reply.dst, reply[Dot1Q].vlan) == (FAR, VM, 302)
    header = reply[IP]
    assert (header.src, header.dst, header.tos, header.flags) == ("10.0.0.2", "10.0.0.1", 0xC0, "DF")
    message = reply[ICMP]
    assert (message.type, message.code, message.nexthopmtu) == (3, 4, 1446)
    assert bytes(reply)[18 + 28 :] == bytes(packet)[: ROOM - 18 - 28]
    assert header.len == len(bytes(header)) and sums_are_right(reply)


@pytest.mark.parametrize(
    ("packet", "longest"),
    [
        (IPv6(src="fd10::1", dst="fd10::2") / UDP() / BODY, 1280),
        (IP(src="10.0.0.1", dst="10.0.0.2", flags="DF") / UDP() / BODY, 576),
    ],
)
def test_no_error_is_longer_than_it_may_be(packet: Packet, longest: int) -> None:
    reply = asked(packet, room=4096)
    assert reply is not None and len(reply[Dot1Q].payload) == longest and sums_are_right(reply)


@pytest.mark.parametrize(
    ("link", "mtu"),
    [
        (Raw(), 1446),
        (Dot1Q(vlan=0, prio=3), 1446),
        (Dot1Q(vlan=302) / Dot1Q(vlan=7), 1442),
        (Dot1AD(vlan=7), 1442),
        (Dot1Q(vlan=302) / Dot1AD(vlan=7) / Dot1Q(vlan=8), 1438),
    ],
)
def test_tags_of_the_vm_itself_take_room_and_stay(link: Packet, mtu: int) -> None:
    packet = IPv6(src="fd10::1", dst="fd10::2") / UDP() / BODY
    if isinstance(link, Raw):
        frame = bytes(Ether(dst=FAR, src=VM) / packet)
    else:
        frame = bytes(Ether(dst=FAR, src=VM) / link / packet)
    found = answer(frame, LARGEST, ROOM)
    assert found is not None
    start = len(frame) - len(packet)
    assert found.frame[12:start] == frame[12:start]
    assert Ether(found.frame)[ICMPv6PacketTooBig].mtu == mtu


V4 = IP(src="10.0.0.1", dst="10.0.0.2", flags="DF")
V6 = IPv6(src="fd10::1", dst="fd10::2")


@pytest.mark.parametrize(
    "packet",
    [
        ARP() / BODY,
        Raw(bytes(1500)),
        IP(src="10.0.0.1", dst="10.0.0.2") / UDP() / BODY,
        IP(src="10.0.0.1", dst="10.0.0.2", flags="DF", frag=100, proto=17) / BODY,
        *(IP(src="10.0.0.1", dst=dst, flags="DF") / UDP() / BODY for dst in ("224.0.0.9", "255.255.255.255")),
        *(
            IP(src=src, dst="10.0.0.2", flags="DF") / UDP() / BODY
            for src in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.9", "240.0.0.1", "255.255.255.255")
        ),
        *(V4 / ICMP(type=kind) / BODY for kind in (3, 4, 5, 11, 12)),
        IP(src="10.0.0.1", dst="10.0.0.2", flags="DF", chksum=1) / UDP() / BODY,
        IP(src="10.0.0.1", dst="10.0.0.2", flags="DF", len=1446) / UDP() / BODY,
        IPv6(src="::", dst="fd10::2") / UDP() / BODY,
        IPv6(src="::1", dst="fd10::2") / UDP() / BODY,
        IPv6(src="ff02::1", dst="fd10::2") / UDP() / BODY,
        IPv6(src="fd10::1", dst="ff02::1") / UDP() / BODY,
        IPv6(src="fd10::1", dst="fd10::2", plen=1406) / UDP() / BODY,
        V6 / ICMPv6DestUnreach() / BODY,
        V6 / ICMPv6PacketTooBig() / BODY,
        V6 / ICMPv6ND_Redirect() / BODY,
        V6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / ICMPv6PacketTooBig() / BODY,
        V6 / IPv6ExtHdrFragment(offset=10, nh=17) / BODY,
        V6 / IPv6ExtHdrFragment(offset=0, m=1) / ICMPv6DestUnreach() / BODY,
        # Nobody can see what follows.
        V6 / IPv6ExtHdrDestOpt(len=100) / BODY,
    ],
)
def test_no_answer(packet: Packet) -> None:
    assert asked(packet) is None


@pytest.mark.parametrize(
    "packet",
    [
        V4 / ICMP(type=8) / BODY,
        IP(src="10.0.0.1", dst="10.0.0.2", flags="DF+MF") / UDP() / BODY,
        IP(src="10.0.0.1", dst="10.0.0.2", flags="DF", options=b"\x01" * 40) / UDP() / BODY,
        IP(src="10.0.0.1", dst="10.0.0.2", flags="DF", len=1447) / UDP() / BODY,
        V6 / ICMPv6EchoRequest() / BODY,
        V6 / IPv6ExtHdrDestOpt() / UDP() / BODY,
        V6 / IPv6ExtHdrFragment(offset=0, m=1, nh=17) / BODY,
        V6 / IPv6ExtHdrFragment(offset=0, m=1) / ICMPv6EchoRequest() / BODY,
        IPv6(src="fd10::1", dst="64:ff9b::a00:2") / UDP() / BODY,
        IPv6(src="fd10::1", dst="fd10::2", plen=1407) / UDP() / BODY,
    ],
)
def test_these_get_one(packet: Packet) -> None:
    reply = asked(packet)
    assert reply is not None and sums_are_right(reply)


def test_what_hosts_would_not_take_is_not_sent() -> None:
    """Less than 1280 octets (RFC 8201, 4)."""
    assert asked(V6 / UDP() / BODY, largest=14 + 1280) is not None
    assert asked(V6 / UDP() / BODY, largest=14 + 1279) is None
    assert asked(V4 / UDP() / BODY, largest=14 + 1200) is not None


def test_answers_are_about_sender_and_destination_not_about_flows() -> None:
    def about(packet: Packet) -> bytes:
        found = answer(bytes(Ether(dst=FAR, src=VM) / TAG / packet), LARGEST, ROOM)
        assert found is not None
        return found.about

    assert about(V4 / UDP(sport=1) / BODY) == about(
        IP(src=V4.src, dst=V4.dst, flags="DF", id=77) / UDP(sport=2) / BODY
    )
    others = [V4, V6, IPv6(src="fd10::1", dst="fd10::3"), IP(src="10.0.0.9", dst="10.0.0.2", flags="DF")]
    assert len({about(other / UDP() / BODY) for other in others}) == len(others)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Of anything, most of them nearly as they should be."""
    body = draw(st.binary(max_size=80)) + bytes(draw(st.sampled_from((0, 1400, 1600))))
    src, dst = (draw(st.integers(0, 2**128 - 1)) for _ in range(2))
    kind = draw(st.sampled_from((0, 1, 6, 17, 43, 44, 58, 60)))
    if draw(st.booleans()):
        packet, ethertype = packets.ipv6(src, dst, kind, body), 0x86DD
    else:
        options = bytes(4 * draw(st.integers(0, 10)))
        v4 = packets.ipv4(src % 2**32, dst % 2**32, kind, body, options=options)
        packet, ethertype = v4, 0x0800
    octets = bytearray(packet)
    for _ in range(draw(st.integers(0, 2))):
        octets[draw(st.integers(0, min(47, len(octets) - 1)))] = draw(st.integers(0, 255))
    frame = packets.ethernet(0x120001000002, 0x120001000001, ethertype, bytes(octets))
    for _ in range(draw(st.integers(0, 3))):
        frame = packets.tag(frame, 302, tpid=draw(st.sampled_from((0x8100, 0x88A8))))
    return frame


@given(frames(), st.integers(0, 500), st.integers(0, 2000), st.sampled_from((512, 1024, 4096)))
def test_whatever_comes(frame: bytes, cut: int, largest: int, room: int) -> None:
    found = answer(frame[: min(wanted(room), cut)], largest, room)
    if found is None:
        return
    reply = Ether(found.frame)
    assert len(found.frame) <= room and sums_are_right(reply)
    message = reply[ICMPv6PacketTooBig] if IPv6 in reply else reply[ICMP]
    mtu = message.mtu if IPv6 in reply else message.nexthopmtu
    assert mtu <= largest - 14
    headers = 48 if IPv6 in reply else 28
    assert message.underlayer.original[headers:] in frame
    assert (reply.dst, reply.src) == (VM, FAR)
