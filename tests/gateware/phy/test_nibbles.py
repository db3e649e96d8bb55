"""Octets from nibbles: random packets with whatever a PHY may do to preamble, end and gap."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.phy.nibbles import NibbleAssembler


def run(nibbles):
    """(valid, error, data) of every octet that comes out, for (valid, error, data) of every nibble."""
    dut = NibbleAssembler()
    octets = []

    async def bench(ctx):
        for valid, error, data in [*nibbles, (0, 0, 0), (0, 0, 0)]:
            ctx.set(dut.input.valid, valid)
            ctx.set(dut.input.error, error)
            ctx.set(dut.input.data, data)
            await ctx.tick()
            if ctx.get(dut.output.enable):
                octets.append(tuple(int(ctx.get(getattr(dut.output, n))) for n in ("valid", "error", "data")))

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return octets


def packets(octets):
    """Octets with their errors, packet by packet."""
    found = [[]]
    for valid, error, data in octets:
        if valid:
            found[-1].append((data, error))
        elif found[-1]:
            found.append([])
    return found[:-1] if not found[-1] else found


def as_nibbles(octets):
    return [nibble for octet in octets for nibble in (octet & 15, octet >> 4)]


@pytest.mark.parametrize("seed", range(4))
def test_packets(seed):
    rng = random.Random(seed)
    stream, expected = [(0, 0, 0)] * rng.randrange(1, 4), []
    for _ in range(150):
        content = rng.randbytes(rng.choice((1, 2, 3, 64, 100)))
        lost = rng.randrange(15)
        dribble = rng.random() < 0.3
        nibbles = ([5] * 15 + [13])[lost:] + as_nibbles(content) + [rng.randrange(16)] * dribble
        spoilt = set(rng.sample(range(len(nibbles)), rng.choice((0, 0, 1, 2))))
        stream += [(1, k in spoilt, nibble) for k, nibble in enumerate(nibbles)]
        stream += [(0, rng.random() < 0.1, rng.randrange(16)) for _ in range(rng.choice((1, 2, 3, 24)))]
        first = 16 - lost
        expected.append(
            [
                (octet, first + 2 * k in spoilt or first + 2 * k + 1 in spoilt)
                for k, octet in enumerate(content)
            ]
        )
    got = packets(run(stream))
    assert len(got) == len(expected)
    for packet, wanted in zip(got, expected, strict=True):
        start = [octet for octet, _ in packet].index(0xD5) + 1
        assert all(octet == 0x55 for octet, _ in packet[: start - 1])
        assert packet[start:] == wanted


def test_noise_does_not_wedge():
    rng = random.Random(9)
    noise = [(rng.random() < 0.8, rng.getrandbits(1), rng.randrange(16)) for _ in range(3000)]
    frame = [5] * 15 + [13] + as_nibbles(b"after")
    stream = [*noise, (0, 0, 0), *((1, 0, nibble) for nibble in frame), (0, 0, 0)]
    assert packets(run(stream))[-1] == [(octet, 0) for octet in b"\x55" * 7 + b"\xd5after"]


def test_gap_is_seen_at_once_and_in_octet_times():
    stream = [(0, 0, 0)] * 2 + [(1, 0, 5)] * 5 + [(0, 0, 0)] * 8
    gaps = [octet for octet in run(stream) if not octet[0]]
    assert len(gaps) >= 5
    assert len(packets(run([(1, 0, 1)] * 6 + [(0, 0, 0)] + [(1, 0, 2)] * 6))) == 2
