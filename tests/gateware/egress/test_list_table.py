"""A lookup sees what the host wrote before it; the host never waits."""

import random

from amaranth.hdl import unsigned
from amaranth.sim import Simulator
from opentep.gateware.egress.lists import ListTable

DEPTH = 16
HOST_CLOCKS = 8


def test_lookups_beside_the_host():
    rng = random.Random(1)
    dut = ListTable(unsigned(12), DEPTH, clear=12)
    held = [0] * DEPTH
    running = True

    async def host(ctx):
        nonlocal running
        await ctx.tick().repeat(DEPTH + 2)
        for _ in range(300):
            index, value, write = rng.randrange(DEPTH), rng.getrandbits(12), rng.getrandbits(1)
            ctx.set(dut.bus.index, index)
            ctx.set(dut.bus.w_data, value)
            ctx.set(dut.bus.w_stb if write else dut.bus.r_stb, 1)
            for _ in range(HOST_CLOCKS):
                _, _, done = await ctx.tick().sample(dut.bus.done)
                ctx.set(dut.bus.w_stb, 0)
                ctx.set(dut.bus.r_stb, 0)
                if done:
                    break
            else:
                raise AssertionError("the host waits")
            if write:
                held[index] = value
            else:
                assert ctx.get(dut.bus.r_data) == held[index]
            await ctx.tick().repeat(rng.randrange(1, 4))
        running = False

    async def lookup(ctx):
        await ctx.tick().repeat(DEPTH + 2)
        while running:
            index = rng.randrange(DEPTH)
            before = held[index]
            ctx.set(dut.index, index)
            while True:
                _, _, ready = await ctx.tick().sample(dut.ready)
                if ready:
                    break
            await ctx.tick()
            data = ctx.get(dut.data)
            await ctx.tick()
            # What was written meanwhile may show a clock before the host knows.
            assert data in (before, held[index])

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(host)
    simulator.add_testbench(lookup)
    simulator.run()
