"""The lookup pipeline: what its tables do not show by themselves."""

from amaranth.hdl import Shape, Value
from amaranth.sim import Simulator
from opentep.gateware.lookup.pipeline import LookupPipeline
from opentep.gateware.params import Params
from opentep.gateware.tables.mac_entry import MacChange, MacOp

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


def test_tables_change_and_are_read_whatever_comes():
    """Frames so short and so many that there is always one to look up, as they can be at 512 bits."""
    dut = LookupPipeline(Params(macs=64, tenants=64, teps=64, rules=64, lists=16, members=16))
    buses = ("tenant_slots", "tenant_stash", "tenant_entries", "source_slots", "rule_slots", "rule_stash")

    async def transfer(ctx, bus, strobe):
        ctx.set(strobe, 1)
        for _ in range(2000):
            done, _ = ctx.get(bus.done), await ctx.tick()
            ctx.set(strobe, 0)
            if done:
                return ctx.get(bus.r_data)
        raise AssertionError("no end of the transfer")

    async def bench(ctx):
        await ctx.tick().until(~dut.busy)
        for keys in dut.keys:
            ctx.set(keys.valid, 1)
        ctx.set(dut.room, -1)
        await ctx.tick().repeat(50)
        ctx.set(dut.mac_requests.w_data, {"op": MacOp.INSERT, "mac": 0x220000_000001})
        await transfer(ctx, dut.mac_requests, dut.mac_requests.w_stb)
        for bus in (getattr(dut, name) for name in buses):
            bits = Shape.cast(bus.signature.members["w_data"].shape).width
            ctx.set(bus.index, bus.signature.depth - 1)
            ctx.set(Value.cast(bus.w_data), 0x5A5A_5A5A_5A5A_5A5A & (1 << bits) - 1)
            await transfer(ctx, bus, bus.w_stb)
            assert await transfer(ctx, bus, bus.r_stb) == ctx.get(bus.w_data)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
