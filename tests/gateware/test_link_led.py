"""The LED tells link and traffic apart for the eye."""

from amaranth.sim import Simulator
from opentep.gateware.link_led import LinkLed


def test_dark_without_link_lit_with_it_and_blinking_under_load():
    dut = LinkLed()

    async def lit_for(ctx, ticks, *, frames):
        states = []
        for _ in range(ticks):
            ctx.set(dut.tick, 1)
            ctx.set(dut.frame, frames)
            await ctx.tick()
            ctx.set(dut.tick, 0)
            states.append(ctx.get(dut.lit))
        return states

    async def bench(ctx):
        assert not any(await lit_for(ctx, 600, frames=1))
        ctx.set(dut.up, 1)
        await lit_for(ctx, 600, frames=0)
        assert all(await lit_for(ctx, 600, frames=0))
        once = await lit_for(ctx, 1, frames=1) + await lit_for(ctx, 1000, frames=0)
        assert once.count(0) == 256 and once[-1]
        load = await lit_for(ctx, 5120, frames=1)
        assert 0.4 < sum(load) / len(load) < 0.6

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
