"""Chunks in, the same octets in full words out."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.egress.packer import Chunk, Packer


def chunks_of(rng, octets):
    """Frames as lists of (word, first, count, last)."""
    while True:
        pieces = rng.randrange(1, 7)
        for piece in range(pieces):
            first = rng.choice((0, rng.randrange(octets)))
            count = rng.choice((octets - first, rng.randrange(1, octets - first + 1)))
            yield rng.getrandbits(8 * octets), first, count, piece == pieces - 1


@pytest.mark.parametrize("stalls", (False, True))
@pytest.mark.parametrize("width", (32, 64, 128, 256, 512))
def test_concatenates(width, stalls):
    octets = width // 8
    rng = random.Random(width)
    dut = Packer(width)
    source = chunks_of(rng, octets)
    chunks = [next(source) for _ in range(400)]
    while not chunks[-1][3]:
        chunks.append(next(source))
    expected, frame = [], b""
    for word, first, count, last in chunks:
        frame += word.to_bytes(octets, "little")[first : first + count]
        if last:
            expected.append(frame)
            frame = b""
    got = []
    used = 0

    async def feed(ctx):
        place = 0
        for word, first, count, last in chunks:
            while stalls and rng.random() < 0.3:
                await ctx.tick()
            rotate = (place - first) % octets
            payload = {"data": word, "place": place, "rotate": rotate, "count": count, "last": last}
            place = 0 if last else (place + count) % octets
            ctx.set(dut.input.payload, Chunk(width).const(payload))
            ctx.set(dut.input.valid, 1)
            await ctx.tick().until(dut.input.ready)
            ctx.set(dut.input.valid, 0)

    async def take(ctx):
        nonlocal used
        frame, stalled, ready = b"", None, 0
        while len(got) < len(expected):
            ready = not stalls or rng.random() < 0.6
            ctx.set(dut.output.ready, ready)
            _, _, valid, word = await ctx.tick().sample(dut.output.valid, dut.output.payload)
            used += 1
            if stalled is not None:
                assert valid and word.as_bits() == stalled
            stalled = word.as_bits() if valid and not ready else None
            if valid and ready:
                assert 1 <= word.count <= octets and (word.last or word.count == octets)
                frame += word.data.to_bytes(octets, "little")[: word.count]
                if word.last:
                    got.append(frame)
                    frame = b""

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(feed)
    simulator.add_testbench(take)
    simulator.run()
    assert got == expected
    if not stalls:
        assert used <= len(chunks) + len(expected) + dut.stages + 3
