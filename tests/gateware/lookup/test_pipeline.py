"""The lookup pipeline: what its tables do not show by themselves."""

from amaranth.sim import Simulator
from opentep.gateware.lookup.pipeline import LookupPipeline
from opentep.gateware.params import Params
from opentep.gateware.tables.mac_entry import MacChange

QUEUED = 15


def test_sources_that_are_lost_count_as_refused():
    """While the MAC table is being cleared nothing leaves its queue."""
    offered = 40
    dut = LookupPipeline(Params(macs=64, tenants=16, teps=16, rules=16, lists=16, members=16))
    counts = {"learned": 0, "refused": 0}

    async def count(ctx):
        async for _, _, event, refused in ctx.tick().sample(dut.event, dut.refused):
            counts["learned"] += event.change == MacChange.LEARNED
            counts["refused"] += refused

    async def bench(ctx):
        for mac in range(offered):
            ctx.set(dut.learn.payload.mac, 0x220000_000001 + mac)
            ctx.set(dut.learn.valid, 1)
            await ctx.tick()
            ctx.set(dut.learn.valid, 0)
            await ctx.tick()
        assert counts == {"learned": 0, "refused": offered - QUEUED}
        await ctx.tick().until(~dut.busy)
        assert counts == {"learned": QUEUED, "refused": offered - QUEUED}

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_process(count)
    sim.add_testbench(bench)
    sim.run()
