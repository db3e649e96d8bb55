"""Neighbour discovery messages against scapy's view of them, and everything that must not count as one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentep.host.neighbours.messages import Advertisement, Solicitation, parse, solicitation
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6NDOptUnknown,
    IPv6,
)
from scapy.layers.l2 import Ether

MAC, PEER_MAC = "02:00:5e:01:00:01", "02:00:5e:ff:01:fe"
OWN, PEER = "fd00:1::1", "fe80::1"
OWN_NUMBER, PEER_NUMBER = 0xFD00_0001 << 96 | 1, 0xFE80 << 112 | 1
MAC_NUMBER, PEER_MAC_NUMBER = 0x02005E010001, 0x02005EFF01FE


def frame(message, option=None, *, src=PEER, dst=OWN, hlim=255) -> bytes:
    packet = Ether(dst=MAC, src=PEER_MAC) / IPv6(src=src, dst=dst, hlim=hlim) / message
    return bytes(packet / option if option is not None else packet)


def advertisement(**fields) -> ICMPv6ND_NA:
    return ICMPv6ND_NA(**{"R": 1, "S": 1, "O": 1, "tgt": PEER} | fields)


HERE = ICMPv6NDOptDstLLAddr(lladdr=PEER_MAC)


def test_solicitation_of_everybody() -> None:
    octets = solicitation(MAC_NUMBER, OWN_NUMBER, PEER_NUMBER)
    packet = Ether(octets)
    assert (packet.dst, packet.src) == ("33:33:ff:00:00:01", MAC)
    assert (packet[IPv6].src, packet[IPv6].dst, packet[IPv6].hlim) == (OWN, "ff02::1:ff00:1", 255)
    assert packet[ICMPv6ND_NS].tgt == PEER
    assert packet[ICMPv6NDOptSrcLLAddr].lladdr == MAC
    del packet[ICMPv6ND_NS].cksum
    assert bytes(packet) == octets, "the checksum is right"
    assert parse(octets) == Solicitation(OWN_NUMBER, PEER_NUMBER, MAC_NUMBER)


def test_solicitation_of_one() -> None:
    packet = Ether(solicitation(MAC_NUMBER, OWN_NUMBER, PEER_NUMBER, PEER_MAC_NUMBER))
    assert (packet.dst, packet[IPv6].dst) == (PEER_MAC, PEER)


@pytest.mark.parametrize("solicited", [False, True])
@pytest.mark.parametrize("override", [False, True])
def test_advertisement(solicited: bool, override: bool) -> None:
    message = advertisement(S=int(solicited), O=int(override))
    assert parse(frame(message, HERE)) == Advertisement(PEER_NUMBER, PEER_MAC_NUMBER, solicited, override)
    assert parse(frame(message)) == Advertisement(PEER_NUMBER, None, solicited, override)
    padded = frame(message, HERE) + bytes(20)
    assert parse(padded) == Advertisement(PEER_NUMBER, PEER_MAC_NUMBER, solicited, override)
    other = ICMPv6NDOptUnknown(type=200, len=2, data=bytes(14)) / HERE
    assert parse(frame(message, other)) == Advertisement(PEER_NUMBER, PEER_MAC_NUMBER, solicited, override)


@pytest.mark.parametrize("mac", ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"])
def test_nobody_is_at_the_mac_of_a_group(mac: str) -> None:
    octets = frame(advertisement(), ICMPv6NDOptDstLLAddr(lladdr=mac))
    assert parse(octets) == Advertisement(PEER_NUMBER, None, True, True)
    octets = frame(ICMPv6ND_NS(tgt=OWN), ICMPv6NDOptSrcLLAddr(lladdr=mac))
    assert parse(octets) == Solicitation(PEER_NUMBER, OWN_NUMBER, None)


def test_solicitations_that_come() -> None:
    here = ICMPv6NDOptSrcLLAddr(lladdr=PEER_MAC)
    assert parse(frame(ICMPv6ND_NS(tgt=OWN), here)) == Solicitation(PEER_NUMBER, OWN_NUMBER, PEER_MAC_NUMBER)
    probe = {"src": "::", "dst": "ff02::1:ff00:1"}
    assert parse(frame(ICMPv6ND_NS(tgt=OWN), **probe)) == Solicitation(0, OWN_NUMBER, None)


@pytest.mark.parametrize(
    "octets",
    [
        frame(advertisement(), HERE, hlim=254),
        frame(advertisement(code=1), HERE),
        frame(advertisement(tgt="ff02::1"), HERE),
        frame(advertisement(), HERE, dst="ff02::1"),
        frame(advertisement(cksum=0x1234), HERE),
        frame(advertisement(), ICMPv6NDOptUnknown(type=2, len=0, data=bytes(6))),
        frame(advertisement(), ICMPv6NDOptUnknown(type=2, len=9, data=bytes(6))),
        frame(advertisement(type=137), HERE),
        frame(ICMPv6ND_NS(tgt=OWN), ICMPv6NDOptSrcLLAddr(lladdr=PEER_MAC), src="::", dst="ff02::1:ff00:1"),
        frame(ICMPv6ND_NS(tgt=OWN), src="::"),
        frame(advertisement(), HERE)[:-1],
        frame(advertisement())[:60],
        b"",
    ],
)
def test_what_is_not_valid(octets: bytes) -> None:
    assert parse(octets) is None


@given(st.binary(max_size=100), st.binary(max_size=60))
def test_nothing_that_comes_is_an_error(octets: bytes, tail: bytes) -> None:
    parse(octets)
    parse(frame(advertisement(), HERE)[:54] + tail)
