"""Capture files of all kinds, by hand and by scapy."""

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentep.sim.pcap import CaptureError, Packet, read_capture, write_capture
from scapy.layers.l2 import Ether
from scapy.utils import PcapNgWriter, PcapReader, PcapWriter

A, B = bytes(range(60)), bytes(range(100, 170))
TIME = 1_790_000_000_123_456_789
"""Far too precise for a float."""


def pcap(order: str, magic: int, *, link: int = 1, unit: int = 1, version: int = 2) -> bytes:
    octets = struct.pack(order + "IHHiIII", magic, version, 4, 0, 0, 65535, link)
    for time, data in ((TIME, A), (TIME + 5_000, B)):
        seconds, rest = divmod(time, 10**9)
        octets += struct.pack(order + "IIII", seconds, rest // unit, len(data), len(data)) + data
    return octets


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(order: str, options: bytes = b"", *, link: int = 1, snap: int = 0) -> bytes:
    return block(order, 1, struct.pack(order + "HHI", link, 0, snap) + options)


def enhanced(order: str, index: int, ticks: int, data: bytes, original: int | None = None) -> bytes:
    size = len(data) if original is None else original
    head = struct.pack(order + "IIIII", index, ticks >> 32, ticks & 0xFFFFFFFF, len(data), size)
    return block(order, 6, head + data + bytes(-len(data) % 4) + option(order, 2, bytes(4)))


def read(path: Path, octets: bytes) -> list[Packet]:
    file = path / "test.pcap"
    file.write_bytes(octets)
    return list(read_capture(file))


@pytest.mark.parametrize("order", "<>")
def test_pcap_of_both_resolutions_and_byte_orders(tmp_path: Path, order: str) -> None:
    assert read(tmp_path, pcap(order, 0xA1B23C4D)) == [Packet(TIME, A), Packet(TIME + 5000, B)]
    micro = TIME // 1000 * 1000
    assert read(tmp_path, pcap(order, 0xA1B2C3D4, unit=1000)) == [Packet(micro, A), Packet(micro + 5000, B)]


def test_fcs_is_cut_off(tmp_path: Path) -> None:
    link = 2 << 28 | 1 << 26 | 1
    assert [packet.octets for packet in read(tmp_path, pcap("<", 0xA1B23C4D, link=link))] == [A[:-4], B[:-4]]
    ng = section("<") + interface("<", option("<", 13, b"\x04")) + enhanced("<", 0, 1, A)
    assert read(tmp_path, ng) == [Packet(1000, A[:-4])]


@pytest.mark.parametrize("order", "<>")
def test_pcapng_with_several_interfaces_and_sections(tmp_path: Path, order: str) -> None:
    nano = option(order, 2, b"eth0") + option(order, 9, b"\x09") + option(order, 0, b"")
    binary = option(order, 9, b"\x8a") + option(order, 14, struct.pack(order + "q", -3))
    other = ">" if order == "<" else "<"
    octets = (
        section(order)
        + interface(order)
        + enhanced(order, 0, 1_000_001, A)
        + interface(order, nano)
        + block(order, 0x0BAD, b"to be skipped")
        + interface(order, binary)
        + enhanced(order, 1, TIME, B)
        + enhanced(order, 2, 5 * 1024 + 512, A)
        + section(other)
        + interface(other)
        + enhanced(other, 0, 7, B)
    )
    assert read(tmp_path, octets) == [
        Packet(1_000_001_000, A),
        Packet(TIME, B),
        Packet(2_500_000_000, A),
        Packet(7_000, B),
    ]


def test_simple_and_old_packet_blocks(tmp_path: Path) -> None:
    simple = block("<", 3, struct.pack("<I", 60) + A)
    old = block("<", 2, struct.pack("<HHIIII", 0, 0, 0, 9, 70, 70) + B)
    octets = section("<") + interface("<", snap=96) + simple + old + simple
    assert read(tmp_path, octets) == [Packet(0, A), Packet(9000, B), Packet(9000, A)]


@pytest.mark.parametrize("nano", [False, True])
def test_scapy_writes_what_we_read(tmp_path: Path, nano: bool) -> None:
    file = tmp_path / "scapy.pcap"
    with PcapWriter(str(file), nano=nano) as writer:
        for time, data in ((1.5, A), (2.25, B)):
            frame = Ether(data)
            frame.time = time
            writer.write(frame)
    assert list(read_capture(file)) == [Packet(1_500_000_000, A), Packet(2_250_000_000, B)]


def test_scapy_writes_pcapng_that_we_read(tmp_path: Path) -> None:
    file = tmp_path / "scapy.pcapng"
    with PcapNgWriter(str(file)) as writer:
        frame = Ether(A)
        frame.time = 1.5
        writer.write(frame)
    assert list(read_capture(file)) == [Packet(1_500_000_000, A)]


def test_scapy_reads_what_we_write(tmp_path: Path) -> None:
    file = tmp_path / "ours.pcap"
    write_capture(file, [Packet(TIME, A), Packet(TIME + 1, B)])
    with PcapReader(str(file)) as reader:
        packets = list(reader)
    assert [bytes(packet) for packet in packets] == [A, B]
    assert [int(packet.time * 10**9) for packet in packets] == [TIME, TIME + 1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    packets=st.lists(
        st.builds(Packet, st.integers(0, 2**32 * 10**9 - 1), st.binary(min_size=1, max_size=100)), max_size=9
    )
)
def test_round_trip(tmp_path: Path, packets: list[Packet]) -> None:
    write_capture(tmp_path / "x.pcap", packets)
    assert list(read_capture(tmp_path / "x.pcap")) == packets


def good_pcapng() -> bytes:
    return section("<") + interface("<") + enhanced("<", 0, 1, A) + enhanced("<", 0, 2, B)


@pytest.mark.parametrize("octets", [pcap("<", 0xA1B23C4D), pcap(">", 0xA1B2C3D4), good_pcapng()])
def test_every_truncation_is_an_error_or_a_shorter_capture(tmp_path: Path, octets: bytes) -> None:
    whole = read(tmp_path, octets)
    for length in range(len(octets)):
        try:
            assert read(tmp_path, octets[:length]) in (whole[:0], whole[:1])
        except CaptureError as error:
            assert str(error).startswith(f"{tmp_path / 'test.pcap'}: the file is ")


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"", "the file is empty"),
        (b"<html><body>", "neither a pcap nor a pcapng file"),
        (pcap("<", 0xA1B23C4D)[:-1], r"truncated: it ends inside a packet \(after packet 2\)"),
        (pcap("<", 0xA1B23C4D, link=113), "link type 113 is not Ethernet"),
        (pcap("<", 0xA1B23C4D, version=3), "pcap version 3 is not supported"),
        (pcap("<", 0xA1B23C4D)[:24] + b"\xff" * 16, "packet 1 claims 4294967295 octets"),
        (
            pcap("<", 0xA1B23C4D)[:24] + struct.pack("<IIII", 0, 0, 60, 1500) + A,
            "only 60 of 1500 octets",
        ),
        (section("<") + interface("<", link=127), "link type 127 is not Ethernet"),
        (section("<") + enhanced("<", 0, 1, A), "names interface 0, which is missing"),
        (section("<") + interface("<") + enhanced("<", 0, 1, A, 61), "holds only 60 of 61 octets"),
        (section("<") + interface("<") + block("<", 6, bytes(8)), "a pcapng block is too short"),
        (section("<") + struct.pack("<II", 6, 9), "a pcapng block claims 9 octets"),
        (section("<")[:8] + bytes(20), "no byte-order magic"),
        (section("<") + interface("<") + enhanced("<", 0, 10**6 << 32, A), "no pcap file can tell"),
        (
            section("<") + interface("<") + block("<", 6, struct.pack("<IIIII", 0, 0, 0, 60, 60) + A[:40]),
            "longer than its block",
        ),
    ],
)
def test_error_names_file_and_problem(tmp_path: Path, octets: bytes, message: str) -> None:
    with pytest.raises(CaptureError, match=f"test.pcap: .*{message}"):
        read(tmp_path, octets)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(start=st.sampled_from([pcap("<", 0xA1B23C4D)[:24], section("<")]), rest=st.binary(max_size=200))
def test_garbage_never_crashes(tmp_path: Path, start: bytes, rest: bytes) -> None:
    try:
        read(tmp_path, start + rest)
    except CaptureError:
        pass


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_capture(tmp_path / "none.pcap"))
