"""References go in order, when their jobs are done, and only if the job says so."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.egress.releases import Held, Releases
from opentep.gateware.params import Params


@pytest.mark.parametrize("take_chance", (0.3, 1.0))
def test_order(take_chance):
    rng = random.Random(1)
    params = Params()
    dut = Releases(params)
    jobs = [(rng.randrange(params.cells), rng.random() < 0.7) for _ in range(300)]
    accepted = done = 0
    got = []

    async def source(ctx):
        nonlocal accepted
        while accepted < len(jobs):
            offers = rng.random() < 0.7
            head, release = jobs[accepted]
            ctx.set(dut.job.payload, Held(params).const({"reference": {"head": head}, "release": release}))
            ctx.set(dut.job.valid, offers)
            _, _, ready = await ctx.tick().sample(dut.job.ready)
            accepted += offers and ready
        ctx.set(dut.job.valid, 0)

    async def finish(ctx):
        nonlocal done
        while done < len(jobs):
            ends = done < accepted and rng.random() < 0.4
            ctx.set(dut.done, ends)
            await ctx.tick()
            done += ends
        ctx.set(dut.done, 0)

    async def sink(ctx):
        wanted = [head for head, release in jobs if release]
        stalled = None
        while len(got) < len(wanted):
            ready = rng.random() < take_chance
            ctx.set(dut.release.ready, ready)
            _, _, valid, head = await ctx.tick().sample(dut.release.valid, dut.release.payload.head)
            assert stalled is None or (valid and head == stalled)
            stalled = head if valid and not ready else None
            if valid and ready:
                got.append(head)
                assert len(got) <= sum(release for _, release in jobs[:done])
        assert got == wanted

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    for bench in (source, finish, sink):
        simulator.add_testbench(bench)
    simulator.run()
    assert done == accepted == len(jobs)
