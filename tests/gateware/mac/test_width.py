# amaranth: UnusedElaboratable=no
"""Widths: frames stay what they are, at any stall."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.mac.width import Narrower, Widener
from opentep.sim.mac import Collector, frame_words, random_lengths

PAIRS = [(8, 32), (8, 64), (32, 64), (32, 512), (64, 512), (8, 512)]


def frames_of(seed, wide):
    rng = random.Random(seed)
    lengths = [*range(1, wide // 8 * 2 + 3), *random_lengths(rng, 30, 300)]
    return [(rng.randbytes(length), bool(rng.randrange(4))) for length in lengths]


@pytest.mark.parametrize("pauses", [0, 0.4])
@pytest.mark.parametrize("narrow, wide", PAIRS)
def test_widener(narrow, wide, pauses):
    frames = frames_of(narrow * wide, wide)
    dut = Widener(narrow, wide)
    rng = random.Random(1)
    collector = Collector(wide)
    simulator = Simulator(dut)
    simulator.add_clock(8e-9)

    async def drive(ctx):
        words = [word for octets, good in frames for word in frame_words(octets, narrow, error=not good)]
        while words:
            valid = rng.random() >= pauses
            ctx.set(dut.input.valid, valid)
            ctx.set(dut.input.payload.as_value(), words.pop(0) if valid else rng.getrandbits(narrow))
            await ctx.tick()
            if ctx.get(dut.output.valid):
                collector.add(ctx.get(dut.output.payload.as_value()))

    simulator.add_testbench(drive)
    simulator.run()
    assert collector.frames == frames


@pytest.mark.parametrize("stalls", [0, 0.4])
@pytest.mark.parametrize("narrow, wide", PAIRS)
@pytest.mark.parametrize("widens", [False, True])
def test_both_ways_with_stalls(narrow, wide, stalls, widens):
    frames = frames_of(narrow * wide, wide)
    dut = Widener(narrow, wide, waits=True) if widens else Narrower(wide, narrow)
    rng = random.Random(2)
    came, left = (narrow, wide) if widens else (wide, narrow)
    collector = Collector(left)
    words = sum(-(-len(octets) // (narrow // 8)) for octets, _ in frames)
    clocks = 0
    simulator = Simulator(dut)
    simulator.add_clock(8e-9)

    async def feed(ctx):
        for octets, good in frames:
            for word in frame_words(octets, came, error=not good):
                while rng.random() < stalls:
                    await ctx.tick()
                ctx.set(dut.input.valid, 1)
                ctx.set(dut.input.payload.as_value(), word)
                await ctx.tick().until(dut.input.ready)
                ctx.set(dut.input.valid, 0)

    async def take(ctx):
        nonlocal clocks
        stalled = None
        while len(collector.frames) < len(frames):
            ready = rng.random() >= stalls
            ctx.set(dut.output.ready, ready)
            _, _, valid, word = await ctx.tick().sample(dut.output.valid, dut.output.payload)
            clocks += 1
            assert stalled is None or (valid and word.as_bits() == stalled)
            stalled = word.as_bits() if valid and not ready else None
            if valid and ready:
                collector.add(word.as_bits())

    simulator.add_testbench(feed)
    simulator.add_testbench(take)
    simulator.run()
    assert collector.frames == frames
    assert stalls or clocks <= words + 1


@pytest.mark.parametrize(
    "narrow, wide, message", [(32, 32, "less than"), (24, 64, "power of two"), (4, 32, "8 or")]
)
def test_bad_arguments(narrow, wide, message):
    for make in (lambda: Widener(narrow, wide), lambda: Narrower(wide, narrow)):
        with pytest.raises(ValueError, match=message):
            make()
