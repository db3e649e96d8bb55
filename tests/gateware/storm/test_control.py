# amaranth: UnusedElaboratable=no
"""Verdicts through storm control: in order, whole, and dropped exactly where a bucket is empty."""

import random
from collections import Counter, deque

import pytest
from amaranth.sim import Simulator
from opentep.gateware.headers import Drop
from opentep.gateware.params import Params
from opentep.gateware.storm.control import StormControl

PARAMS = Params(tenants=64, storm_tenants=16, counted_tenants=16)
COUNT = 600
LIMITS = {0: 3, 5: 40, 15: 1}
LATENCY = 4


def random_verdict(rng, number):
    floods = rng.random() < 0.6
    drop = Drop.NONE if floods or rng.random() < 0.7 else rng.choice([d for d in Drop if d is not Drop.NONE])
    return {
        "drop": drop,
        "ports": 0 if drop is not Drop.NONE else 3 if floods else 1,
        "port": rng.randrange(2),
        "exclude": floods,
        "from_vm": drop is Drop.NONE,
        "floods": floods,
        "tenant": rng.choice([0, 5, 15, 16 + 5, 63]),
        "length": number,
    }


async def write_limit(ctx, bus, index, burst):
    ctx.set(bus.index, index)
    ctx.set(bus.w_data, bus.w_data.shape().const({"rate": 1, "burst": burst}))
    ctx.set(bus.w_stb, 1)
    await ctx.tick()
    ctx.set(bus.w_stb, 0)
    await ctx.tick().until(bus.done)


@pytest.mark.parametrize("offers, takes", [(1.0, 1.0), (0.3, 1.0), (1.0, 0.3), (0.6, 0.6)])
def test_verdicts(offers, takes):
    rng = random.Random(7)
    dut = StormControl(PARAMS)
    sent = [random_verdict(rng, number) for number in range(COUNT)]
    waiting = deque(sent)
    left = []
    interest = {name: rng.getrandbits(32) | 1 << Drop.STORM.value for name in ("always", "sampled")}
    interest["ports"] = 1  # samples of one port only

    async def bench(ctx):
        ctx.set(dut.interest, interest)
        await ctx.tick().until(~dut.busy)
        for index, burst in LIMITS.items():
            await write_limit(ctx, dut.limits, index, burst)
        clocks = 0
        held = None
        while len(left) < COUNT:
            if waiting and not ctx.get(dut.input.valid) and rng.random() < offers:
                ctx.set(dut.input.payload, dut.input.payload.shape().const(waiting[0]))
                ctx.set(dut.input.valid, 1)
            ctx.set(dut.output.ready, rng.random() < takes)
            accepted = ctx.get(dut.input.valid) and ctx.get(dut.input.ready)
            shown = ctx.get(dut.output.payload) if ctx.get(dut.output.valid) else None
            assert held is None or (shown is not None and shown.as_bits() == held.as_bits())
            held = shown
            if shown is not None and ctx.get(dut.output.ready):
                left.append(shown)
                held = None
            await ctx.tick()
            if accepted:
                waiting.popleft()
                ctx.set(dut.input.valid, 0)
            clocks += 1
        if offers == takes == 1:
            assert clocks <= 2 * COUNT + LATENCY + 2
        await ctx.tick().repeat(2)
        assert not ctx.get(dut.busy)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    allowed = Counter()
    drops = 0
    for verdict, result in zip(sent, left, strict=True):
        expected = dict(verdict)
        tenant = verdict["tenant"]
        if verdict["floods"] and tenant in LIMITS:
            allowed[tenant] += 1
            if allowed[tenant] > LIMITS[tenant]:
                expected |= {"drop": Drop.STORM, "ports": 0, "from_vm": False}
                drops += 1
                assert (result.wish.always, result.wish.sampled) == (1, result.port == 0)
        assert {name: getattr(result, name) for name in expected} == expected
    assert drops > 50 and all(allowed[tenant] > burst for tenant, burst in LIMITS.items())


def test_latency():
    dut = StormControl(PARAMS)

    async def bench(ctx):
        await ctx.tick().until(~dut.busy)
        ctx.set(dut.output.ready, 1)
        ctx.set(dut.input.valid, 1)
        assert ctx.get(dut.input.ready)
        clocks = 0
        while not ctx.get(dut.output.valid):
            await ctx.tick()
            ctx.set(dut.input.valid, 0)
            clocks += 1
        assert clocks == LATENCY

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
