"""cocotb module: what the models of ECP5 cells claim, at the pins of bench.v."""

import itertools
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge, Timer, with_timeout
from cocotb.utils import get_sim_time


def now() -> int:
    return round(get_sim_time("ps"))


@cocotb.test()
async def iddr(dut):
    rng = random.Random(1)
    cocotb.start_soon(Clock(dut.clk, 8000, "ps").start())
    pairs = []
    for clock in range(200):
        await FallingEdge(dut.clk)
        await Timer(2000, "ps")
        rising = rng.getrandbits(1)
        dut.d.value = rising
        await RisingEdge(dut.clk)
        await ReadOnly()
        if clock > 2:
            assert (int(dut.q0.value), int(dut.q1.value)) == pairs[-1]
        await Timer(2000, "ps")
        falling = rng.getrandbits(1)
        dut.d.value = falling
        pairs.append((rising, falling))


@cocotb.test()
async def oddr(dut):
    rng = random.Random(2)
    cocotb.start_soon(Clock(dut.clk, 8000, "ps").start())
    pairs = []
    await FallingEdge(dut.clk)
    for clock in range(200):
        pairs.append((rng.getrandbits(1), rng.getrandbits(1)))
        dut.d0.value, dut.d1.value = pairs[-1]
        for half, edge in enumerate((RisingEdge, FallingEdge)):
            await edge(dut.clk)
            await Timer(100, "ps")
            if clock > 1:
                assert int(dut.q.value) == pairs[-3][half]


@cocotb.test()
async def delay(dut):
    """Edges come as late as the parameter says, also of pulses shorter than the delay."""
    rng = random.Random(3)
    dut.a.value = 0
    await Timer(10_000, "ps")
    steps = {"z0": 0, "z1": 25, "z127": 3175}
    edges = {name: [] for name in steps}

    async def watch(name):
        while True:
            await getattr(dut, name).value_change
            edges[name].append(now())

    watchers = [cocotb.start_soon(watch(name)) for name in steps]
    sent = []
    for level in range(1, 100):
        await Timer(rng.choice((1600, 1900, 5000)), "ps")
        dut.a.value = level % 2
        sent.append(now())
    await Timer(10_000, "ps")
    for watcher in watchers:
        watcher.cancel()
    for name, late in steps.items():
        assert edges[name] == [at + late for at in sent], name


@cocotb.test()
async def pads(dut):
    for drive in (0, 1):
        for value in (0, 1):
            dut.drive.value, dut.value.value = drive, value
            await Timer(100, "ps")
            assert int(dut.seen.value) == (value if drive else 1 - value)
            assert int(dut.obz.value) == value


async def _edges(signal, count):
    times = []
    for _ in range(count):
        await RisingEdge(signal)
        times.append(now())
    return times


@cocotb.test()
async def pll(dut):
    """Frequencies and phases by the dividers, at exact and at odd frequencies; loses lock and finds it again."""
    dut.rst.value = 0
    for period in (40_000, 40_004, 39_996):
        clock = cocotb.start_soon(Clock(dut.clki, period, "ps").start())
        await FallingEdge(dut.lock) if int(dut.lock.value) else None
        await with_timeout(RisingEdge(dut.lock), 10, "us")
        (origin,) = await _edges(dut.clki, 1)
        for name, ratio, phase in (
            ("clkop", 5, 0),
            ("clkos", 5, 90),
            ("clkos2", 2.5, 0),
            ("clkos3", 6.25, 0),
        ):
            times = await _edges(getattr(dut, name), 2000)
            expected = period / ratio
            assert abs((times[-1] - times[0]) / (len(times) - 1) - expected) < 0.01, name
            jitter = [abs(b - a - expected) for a, b in itertools.pairwise(times)]
            assert max(jitter) <= 1
            if ratio == 5:
                # The quarter of 625 MHz' eighths nearest to 90 degrees: 10 eighths of 1.6 ns are 2 ns.
                shift = (times[0] - origin) % expected
                distance = (shift - expected * phase / 360 + expected / 2) % expected - expected / 2
                assert abs(distance) <= 2, f"{name} is {shift} ps late"
        clock.cancel()
    cocotb.start_soon(Clock(dut.clki, 40_000, "ps").start())
    dut.rst.value = 1
    await with_timeout(FallingEdge(dut.lock), 1, "us")
    dut.rst.value = 0
    await with_timeout(RisingEdge(dut.lock), 10, "us")


@cocotb.test()
async def oscillator(dut):
    times = await _edges(dut.osc, 101)
    assert abs((times[-1] - times[0]) / 100 - 100_000) < 2


@cocotb.test()
async def clock_gate(dut):
    """Only whole pulses, whenever the gate opens and closes; as many as began while it was open."""
    rng = random.Random(1)
    cocotb.start_soon(Clock(dut.clk, 8000, "ps").start())
    dut.ce.value = 0
    rises, expected = [], []

    async def pulses():
        while True:
            await RisingEdge(dut.gated)
            rises.append(now())
            await FallingEdge(dut.gated)
            assert now() - rises[-1] == 4000

    async def clocks():
        while True:
            await RisingEdge(dut.clk)
            if int(dut.ce.value):
                expected.append(now())

    await FallingEdge(dut.clk)
    cocotb.start_soon(pulses())
    cocotb.start_soon(clocks())
    await Timer(1000, "ps")
    for _ in range(500):
        await Timer(rng.randrange(1, 8) * 2000, "ps")
        dut.ce.value = rng.getrandbits(1)
    await FallingEdge(dut.clk)
    assert rises == expected
