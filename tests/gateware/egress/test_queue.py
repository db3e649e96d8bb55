"""The queue keeps order, takes as many as it says, and is quick when empty."""

import random
from dataclasses import replace

import pytest
from amaranth.sim import Simulator
from opentep.gateware.egress.queue import Queue
from opentep.gateware.headers import Descriptor, Edit
from opentep.gateware.params import Params

PARAMS = Params(queue_depth=16)


def simulate(dut, *benches):
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()


async def put(ctx, dut, number):
    value = {"head": number % 128, "end": number, "edit": Edit.RETAG}
    ctx.set(dut.enqueue.payload, Descriptor(PARAMS).const(value))
    ctx.set(dut.enqueue.valid, 1)
    _, _, ready = await ctx.tick().sample(dut.enqueue.ready)
    ctx.set(dut.enqueue.valid, 0)
    return ready


def test_latency_and_depth():
    dut = Queue(PARAMS, 0)

    async def bench(ctx):
        await ctx.tick()
        assert await put(ctx, dut, 1)
        assert ctx.get(dut.output.valid) and ctx.get(dut.output.payload.end) == 1
        accepted = 0
        await ctx.tick()
        while await put(ctx, dut, 2 + accepted):
            accepted += 1
            await ctx.tick()
        assert accepted + 1 == PARAMS.queue_depth

    simulate(dut, bench)


@pytest.mark.parametrize("width", (32, 512))
@pytest.mark.parametrize("put_chance", (0.15, 0.9))
@pytest.mark.parametrize("take_chance", (0.15, 0.9))
def test_order(put_chance, take_chance, width):
    rng = random.Random(1)
    dut = Queue(replace(PARAMS, width=width), 0)
    count = 500

    async def source(ctx):
        number = 0
        while number < count:
            if rng.random() < put_chance:
                number += await put(ctx, dut, number)
            await ctx.tick()

    async def sink(ctx):
        number, stalled = 0, None
        while number < count:
            ready = rng.random() < take_chance
            ctx.set(dut.output.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(dut.output.valid, dut.output.payload)
            if stalled is not None:
                assert valid and payload.as_bits() == stalled
            stalled = payload.as_bits() if valid and not ready else None
            if valid and ready:
                assert (payload.end, payload.head) == (number, number % 128)
                number += 1

    simulate(dut, source, sink)
