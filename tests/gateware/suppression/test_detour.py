"""Each verdict comes out once: those on requests by way of the responder, while it has room, all others in order."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.params import Params
from opentep.gateware.suppression.detour import Detour

COUNT = 400
ROOM = 4


@pytest.mark.parametrize("offer, take, slow", [(1, 1, 0.05), (0.6, 0.9, 0.3), (1, 0.4, 0.02), (1, 1, 1)])
def test_detour(offer: float, take: float, slow: float) -> None:
    """``slow`` is the responder's chance per clock to be done with a request."""
    params = Params(known_addresses=16)
    rng = random.Random(3)
    dut = Detour(params)
    asks = [rng.random() < 0.3 for _ in range(COUNT)]
    taken, turned_off, came_out, overruns = [], [], [], []

    async def bench(ctx) -> None:
        number, waiting, responding = 0, [], None
        offered = False
        while len(came_out) < COUNT:
            offered = number < COUNT and (offered or rng.random() < offer)
            ctx.set(dut.input.valid, offered)
            if offered:
                ctx.set(dut.input.payload, {"length": number, "asks": asks[number]})
            ctx.set(dut.output.ready, rng.random() < take)
            done = responding is not None and (ctx.get(dut.outcome.valid) or rng.random() < slow)
            ctx.set(dut.outcome.valid, done)
            if done:
                # Answered or not, whatever the responder makes of it.
                ctx.set(dut.outcome.payload, {"length": responding, "asks": 1, "ports": 2})
            leaves = bool(ctx.get(dut.outcome.valid) and ctx.get(dut.outcome.ready))
            ctx.set(dut.request.ready, leaves)

            if ctx.get(dut.request.valid) and responding is None:
                responding = ctx.get(dut.request.payload.length)
                assert responding == waiting[0]
            if leaves:
                waiting.pop(0)
                responding = None
            if ctx.get(dut.input.valid) and ctx.get(dut.input.ready):
                if asks[number] and not ctx.get(dut.overrun):
                    waiting.append(number)
                    turned_off.append(number)
                    assert len(waiting) <= ROOM + leaves
                elif asks[number]:
                    overruns.append(number)
                    assert len(waiting) + leaves >= ROOM
                taken.append(number)
                number, offered = number + 1, False
            else:
                assert not ctx.get(dut.overrun)
            if ctx.get(dut.output.valid) and ctx.get(dut.output.ready):
                came_out.append((ctx.get(dut.output.payload.length), ctx.get(dut.output.payload.ports)))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert taken == list(range(COUNT))
    assert [n for n, ports in came_out if ports] == turned_off
    straight = [n for n, ports in came_out if not ports]
    assert straight == sorted(set(range(COUNT)) - set(turned_off))
    assert turned_off
    assert bool(overruns) == (slow < 1)
