# amaranth: UnusedElaboratable=no
"""Counters: nothing lost at the highest rates, reads whole and recent, zero after reset."""

import random

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator
from opentep.gateware.counters import CounterBank


def simulate(dut, testbench, top=None):
    simulator = Simulator(top or dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


async def read(ctx, bus, index: int, limit: int) -> int:
    ctx.set(bus.index, index)
    ctx.set(bus.r_stb, 1)
    for _ in range(limit + 1):
        if ctx.get(bus.done):
            break
        await ctx.tick()
        ctx.set(bus.r_stb, 0)
    else:
        pytest.fail(f"no answer in {limit} clocks")
    value = ctx.get(bus.r_data)
    await ctx.tick()
    ctx.set(bus.r_stb, 0)
    return value


async def settle(ctx, dut) -> int:
    clocks = 0
    await ctx.tick().repeat(2)
    while ctx.get(dut.busy):
        await ctx.tick()
        clocks += 1
        assert clocks < 3 * dut.rotation + 50
    return clocks


@pytest.mark.parametrize("widths", [[1], [1, 3], [1, 4, 14, 1, 2, 7], [1 + k % 7 for k in range(48)]])
@pytest.mark.parametrize("rate", [0.05, 0.6, 1.0])
def test_counts_everything(widths, rate):
    """``rate`` 1.0 is the largest increment in every clock."""
    rng = random.Random(len(widths))
    dut = CounterBank([(f"c{k}", bits) for k, bits in enumerate(widths)])
    totals = [0] * len(widths)

    async def bench(ctx):
        for _ in range(5 * dut.rotation + 3):
            for k, bits in enumerate(widths):
                largest = (1 << bits) - 1
                value = largest if rate == 1.0 else rng.randint(0, largest) if rng.random() < rate else 0
                ctx.set(dut.increment[f"c{k}"], value)
                totals[k] += value
            await ctx.tick()
        for k in range(len(widths)):
            ctx.set(dut.increment[f"c{k}"], 0)
        await settle(ctx, dut)
        assert [await read(ctx, dut.bus, k, dut.rotation + 8) for k in range(len(widths))] == totals

    simulate(dut, bench)


def test_reads_are_recent_and_never_torn():
    """One counter runs all the time, across the carry between its halves."""
    dut = CounterBank([(name, 20) for name in "abcdefgh"])
    step = (1 << 20) - 1

    async def bench(ctx):
        clock = 0
        ctx.set(dut.increment["c"], step)
        rng = random.Random(1)
        crossed = False
        while not crossed:
            for _ in range(rng.randrange(1, 200)):
                await ctx.tick()
                clock += 1
            ctx.set(dut.bus.index, 2)
            ctx.set(dut.bus.r_stb, 1)
            while True:
                if ctx.get(dut.bus.done):
                    break
                await ctx.tick()
                clock += 1
                ctx.set(dut.bus.r_stb, 0)
            value = ctx.get(dut.bus.r_data)
            assert value % step == 0
            assert clock - dut.rotation <= value // step <= clock
            crossed = value >> 34 != 0
            await ctx.tick()
            clock += 1

    simulate(dut, bench)


def test_zero_after_a_reset_and_increments_during_the_sweep_count():
    dut = CounterBank([(name, 3) for name in "abcdefghij"])
    reset = Signal()
    rng = random.Random(2)

    async def bench(ctx):
        for _ in range(3):
            for name in "abcdefghij":
                ctx.set(dut.increment[name], rng.randrange(8))
            await ctx.tick().repeat(rng.randrange(50, 90))
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            totals = [0] * 10
            for _ in range(rng.randrange(1, 25)):
                for k, name in enumerate("abcdefghij"):
                    value = rng.randrange(8)
                    ctx.set(dut.increment[name], value)
                    totals[k] += value
                await ctx.tick()
            for name in "abcdefghij":
                ctx.set(dut.increment[name], 0)
            await settle(ctx, dut)
            assert [await read(ctx, dut.bus, k, dut.rotation + 8) for k in range(10)] == totals

    simulate(dut, bench, ResetInserter(reset)(dut))


def test_busy_covers_every_increment():
    """Once ``busy`` is 0 the clock may stop: a single event is in RAM, whenever it came."""
    dut = CounterBank([(f"c{k}", 1) for k in range(13)])

    async def bench(ctx):
        assert await settle(ctx, dut) >= dut.rotation - 2
        for phase in range(2 * dut.rotation):
            await ctx.tick().repeat(phase % dut.rotation + 1)
            ctx.set(dut.increment["c5"], 1)
            await ctx.tick()
            ctx.set(dut.increment["c5"], 0)
            await ctx.tick()
            assert ctx.get(dut.busy)
            assert await settle(ctx, dut) <= dut.rotation + 8
            assert await read(ctx, dut.bus, 5, dut.rotation + 8) == phase + 1

    simulate(dut, bench)


def test_bus_always_answers():
    dut = CounterBank([("a", 1), ("b", 1), ("c", 1)])

    async def bench(ctx):
        assert await read(ctx, dut.bus, 3, 1) == 0
        ctx.set(dut.bus.index, 1)
        ctx.set(dut.bus.w_data, 99)
        ctx.set(dut.bus.w_stb, 1)
        await ctx.tick()
        ctx.set(dut.bus.w_stb, 0)
        assert ctx.get(dut.bus.done)
        await ctx.tick()
        assert not ctx.get(dut.bus.done)
        assert await read(ctx, dut.bus, 1, dut.rotation + 8) == 0

    simulate(dut, bench)


def test_names_are_in_order_of_index():
    assert CounterBank([("x", 1), ("y", 2)]).names == ("x", "y")


@pytest.mark.parametrize(
    "increments,message",
    [
        ([], "at least one"),
        ([("a", 0)], "1 to 20 bits"),
        ([("a", 21)], "1 to 20 bits"),
        ([("a", 1), ("a", 1)], "must differ"),
        ([(f"c{k}", 20) for k in range(5000)], "too much"),
    ],
)
def test_refuses(increments, message):
    with pytest.raises(ValueError, match=message):
        CounterBank(increments)
