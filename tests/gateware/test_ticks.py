# amaranth: UnusedElaboratable=no
"""Ticks and seconds come at even distances."""

from itertools import pairwise

import pytest
from amaranth.sim import Simulator
from opentep.gateware.ticks import Ticks


def test_ticks_and_seconds():
    dut = Ticks(3 * 4096)
    ticks, seconds = [], []

    async def bench(ctx):
        for clock in range(3 * 4096 * 2 + 10):
            if ctx.get(dut.storm.tick):
                ticks.append(clock)
            if ctx.get(dut.second):
                seconds.append(clock)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert {b - a for a, b in pairwise(ticks)} == {3}
    assert seconds == ticks[4095::4096] and len(seconds) == 2


def test_a_clock_that_is_too_slow_is_refused():
    with pytest.raises(ValueError, match="at least 8192"):
        Ticks(8000)
