"""Frames as octets: COBS, bursts, replies, and cutting a stream into frames."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentep.gateware.hostlink.format import Kind, Status
from opentep.host.link.protocol import (
    BURST_WORDS,
    REPEAT,
    FrameError,
    FrameSplitter,
    Read,
    Write,
    cobs_decode,
    cobs_encode,
    decode_reply,
    encode_hello,
    encode_request,
)

CONTENT = st.binary(max_size=600) | st.lists(st.sampled_from([0, 1, 255]), max_size=600).map(bytes)


@given(CONTENT)
def test_stuffing_is_reversible_and_free_of_zeros(content):
    encoded = cobs_encode(content)
    assert 0 not in encoded
    assert len(encoded) <= len(content) + len(content) // 254 + 1
    assert cobs_decode(encoded) == content


@pytest.mark.parametrize(
    ("content", "encoded"),
    [
        (b"", b"\x01"),
        (b"\0", b"\x01\x01"),
        (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33"),
        (b"\x11\0\0\0", b"\x02\x11\x01\x01\x01"),
        (bytes(range(1, 255)), b"\xff" + bytes(range(1, 255)) + b"\x01"),
        (bytes(range(256)), b"\x01\xff" + bytes(range(1, 255)) + b"\x02\xff"),
    ],
)
def test_stuffing_examples(content, encoded):
    assert cobs_encode(content) == encoded


@given(st.binary(max_size=300))
def test_unstuffing_takes_or_refuses_anything(encoded):
    try:
        cobs_decode(encoded)
    except FrameError:
        pass


@given(st.lists(CONTENT.map(cobs_encode), max_size=6), st.data())
def test_splitter_does_not_care_about_pieces(frames, data):
    octets = b"".join(frame + b"\0" for frame in frames)
    splitter = FrameSplitter()
    found = []
    while octets:
        size = data.draw(st.integers(1, len(octets)))
        found += splitter.feed(octets[:size])
        octets = octets[size:]
    assert found == [frame for frame in frames if len(frame) <= 288]


def reply(*words):
    content = struct.pack(f"<{len(words)}I", *words)
    return cobs_encode(content + struct.pack("<I", zlib.crc32(content)))


def test_replies():
    decoded = decode_reply(reply(0x81 | 7 << 8 | 9 << 16, 5, 6, 1))
    assert (decoded.kind, decoded.sequence, decoded.expected) == (Kind.READ, 7, 9)
    assert (decoded.words, decoded.status) == ((5, 6), Status.BUS_ERROR)
    for broken in (
        cobs_encode(b""),
        reply(0x81),  # no status
        reply(0x01, 0),  # a request
        reply(0xC0, 0),  # an unknown kind
        reply(0x81, 99),  # an unknown status
        reply(0x81, 0)[:-1],
    ):
        with pytest.raises(FrameError):
            decode_reply(broken)


def test_every_single_bit_error_in_a_frame_is_noticed():
    good = reply(0x81 | 7 << 8 | 9 << 16, 0, 0x12345678, 0)
    for bit in range(8 * len(good)):
        damaged = bytearray(good)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FrameError):
            decode_reply(bytes(damaged))


def test_request_layout():
    content = cobs_decode(encode_request(0xAABBCCDD, 5, Write(0x12345, (1, 2, 3), 3, 2))[:-1])
    assert content[:-4] == struct.pack(
        "<BBBBIIIII", 2, 5, 3, 0, 0xAABBCCDD, 0x12345 | 2 << 20 | 2 << 25, 1, 2, 3
    )
    hello = cobs_decode(encode_hello(0xAABBCCDD, 5)[:-1])
    assert hello[:-4] == struct.pack("<BBBBII", 0, 5, 0, 0, 0xAABBCCDD, 1)


def test_longest_burst_is_mostly_data():
    frame = encode_request(1, 2, Write(3, tuple(range(0x01010101, 0x01010101 + BURST_WORDS))))
    assert 4 * BURST_WORDS / len(frame) > 0.93


@pytest.mark.parametrize(
    "make",
    [
        lambda: Read(0, 0),
        lambda: Read(0, BURST_WORDS + 1),
        lambda: Read(1 << 20, 1),
        lambda: Read(-1, 1),
        lambda: Write(0, ()),
        lambda: Read(0, 4, 3, 2),
        lambda: Read(0, 3, 3, 1),
        lambda: Read(0, 64, 64, 6),
    ],
)
def test_impossible_bursts_are_refused(make):
    with pytest.raises(ValueError, match=r"words|address"):
        make()
    assert Read(0, 6, 3, REPEAT).run == 3
