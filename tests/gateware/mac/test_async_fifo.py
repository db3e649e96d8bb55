# amaranth: UnusedElaboratable=no
"""Words keep their order between clocks of any ratio; at equal clocks there is one per clock, and as many are stored
as promised. (What resets do is in the tests of FrameFifo, which lives with it.)"""

import random

import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator
from opentep.gateware.mac.async_fifo import AsyncFifo

WIDTH = 16


def run(depth, count, *, write=8.0, read=8.0, offer=1.0, take=1.0, hold=0, seed=1):
    """Words that leave, in how many clocks of ``read`` from the first one, and how many were taken while nothing left
    for the first ``hold`` clocks."""
    dut = AsyncFifo(WIDTH, depth)
    rng = random.Random(seed)
    top = Module()
    for name in ("write", "read"):
        setattr(top.domains, name, ClockDomain(name))
    top.submodules.dut = dut
    simulator = Simulator(top)
    simulator.add_clock(write * 1e-9, domain="write")
    simulator.add_clock(read * 1e-9, phase=rng.random() * read * 1e-9, domain="read")
    left, times, taken, stored = [], [], 0, None

    async def feed(ctx):
        nonlocal taken
        while taken < count:
            offers = rng.random() < offer
            ctx.set(dut.w_en, offers)
            ctx.set(dut.w_data, taken)
            _, _, ready = await ctx.tick("write").sample(dut.w_rdy)
            taken += offers and ready
        ctx.set(dut.w_en, 0)

    async def drain(ctx):
        nonlocal stored
        await ctx.tick("read").repeat(hold + 1)
        stored = taken
        clock = 0
        while len(left) < count:
            takes = rng.random() < take
            ctx.set(dut.r_en, takes)
            _, _, there, word = await ctx.tick("read").sample(dut.r_rdy, dut.r_data)
            clock += 1
            if takes and there:
                left.append(word)
                times.append(clock)

    simulator.add_testbench(feed)
    simulator.add_testbench(drain)
    simulator.run()
    return left, times[-1] - times[0] + 1, stored


@pytest.mark.parametrize("write, read", [(8, 8), (8, 7.3), (8, 31), (31, 8)])
@pytest.mark.parametrize("offer, take", [(1.0, 1.0), (0.3, 1.0), (1.0, 0.3)])
def test_order(write, read, offer, take):
    left, _, _ = run(8, 300, write=write, read=read, offer=offer, take=take)
    assert left == list(range(300))


@pytest.mark.parametrize("depth", [8, 16])
def test_a_word_per_clock(depth):
    assert run(depth, 400)[1] == 400


@pytest.mark.parametrize("depth", [4, 8, 16])
def test_room(depth):
    """The RAM but for one word, and two words behind it."""
    assert run(depth, 100, hold=60)[2] in (depth + 1, depth + 2)
