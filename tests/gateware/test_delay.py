# amaranth: UnusedElaboratable=no
"""The delay line is late by exactly as many clocks as it says, as flip-flops and as LUT RAM."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.delay import DelayLine


@pytest.mark.parametrize("clocks", [1, 2, 3, 4, 15, 16])
def test_delay(clocks):
    rng = random.Random(clocks)
    values = [rng.randrange(1 << 12) for _ in range(100)]
    dut = DelayLine(12, clocks)
    seen = []

    async def bench(ctx):
        for value in values:
            ctx.set(dut.input, value)
            _, _, output = await ctx.tick().sample(dut.output)
            seen.append(output)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen[clocks:] == values[: len(values) - clocks]


@pytest.mark.parametrize("clocks", [0, 17])
def test_impossible_delays_are_refused(clocks):
    with pytest.raises(ValueError, match="clocks must be from 1 to 16"):
        DelayLine(8, clocks)
