"""The gateware link against the real host client."""

import random
import struct
import zlib

import pytest
from opentep.gateware.hostlink.format import Kind, Status
from opentep.host.link.client import AccessError, LinkTimeoutError, SessionLostError
from opentep.host.link.protocol import (
    REPEAT,
    FrameSplitter,
    Read,
    Write,
    cobs_decode,
    cobs_encode,
    decode_reply,
    encode_hello,
    encode_request,
)
from opentep.sim.link_line import BAUD, LinkLine, measure


def damage(rng, *, loss=0.0, flip=0.0, garbage=0.0, double=0.0):
    """A bad line: loses and damages octets, adds some, and repeats whole frames."""

    def line(octets):
        result = bytearray()
        for frame in octets.split(b"\0"):
            copies = 2 if rng.random() < double else 1
            for octet in (frame + b"\0") * copies:
                if rng.random() < loss:
                    continue
                result.append(octet ^ (1 << rng.randrange(8) if rng.random() < flip else 0))
                if rng.random() < garbage:
                    result.append(rng.randrange(256))
        return bytes(result[:-1])

    return line


def replies_to(board, octets):
    """What the device answers to raw octets."""
    board.send(octets)
    board.run(len(octets) * 8 + 4000)
    return [decode_reply(frame) for frame in FrameSplitter().feed(board.receive())]


@pytest.mark.parametrize("stall", [0.0, 0.6])
def test_registers_and_tables(stall):
    board = LinkLine(stall=stall)
    client = board.client()
    memory_map = board.memory_map
    assert client.read(memory_map["magic"].start) == [0x600DF00D]
    client.write(memory_map["wide"].start, [1, 2, 0, 0xFFFFFFFF])
    assert client.read(memory_map["wide"].start, 4) == [1, 2, 0, 0xFFFFFFFF]

    rng = random.Random(1)
    entries = [rng.choice([0, rng.getrandbits(80)]) for _ in range(64)]
    words = [tuple(e >> 32 * k & 0xFFFFFFFF for k in range(3)) for e in entries]
    start = memory_map["table"].start
    writes = [Write(start + 4 * k, sum(words[k : k + 21], ()), 3, 2) for k in range(0, 64, 21)]
    client.execute(writes)
    reads = client.execute([Read(start + 4 * k, 3 * len(words[k : k + 21]), 3, 2) for k in range(0, 64, 21)])
    assert sum(reads, ()) == sum(words, ())
    assert client.statistics.resent == 0
    assert board.errors == 0 and board.stable


def test_repeated_runs_write_one_entry_again_and_again():
    board = LinkLine()
    start = board.memory_map["table"].start
    board.client().execute([Write(start, tuple(range(12)), 3, REPEAT)])
    assert board.writes == [start, start + 1, start + 2] * 4
    assert board.client().read(start, 3) == [9, 10, 11]


def test_bus_errors_are_reported_and_the_link_goes_on():
    board = LinkLine()
    client = board.client()
    with pytest.raises(AccessError, match="write at 0x0"):
        client.write(0, [1])
    with pytest.raises(AccessError, match="read at 0x80000"):
        client.read(0x80000)
    assert client.read(0) == [0x600DF00D]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("loss", {"loss": 0.002}),
        ("flips", {"flip": 0.002}),
        ("garbage", {"garbage": 0.002}),
        ("doubles", {"double": 0.3}),
        ("all", {"loss": 0.001, "flip": 0.001, "garbage": 0.001, "double": 0.1}),
    ],
)
@pytest.mark.parametrize("seed", range(6))
def test_bad_line_changes_nothing_but_the_time(name, line, seed):
    """Whatever is lost, damaged, added or repeated: each write is done once, in order, and reads are right."""
    board = LinkLine(seed, stall=0.1)
    client = board.client()
    client.connect()
    rng = random.Random(seed)
    board.to_device, board.to_host = damage(rng, **line), damage(rng, **line)
    start = board.memory_map["table"].start
    entries = [tuple(rng.getrandbits(32) & (0xFFFF if k == 2 else -1) for k in range(3)) for _ in range(64)]
    order = list(range(64))
    rng.shuffle(order)
    client.execute([Write(start + 4 * i, entries[i], 3, 2) for i in order])
    reads = client.execute([Read(start + 4 * i, 3, 3, 2) for i in range(64)])
    assert reads == entries and board.stable
    assert board.writes == [start + 4 * i + k for i in order for k in range(3)]


def test_any_octets_leave_the_link_working():
    board = LinkLine(seed=4)
    rng = random.Random(4)
    good = encode_hello(1, 2) + encode_request(1, 3, Read(0, 64))
    for _ in range(100):
        kind = rng.randrange(4)
        length = rng.choice([1, 10, 300, 900])
        if kind == 0:
            garbage = rng.randbytes(length)
        elif kind == 1:
            garbage = bytes(rng.choice([0, 1, 2, 255]) for _ in range(length))
        elif kind == 2:
            garbage = bytes([rng.choice([0, 255])]) * length
        else:
            garbage = good[: rng.randrange(len(good))]
        board.send(garbage)
        board.run(len(garbage) * 2)
        board.receive()
        assert board.client().read(0) == [0x600DF00D]
    assert board.writes == []
    board.run(2000)
    assert not board.busy


def raw(*words, cut=0):
    content = struct.pack(f"<{len(words)}I", *words)[: -cut or None]
    return cobs_encode(content + struct.pack("<I", zlib.crc32(content))) + b"\0"


def test_malformed_requests_are_refused_whole():
    board = LinkLine()
    session, table = 77, board.memory_map["table"].start
    assert [r.status for r in replies_to(board, encode_hello(session, 0))] == [Status.OK]

    def header(kind, count, sequence=1):
        return kind | sequence << 8 | count << 16

    for bad in [
        raw(header(Kind.WRITE.value, 3), session, table, 1, 2),  # too short for its count
        raw(header(Kind.WRITE.value, 1), session, table, 1, 2),  # too long
        raw(header(Kind.WRITE.value, 0), session, table),  # empty
        raw(header(Kind.READ.value, 0), session, table),
        raw(header(Kind.READ.value, 65), session, table),
        raw(header(Kind.READ.value, 1), session, table, 5),
        raw(header(9, 1), session, table),  # unknown kinds
        raw(header(Kind.WRITE.value | 0x80, 1), session, table, 5),
        raw(header(Kind.HELLO.value, 0), 5, 99),  # another protocol
    ]:
        board.send(bad)
        board.run(4000)
        (frame,) = FrameSplitter().feed(board.receive())
        content = cobs_decode(frame)
        assert content[1:8] == bytes([1, 1, 0, Status.BAD_REQUEST.value, 0, 0, 0])
    for bad in [
        raw(header(Kind.WRITE.value, 1), session),  # shorter than a header
        raw(header(Kind.WRITE.value, 1), session, table, 5, cut=1),  # no whole words
        raw(header(Kind.WRITE.value, 65), session, table, *range(65)),  # longer than any request
        raw(*range(5000)),
    ]:
        assert replies_to(board, bad) == []
    assert board.writes == []
    assert board.errors == 4
    (reply,) = replies_to(board, encode_request(session, 1, Write(table, (1, 2, 3), 3, 2)))
    assert reply.status is Status.OK and len(board.writes) == 3


def test_sequence_numbers():
    """Old requests are answered and not done again, future ones and those of other sessions refused."""
    board = LinkLine()
    write = Write(1, (5,))
    replies_to(board, encode_hello(7, 250))
    for number in range(251, 251 + 20):
        (reply,) = replies_to(
            board, encode_request(7, number % 256, Write(1 if number % 2 else 0, (number,)))
        )
        assert reply.status is (Status.OK if number % 2 else Status.BUS_ERROR)
        assert reply.expected == (number + 1) % 256
    done = len(board.writes)
    for age in range(1, 17):
        number = 271 - age
        (reply,) = replies_to(board, encode_request(7, number % 256, write))
        assert reply.status is (Status.OK if number % 2 else Status.BUS_ERROR)
    for number in (271 - 17, 272, 271 + 100):
        (reply,) = replies_to(board, encode_request(7, number % 256, write))
        assert reply.status is Status.GAP and reply.expected == 15
    (reply,) = replies_to(board, encode_request(8, 15, write))
    assert reply.status is Status.NO_SESSION
    # A repeated hello must not turn the numbers back.
    (reply,) = replies_to(board, encode_hello(7, 250))
    assert reply.status is Status.OK and reply.expected == 15
    assert len(board.writes) == done
    (reply,) = replies_to(board, encode_hello(9, 100))
    assert reply.expected == 101
    (reply,) = replies_to(board, encode_request(7, 15, write))
    assert reply.status is Status.NO_SESSION


def test_second_host_takes_over():
    board = LinkLine()
    first, second = board.client(), board.client()
    first.write(1, [1])
    second.write(1, [2])
    with pytest.raises(SessionLostError):
        first.write(1, [3])
    assert first.read(1) == [2]


def test_dead_line():
    board = LinkLine()
    client = board.client(attempts=3)
    board.to_host = lambda _octets: b""
    with pytest.raises(LinkTimeoutError):
        client.read(0)
    board.to_host = bytes
    assert client.read(0) == [0x600DF00D]


def test_reads_and_writes_wait_for_a_slow_line():
    """Replies that wait for the line hold up requests, and nothing is lost."""
    board = LinkLine()
    client = board.client(timeout=1.0)
    client.connect()
    board.set_stall(0.97)
    requests = [Read(0, 2) if k % 2 else Write(1, (k,)) for k in range(30)]
    requests += [Read(board.memory_map["table"].start, 63, 3, 2)] * 4
    results = client.execute(requests)
    assert results[29][1] == 28 and len(results) == 34
    assert client.statistics.resent == 0


@pytest.mark.parametrize("error", [-0.02, 0.0, 0.02])
def test_uart_pins(error):
    """Two per cent off the nominal rate, in long bursts without a pause between octets."""
    board = LinkLine(baud=BAUD * (1 + error))
    client = board.client(timeout=0.1)
    table = board.memory_map["wide_table"].start
    words = list(range(0xFF, 0xFF + 128))
    client.write(table, words)
    assert client.read(table, 128) == words
    assert client.statistics.resent == 0 and board.errors == 0


@pytest.mark.parametrize("read", [False, True])
def test_line_is_well_used(read):
    assert measure(read=read, rounds=1) > 0.9
