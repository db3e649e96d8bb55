# amaranth: UnusedElaboratable=no
"""The MDIO station against PHYs written from the standard."""

import itertools
import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.phy.mdio import Mdio, MdioRequest, half_period_for


@pytest.mark.parametrize("clock_hz", [10_000_000, 20_000_000, 125_000_000])
def test_random_requests(clock_hz, make_phys):
    rng = random.Random(clock_hz)
    half_period = half_period_for(clock_hz)
    dut = Mdio(half_period)
    phys = make_phys(clock_hz, clock_hz)
    phys.registers = {a: [rng.getrandbits(16) for _ in range(32)] for a in rng.sample(range(32), 3)}
    expected = {address: list(values) for address, values in phys.registers.items()}
    edges = []

    async def watch(ctx):
        count, last = 0, 0
        async for _, _, mdc in ctx.tick().sample(dut.pins.mdc):
            count += 1
            if mdc != last:
                edges.append(count)
                last = mdc

    async def bench(ctx):
        for _ in range(40 if clock_hz < 125_000_000 else 4):
            address = rng.choice([*phys.registers, *phys.registers, rng.randrange(32)])
            register, write, value = rng.randrange(32), rng.getrandbits(1), rng.getrandbits(16)
            await ctx.tick().repeat(rng.choice((1, 2, 50)))
            request = {"data": value, "register": register, "phy": address, "write": write}
            ctx.set(dut.request.payload, MdioRequest.const(request))
            ctx.set(dut.request.valid, 1)
            await ctx.tick().until(dut.request.ready)
            ctx.set(dut.request.valid, 0)
            ctx.set(dut.request.payload, MdioRequest.const({}))
            await ctx.tick().repeat(rng.choice((1, 200 * half_period)))
            ctx.set(dut.response.ready, 1)
            (response,) = await ctx.tick().sample(dut.response.payload).until(dut.response.valid)
            ctx.set(dut.response.ready, 0)
            assert phys.accesses.pop() == (address, register, value if write else None)
            assert not phys.accesses
            if write:
                assert response.answered
                if address in expected:
                    expected[address][register] = value
            else:
                assert response.answered == (address in expected)
                assert response.data == (expected[address][register] if address in expected else 0xFFFF)
        assert phys.registers == expected

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.add_testbench(phys.process(dut.pins), background=True)
    sim.add_testbench(watch, background=True)
    sim.run()
    assert min(b - a for a, b in itertools.pairwise(edges)) == half_period


def test_clock():
    for clock_hz in (12_000_000, 25_000_000, 125_000_000, 156_250_000):
        assert clock_hz / (2 * half_period_for(clock_hz)) <= 2_500_000
    assert half_period_for(125_000_000) == 25
    with pytest.raises(ValueError, match="half_period must be at least 3 clocks, not 2"):
        Mdio(2)
