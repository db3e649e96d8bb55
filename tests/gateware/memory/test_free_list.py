# amaranth: UnusedElaboratable=no
"""The free list loses no cell and doubles none."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.memory.cell_queue import CellQueue
from opentep.gateware.memory.free_list import FreeList


@pytest.mark.parametrize("cells", [0, 1, 6, "8"])
def test_bad_size(cells):
    with pytest.raises(ValueError, match="power of two"):
        CellQueue(cells)


@pytest.mark.parametrize("cells", [4, 32])
@pytest.mark.parametrize("take", [0.3, 1.0])
def test_every_cell_circulates(cells, take):
    dut = FreeList(cells)
    rng = random.Random(cells)

    async def bench(ctx):
        held = set()
        takes = 0

        async def clock(give, ready):
            nonlocal takes
            ctx.set(dut.freed.valid, give)
            if give:
                cell = rng.choice(sorted(held))
                held.remove(cell)
                ctx.set(dut.freed.payload, cell)
            ctx.set(dut.output.ready, ready)
            if ready and ctx.get(dut.output.valid):
                cell = ctx.get(dut.output.payload)
                assert cell != 0
                assert cell not in held
                held.add(cell)
                takes += 1
            await ctx.tick()

        # From the first clock on: cells come back while the list is still filled.
        for _ in range(600):
            await clock(bool(held) and rng.random() < 0.7, rng.random() < take)
        for _ in range(cells + 8):
            await clock(False, True)
        assert held == set(range(1, cells))
        assert takes > 150

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_one_cell_per_clock():
    """A cell that comes back in every clock goes out in every clock."""
    dut = FreeList(16)

    async def bench(ctx):
        ctx.set(dut.output.ready, 1)
        for _ in range(6):
            await ctx.tick()
        for _ in range(100):
            assert ctx.get(dut.output.valid)
            ctx.set(dut.freed.valid, 1)
            ctx.set(dut.freed.payload, ctx.get(dut.output.payload))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
