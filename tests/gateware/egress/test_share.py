"""What waits for a port is counted in cells, and kept below what is free."""

import random

from amaranth.sim import Simulator
from opentep.gateware.egress.share import Share
from opentep.gateware.params import Params


def cells(end: int) -> int:
    return (end >> 7) + 1


def test_counts_and_compares():
    params = Params(packet_bytes=16384)
    dut = Share(params)
    rng = random.Random(1)
    queue: list[int] = []
    seen = set()

    async def bench(ctx):
        expected = 1
        # Behind the queue: what has come and gone in the clock before is not counted yet.
        held = [0, 0]
        for clock in range(4000):
            free = max(0, params.cells - sum(map(cells, queue)) - (rng.randrange(40) if clock % 2 else 0))
            ctx.set(dut.free, free)
            # Phases in which more comes, and in which more goes.
            more = clock // 300 % 2
            comes = rng.random() < (0.3 if more else 0.1) and sum(map(cells, queue)) < params.cells - 80
            goes = bool(queue) and rng.random() < (0.1 if more else 0.4)
            end = rng.choice((60, 127, 128, 1518, 9216))
            ctx.set(dut.comes, comes)
            ctx.set(dut.comes_end, end)
            ctx.set(dut.goes, goes)
            ctx.set(dut.goes_end, queue[0] if goes else rng.getrandbits(14))
            assert ctx.get(dut.room) == expected
            seen.add(expected)
            await ctx.tick()
            if goes:
                queue.pop(0)
            if comes:
                queue.append(end)
            expected = int(held.pop(0) <= free)
            held.append(sum(map(cells, queue)))

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == {0, 1}
