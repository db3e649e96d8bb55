"""Frames of two sources come out whole, each source's in order, and words on offer stay until they are taken."""

import random
from collections import deque

import pytest
from amaranth.sim import Simulator
from opentep.gateware.egress.merge import Merge

WIDTH = 32
FRAMES = 40


def random_frames(rng: random.Random, source: int) -> list[list[int]]:
    """Words that tell their source, frame and place."""
    return [
        [source << 24 | number << 8 | place for place in range(rng.choice([1, 2, 3, 9]))]
        for number in range(FRAMES)
    ]


@pytest.mark.parametrize("main, inject, take", [(1, 1, 1), (0.9, 0.2, 0.7), (0.3, 0.9, 0.3), (1, 0.05, 1)])
def test_merge(main, inject, take):
    rng = random.Random(7)
    dut = Merge(WIDTH)
    sent = {name: random_frames(rng, number) for number, name in enumerate(("main", "inject"))}
    chances = {"main": main, "inject": inject}
    words = {
        name: deque((word, word is frame[-1]) for frame in frames for word in frame)
        for name, frames in sent.items()
    }
    received = []

    async def bench(ctx):
        offering = dict.fromkeys(sent, False)
        frame = []
        stalled = None
        for _ in range(20_000):
            for name, queue in words.items():
                offering[name] = bool(queue) and (offering[name] or rng.random() < chances[name])
                stream = getattr(dut, name)
                ctx.set(stream.valid, offering[name])
                if offering[name]:
                    word, last = queue[0]
                    ctx.set(stream.payload, {"data": word, "count": 4, "last": last, "error": 0})
            ready = rng.random() < take
            ctx.set(dut.output.ready, ready)
            valid, now = ctx.get(dut.output.valid), ctx.get(dut.output.payload)
            if stalled is not None:
                assert valid and now.data == stalled
            stalled = now.data if valid and not ready else None
            for name, queue in words.items():
                if offering[name] and ctx.get(getattr(dut, name).ready):
                    assert valid and ready and queue.popleft() == (now.data, bool(now.last))
                    offering[name] = False
            if valid and ready:
                frame.append(now.data)
                if now.last:
                    received.append(frame)
                    frame = []
            await ctx.tick()
            if not any(words.values()):
                return
        raise AssertionError("frames are stuck")

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    for number, name in enumerate(("main", "inject")):
        assert [frame for frame in received if frame[0] >> 24 == number] == sent[name]
