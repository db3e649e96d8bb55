# amaranth: UnusedElaboratable=no
"""The receiver at GMII: every kind of damage at every octet, and what follows is not disturbed."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.mac.receiver import Receiver
from opentep.sim.mac import START, Collector, Packet, random_lengths, received

MAX_FRAME = 100


def receive(packets, *, max_frame=MAX_FRAME, gap=1, every=1, noise=False, seed=1):
    """Frames that come out, ``every``: clocks per octet."""
    dut = Receiver(max_frame)
    rng = random.Random(seed)
    collector = Collector(8)
    simulator = Simulator(dut)
    simulator.add_clock(8e-9)

    async def drive(ctx):
        async def octet(valid, error, data):
            for clock in range(every):
                ctx.set(dut.gmii.enable, clock == every - 1)
                ctx.set(dut.gmii.valid, valid)
                ctx.set(dut.gmii.error, error)
                ctx.set(dut.gmii.data, data)
                _, _, out, payload = await ctx.tick().sample(dut.output.valid, dut.output.payload)
                if out:
                    collector.add(payload.as_bits())

        for packet in packets:
            for _ in range(gap):
                await octet(0, noise and rng.randrange(2), rng.randrange(256))
            for offset, data in enumerate(packet.octets):
                await octet(1, offset in packet.errors, data)
        for _ in range(4):
            await octet(0, 0, 0)

    simulator.add_testbench(drive)
    simulator.run()
    assert not collector.current
    return collector.frames


def check(packets, **options):
    wanted = [received(packet, options.get("max_frame", MAX_FRAME)) for packet in packets]
    assert receive(packets, **options) == [frame for frame in wanted if frame is not None]


def good(rng, length=60):
    return Packet.of(rng.randbytes(length))


@pytest.mark.parametrize("every", [1, 2, 5])
def test_random_packets(every):
    rng = random.Random(every)
    packets = []
    for length in random_lengths(rng, 200 // every, MAX_FRAME + 40):
        packet = good(rng, length)
        octets = bytearray(packet.octets)
        errors = frozenset()
        match rng.randrange(8):
            case 0:
                octets[rng.randrange(len(octets))] ^= 1 << rng.randrange(8)
            case 1:
                errors = frozenset({rng.randrange(len(octets))})
            case 2:
                octets = octets[rng.randrange(8) :]
            case 3:
                octets = octets[: rng.randrange(1, len(octets))]
        packets += [Packet(bytes(octets), errors), good(rng)]
    check(packets, every=every, gap=rng.choice((1, 3)), noise=True)


def test_every_length():
    rng = random.Random(3)
    check([good(rng, length) for length in range(1, MAX_FRAME + 20)])


def test_every_truncation():
    rng = random.Random(4)
    whole = good(rng)
    packets = [Packet(whole.octets[:end]) for end in range(1, len(whole.octets))]
    check([packet for cut in packets for packet in (cut, good(rng))])


def test_rx_er_at_every_octet():
    rng = random.Random(5)
    packets = []
    for offset in range(72):
        packets += [Packet(good(rng).octets, frozenset({offset})), good(rng)]
    check(packets)


def test_a_bit_error_in_every_octet():
    rng = random.Random(6)
    packets = []
    for offset in range(72):
        octets = bytearray(good(rng).octets)
        octets[offset] ^= 1 << rng.randrange(8)
        packets.append(Packet(bytes(octets)))
    check(packets)


def test_any_preamble_length():
    rng = random.Random(7)
    body = good(rng).octets[7:]
    check([Packet(b"\x55" * count + body) for count in (*range(20), 300)])


def test_a_frame_within_a_damaged_one_does_not_come_out():
    rng = random.Random(8)
    inner = good(rng)
    damaged = bytearray(Packet.of(rng.randbytes(20)).octets[:20]) + inner.octets
    damaged[7] = 0xC5
    assert receive([Packet(bytes(damaged)), inner]) == [received(inner, MAX_FRAME)]


def test_after_reset_the_rest_of_a_packet_is_not_taken():
    inner = good(random.Random(9))
    assert receive([inner, inner], gap=0) == []


@pytest.mark.parametrize("max_frame", [64, 65, 127, 128, 1518])
def test_the_longest_frame(max_frame):
    rng = random.Random(max_frame)
    packets = [good(rng, max_frame - 4 + more) for more in (0, 1, -1, 3)]
    packets.append(Packet(START + bytes(2 * max_frame)))
    check([*packets, good(rng)], max_frame=max_frame)


@pytest.mark.parametrize("max_frame", [63, 1 << 14, 1518.0])
def test_bad_arguments(max_frame):
    with pytest.raises(ValueError, match="max_frame must be"):
        Receiver(max_frame)
