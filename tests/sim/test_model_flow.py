"""Flow label and traffic class against the octet positions of docs/architecture.md."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentep.sim.model.flow import flow_label, traffic_class

ADDRESSES = bytes.fromhex("a20001000002a20001000001")
PORTS = {38, 39, 40, 41}
IPV4 = {27, *range(30, 38)}
IPV6 = {24, *range(26, 58)}
IPV6_PORTS = {58, 59, 60, 61}
MAC = {*range(12), 16, 17}


def expected(inner: bytes, octets: set[int]) -> int:
    """XOR of the tagged frame's 16-bit units, other octets taken as 0, each rotated by 7 bits per unit."""
    tagged = (inner[:12] + bytes(4) + inner[12:]).ljust(64, b"\0")
    label = 0
    for k in range(32):
        unit = int.from_bytes(bytes(tagged[j] if j in octets else 0 for j in (2 * k, 2 * k + 1)), "big")
        for _ in range(7 * k % 20):
            unit = unit << 1 & 0xFFFFF | unit >> 19
        label ^= unit
    return label or 1


def ipv4(protocol: int = 6, first: int = 0x45, fragment: int = 0x4000) -> bytes:
    header = bytes((first, 0xB9)) + b"\x01\x02\x03\x04" + fragment.to_bytes(2, "big") + bytes((64, protocol))
    return (
        ADDRESSES + b"\x08\x00" + header + b"\xaa\xbb" + bytes(range(0x11, 0x19)) + bytes(range(0x21, 0x49))
    )


def ipv6(next_header: int = 17) -> bytes:
    header = b"\x6b\x91\x23\x45\x00\x20" + bytes((next_header, 64))
    return ADDRESSES + b"\x86\xdd" + header + bytes(range(0x11, 0x31)) + bytes(range(0x41, 0x61))


@pytest.mark.parametrize(
    ("inner", "octets"),
    [
        (ipv4(6), IPV4 | PORTS),
        (ipv4(17), IPV4 | PORTS),
        (ipv4(17, fragment=0), IPV4 | PORTS),
        (ipv4(1), IPV4),
        (ipv4(58), IPV4),
        (ipv4(6, first=0x46), IPV4),
        (ipv4(6, fragment=0x2000), IPV4),
        (ipv4(6, fragment=0x0001), IPV4),
        (ipv4(6, fragment=0x1000), IPV4),
        (ipv6(6), IPV6 | IPV6_PORTS),
        (ipv6(17), IPV6 | IPV6_PORTS),
        (ipv6(58), IPV6),
        (ipv6(44), IPV6),
        (ADDRESSES + b"\x08\x06" + bytes(range(46)), MAC),
        (ADDRESSES + b"\x81\x00\x00\x07" + ipv4()[12:], MAC),
    ],
)
def test_what_counts(inner: bytes, octets: set[int]) -> None:
    assert flow_label(inner) == expected(inner, octets)
    for position in range(12, 60):
        changed = inner[:position] + bytes((inner[position] ^ 1,)) + inner[position + 1 :]
        # Octets from 12 on stand behind the tag. What decides the class matters in other ways.
        if position + 4 not in octets | {16, 17, 18, 24, 25, 27}:
            assert flow_label(changed) == flow_label(inner)


def test_ports_of_the_shortest_ipv6_frame_lie_behind_its_end() -> None:
    inner = ipv6(6)[:56]
    assert flow_label(inner) == expected(inner, IPV6 | IPV6_PORTS)
    assert flow_label(inner + bytes(8)) == flow_label(inner)


def test_an_untagged_frame_has_the_label_of_its_tagged_twin() -> None:
    """Only the first 64 octets of the tagged frame count, so that padding and tags make no difference."""
    assert flow_label(ipv6(6)) == flow_label(ipv6(6) + b"tail")


def test_label_is_never_zero() -> None:
    zeros = ADDRESSES + b"\x08\x00" + bytes(46)
    assert flow_label(zeros) == 1


@given(st.binary(min_size=18, max_size=100))
def test_label_is_a_label(inner: bytes) -> None:
    assert 1 <= flow_label(inner) < 1 << 20


def test_traffic_class() -> None:
    assert traffic_class(ipv4()) == 0xB9
    assert traffic_class(ipv6()) == 0xB9
    assert traffic_class(ADDRESSES + b"\x08\x06" + bytes(range(46))) == 0
