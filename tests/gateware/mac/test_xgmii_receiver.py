# amaranth: UnusedElaboratable=no
"""The receiver at XGMII: every kind of damage at every octet, both start lanes, and what follows is not disturbed."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.mac.xgmii_receiver import XgmiiReceiver
from opentep.gateware.phy.xgmii import COLUMN_LANES, LANES, Control
from opentep.sim.mac import START, Collector, Packet, random_lengths
from opentep.sim.xgmii import lanes_of, received_xgmii, words_of

MAX_FRAME = 100
LEAST_GAP = 5
"""Octets, /T/ included: what may be left of a gap at a receiver (IEEE 802.3, 46.2.1)."""


def run(words, *, max_frame=MAX_FRAME):
    """Frames that come out."""
    dut = XgmiiReceiver(max_frame)
    collector = Collector(8 * LANES)
    simulator = Simulator(dut)
    simulator.add_clock(6.4e-9)

    async def drive(ctx):
        for data, control in words:
            ctx.set(dut.xgmii.data, dut.xgmii.data.shape().from_bits(data))
            ctx.set(dut.xgmii.control, control)
            _, _, valid, word = await ctx.tick().sample(dut.output.valid, dut.output.payload)
            if valid:
                collector.add(word.as_bits())

    simulator.add_testbench(drive)
    simulator.run()
    assert not collector.current
    return collector.frames


def spaced(packets, gap=LEAST_GAP, shift=0):
    """The packets with the idle lanes before each: the least number that makes the gap and ends a column. ``shift``:
    columns before the first."""
    at = 0
    for number, packet in enumerate(packets):
        idle = gap - 1 if number else shift * COLUMN_LANES
        idle += -(at + idle) % COLUMN_LANES
        yield idle, packet
        at += idle + len(packet.octets) + 1


def check(packets, *, max_frame=MAX_FRAME, gap=LEAST_GAP, error=Control.ERROR):
    wanted = [received_xgmii(packet, max_frame) for packet in packets]
    wanted = [frame for frame in wanted if frame is not None]
    for shift in range(2):
        words = words_of(lanes_of(spaced(packets, gap, shift), error=error))
        assert run(words, max_frame=max_frame) == wanted


def good(rng, length=60):
    return Packet.of(rng.randbytes(length))


def between(packets, rng):
    """Good ones behind each."""
    return [one for packet in packets for one in (packet, good(rng, rng.randrange(60, 68)))]


@pytest.mark.parametrize("gap", [5, 9, 12])
def test_random_packets(gap):
    rng = random.Random(gap)
    packets = []
    for length in random_lengths(rng, 200, MAX_FRAME + 40):
        packet = good(rng, length)
        octets = bytearray(packet.octets)
        errors = frozenset()
        match rng.randrange(8):
            case 0:
                octets[rng.randrange(len(octets))] ^= 1 << rng.randrange(8)
            case 1:
                errors = frozenset({rng.randrange(1, len(octets))})
            case 2:
                octets = octets[rng.randrange(8) :]
            case 3:
                octets = octets[: rng.randrange(1, len(octets))]
        octets[0] = START[0]
        packets.append(Packet(bytes(octets), errors))
    check(between(packets, rng), gap=gap)


def test_every_length():
    rng = random.Random(3)
    check([good(rng, length) for length in range(1, MAX_FRAME + 20)])


def test_every_truncation():
    rng = random.Random(4)
    whole = good(rng)
    check(between([Packet(whole.octets[:end]) for end in range(1, len(whole.octets))], rng))


@pytest.mark.parametrize("character", [Control.ERROR, Control.IDLE, Control.SEQUENCE], ids=lambda c: c.name)
def test_a_control_character_at_every_octet(character):
    rng = random.Random(5)
    packets = [Packet(good(rng).octets, frozenset({offset})) for offset in range(1, 72)]
    check(between(packets, rng), error=character)


def test_a_bit_error_in_every_octet():
    rng = random.Random(6)
    packets = []
    for offset in range(1, 72):
        octets = bytearray(good(rng).octets)
        octets[offset] ^= 1 << rng.randrange(8)
        packets.append(Packet(bytes(octets)))
    check(packets)


@pytest.mark.parametrize("at", [*range(9, 80, 4)])
def test_a_packet_that_begins_within_another(at):
    """Where /T/ and the gap are lost the first one is bad, and the second one comes."""
    rng = random.Random(at)
    for shift in (0, 4):
        broken, whole = good(rng, 100), good(rng, 63)
        cut = at + 3 - (at + 3) % 4
        lanes = lanes_of([(shift, Packet(broken.octets[:cut]))])[:-1] + lanes_of([(0, whole)])
        frames = run(words_of(lanes))
        assert frames[-1] == received_xgmii(whole, MAX_FRAME)
        assert len(frames) <= 2 and not any(intact for _, intact in frames[:-1])


def test_a_frame_within_a_damaged_one_does_not_come_out():
    rng = random.Random(8)
    inner = good(rng)
    damaged = bytearray(Packet.of(rng.randbytes(20)).octets[:20]) + inner.octets
    damaged[7] = 0xC5
    check([Packet(bytes(damaged)), inner])


def test_ordered_sets_and_noise_between_packets():
    rng = random.Random(9)
    lanes, wanted = [], []
    for _ in range(60):
        for _ in range(rng.randrange(1, 9)):
            lanes += [(Control.SEQUENCE, 1), *((rng.randrange(256), 0) for _ in range(3))]
        packet = good(rng, rng.randrange(60, 90))
        wanted.append(received_xgmii(packet, MAX_FRAME))
        lanes += lanes_of([(4, packet)])
        lanes += [(Control.IDLE, 1)] * (4 + -len(lanes) % 4)
    assert run(words_of(lanes)) == wanted


def test_noise_does_not_wedge():
    rng = random.Random(10)
    characters = [control.value for control in Control]
    noise = [
        (rng.choice(characters), 1) if rng.random() < 0.1 else (rng.randrange(256), 0) for _ in range(8000)
    ]
    packet = good(rng)
    words = words_of([*noise, (Control.IDLE, 1)], 1) + words_of(lanes_of([(0, packet)]))
    frames = run(words)
    assert frames[-1] == received_xgmii(packet, MAX_FRAME)
    assert not any(intact for _, intact in frames[:-1])


def test_after_reset_the_rest_of_a_packet_is_not_taken():
    packet = good(random.Random(11))
    assert run(words_of(lanes_of([(0, packet)])[8:])) == []


@pytest.mark.parametrize("max_frame", [*range(64, 73), 127, 128, 1518])
def test_the_longest_frame(max_frame):
    rng = random.Random(max_frame)
    packets = [good(rng, max_frame - 4 + more) for more in (0, 1, -1, 3)]
    packets.append(Packet(START + bytes(2 * max_frame)))
    check([*packets, good(rng)], max_frame=max_frame)


@pytest.mark.parametrize("max_frame", [63, 1 << 14, 1518.0])
def test_bad_arguments(max_frame):
    with pytest.raises(ValueError, match="max_frame must be"):
        XgmiiReceiver(max_frame)
