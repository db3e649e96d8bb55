"""The queue for what is rare, with stalls on both sides."""

import random
from collections import deque

import pytest
from amaranth.sim import Simulator
from opentep.gateware.slow_queue import SlowQueue

ROOM = 15


@pytest.mark.parametrize("gives, takes", [(1.0, 1.0), (0.9, 0.2), (0.2, 0.9), (0.5, 0.5)])
def test_words_come_out_in_order(gives: float, takes: float) -> None:
    rng = random.Random(f"{gives} {takes}")
    dut = SlowQueue(20)
    inside: deque[int] = deque()
    most = passed = 0

    async def bench(ctx):
        nonlocal most, passed
        word, shown = rng.getrandbits(20), None
        for _ in range(2000):
            ctx.set(dut.input.valid, rng.random() < gives)
            ctx.set(dut.input.payload, word)
            ctx.set(dut.output.ready, rng.random() < takes)
            given = ctx.get(dut.input.valid) and ctx.get(dut.input.ready)
            valid, payload = ctx.get(dut.output.valid), ctx.get(dut.output.payload)
            assert shown is None or (valid and payload == shown), "what is shown stays until it is taken"
            shown = payload if valid else None
            if valid and ctx.get(dut.output.ready):
                assert payload == inside.popleft()
                shown = None
                passed += 1
            if given:
                inside.append(word)
                word = rng.getrandbits(20)
            most = max(most, len(inside))
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    assert passed > 300
    assert most == ROOM if gives > takes else most <= ROOM
