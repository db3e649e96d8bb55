# amaranth: UnusedElaboratable=no
"""The head start: a frame whose words come with pauses leaves without any, if they are within its head start."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.mac.start_gate import StartGate
from opentep.sim.mac import Collector, frame_words

WIDTH = 32


def run(dut, frames, *, offer=1.0, take=1.0, seed=1):
    """Frames that leave, and per frame whether it paused while the output was ready. ``offer``, ``take``:
    probabilities per clock."""
    rng = random.Random(seed)
    collector = Collector(WIDTH)
    paused = [False] * len(frames)
    clocks = 0
    simulator = Simulator(dut)
    simulator.add_clock(8e-9)

    async def feed(ctx):
        for octets, good in frames:
            for word in frame_words(octets, WIDTH, error=not good):
                while rng.random() >= offer:
                    await ctx.tick()
                ctx.set(dut.input.valid, 1)
                ctx.set(dut.input.payload.as_value(), word)
                await ctx.tick().until(dut.input.ready)
                ctx.set(dut.input.valid, 0)

    async def drain(ctx):
        nonlocal clocks
        stalled = None
        while len(collector.frames) < len(frames):
            ready = rng.random() < take
            ctx.set(dut.output.ready, ready)
            _, _, valid, word = await ctx.tick().sample(dut.output.valid, dut.output.payload)
            clocks += 1
            assert clocks < 100_000, "the gate stays closed"
            assert stalled is None or (valid and word.as_bits() == stalled)
            stalled = word.as_bits() if valid and not ready else None
            if valid and ready:
                collector.add(word.as_bits())
            elif ready and collector.current:
                paused[len(collector.frames)] = True

    simulator.add_testbench(feed)
    simulator.add_testbench(drain)
    simulator.run()
    return collector.frames, paused, clocks


def random_frames(rng, count, longest):
    return [(rng.randbytes(rng.randrange(1, longest)), bool(rng.randrange(4))) for _ in range(count)]


@pytest.mark.parametrize("threshold, depth", [(1, 2), (1, 16), (4, 4), (16, 16), (5, 32)])
@pytest.mark.parametrize("offer, take", [(1.0, 1.0), (0.3, 1.0), (1.0, 0.3), (0.5, 0.5)])
def test_frames_pass_unchanged(threshold, depth, offer, take):
    frames = random_frames(random.Random(threshold), 60, 100)
    assert (
        run(StartGate(WIDTH, threshold=threshold, depth=depth), frames, offer=offer, take=take)[0] == frames
    )


def test_frames_within_the_threshold_leave_without_a_pause():
    frames = random_frames(random.Random(2), 60, 16 * WIDTH // 8 + 1)
    left, paused, _ = run(StartGate(WIDTH, threshold=16, depth=16), frames, offer=0.2)
    assert left == frames and not any(paused)
    left, paused, _ = run(StartGate(WIDTH, threshold=2, depth=16), frames, offer=0.2)
    assert left == frames and any(paused)


def test_one_clock_per_frame():
    frames = [(bytes(40), True)] * 60
    words = sum(len(frame_words(octets, WIDTH)) for octets, _ in frames)
    left, _, clocks = run(StartGate(WIDTH, threshold=16, depth=16), frames)
    assert left == frames
    assert clocks <= words + len(frames) + 20


@pytest.mark.parametrize("threshold, depth", [(0, 16), (17, 16), (1, 1), (1.0, 16)])
def test_bad_arguments(threshold, depth):
    with pytest.raises(ValueError, match="must be"):
        StartGate(WIDTH, threshold=threshold, depth=depth)
